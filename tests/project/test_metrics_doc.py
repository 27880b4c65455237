"""The worked example of docs/metrics-example.md, computed; every key explained in a page."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest
from closure import ROOT

from steelcli.data.levels import to_levels
from steelcli.scores.counts import FIXED
from steelcli.scores.scorer import SplitScorer

EXAMPLE = (ROOT / "docs" / "metrics-example.md").read_text(encoding="utf-8")
PAGES = ("metrics.md", "metrics-defects.md")


def read_arrays():
    """Return the four arrays of the example by their headings, [2, 4] each."""
    blocks = EXAMPLE.split("```")[1].strip().split("\n\n")
    titles, lines = zip(*(block.split("\n", 1) for block in blocks), strict=True)
    return dict(
        zip(
            titles,
            (np.array([line.split() for line in rows.splitlines()], float) for rows in lines),
            strict=True,
        )
    )


@pytest.fixture(scope="module")
def scorer():
    arrays = read_arrays()
    scorer = SplitScorer(["scratch", "patch"], [FIXED], min_overlap=0.1)
    masks = np.stack([arrays["scratch"], arrays["patch"]]).astype(bool)
    first = to_levels(arrays["probabilities of the first image"].astype(np.float32))
    second = to_levels(arrays["probabilities of the second image"].astype(np.float32))
    scorer.update("first", first, masks)
    scorer.update("second", second, np.zeros_like(masks))
    return scorer


def test_the_example_states_every_number_and_each_is_right(scorer):
    stated = {
        key: float(Fraction(value))
        for key, value in re.findall(r"^\| `(\S+)` \| (\S+) \|", EXAMPLE, re.M)
    }
    groups = {"recall_class": scorer.recall_class(FIXED), **scorer.by_component(FIXED)}
    grouped = {
        f"{name}.{key}": value for name, group in groups.items() for key, value in group.items()
    }
    found = scorer.summary() | scorer.group(FIXED) | grouped
    assert stated == pytest.approx(found, abs=1 / 65535)  # the example states unrounded values


def test_the_froc_table_is_right(scorer):
    stated = re.findall(r"^\| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", EXAMPLE, re.M)
    keys = ("max_fp_per_image", "recall", "fp_per_image")
    assert [tuple(map(float, row)) for row in stated] == [
        tuple(row[key] for key in keys) for row in scorer.froc_rows()
    ]


def test_the_counts_are_right(scorer):
    stated = re.findall(r"tp = (\d)[^,.]*(?: \([^)]*\))?, fp = (\d)[^,]*, fn = (\d)", EXAMPLE)[:2]
    counted = [(row["tp"], row["fp"], row["fn"]) for row in scorer.image_rows(FIXED)]
    assert [tuple(map(int, row)) for row in stated] == counted


def test_the_pages_explain_every_key(scorer):
    page = "".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in PAGES)
    for key in scorer.summary() | scorer.group(FIXED) | scorer.by_component(FIXED):
        assert f"`{key}`" in page or key in ("images", "defect_images"), key
