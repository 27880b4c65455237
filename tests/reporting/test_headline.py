"""The five numbers to read first."""

from __future__ import annotations

import json
from typing import Any

import pytest
from closure import ROOT
from make_run import TEST

from steelcli.reporting.headline import build_headline, count_found


def test_each_number_has_its_value_and_a_sentence_with_the_counts() -> None:
    rows = build_headline(TEST, 4)
    assert [(row.key, row.text) for row in rows] == [
        ("dice_defect", "0.6145"),
        ("found", "0.6913"),
        ("clean_false_alarm", "0.2154"),
        ("image_recall", "0.9234"),
        ("auprc", "0.7845"),
    ]
    dice, found, alarm, recognised, precision = (row.sentence for row in rows)
    assert dice == "overlap of prediction and truth on 666 defective sheets; 1 is exact"
    assert found == "of 1,001 defects 692 are found"
    assert alarm == "of 591 clean sheets 127 are called defective"
    assert recognised == "of 666 defective sheets 615 are called defective"
    assert precision.startswith("of pixels called defect 78.5 % are defect")
    assert [bool(row.interval) for row in rows] == [False, True, True, True, False]
    assert rows[2].interval == "0.1837 to 0.2498"


def test_the_committed_run_counts_its_defects_once() -> None:
    test = json.loads((ROOT / "metrics" / "test.json").read_text(encoding="utf-8"))
    found, defects = count_found(test)
    assert defects == test["defects"]
    assert 0 < found <= defects


@pytest.mark.parametrize(
    ("test", "sentences"),
    [
        (
            {"images": 1, "defect_images": 0, "optimal": {"clean_false_alarm": 1.0}},
            {"clean_false_alarm": "of 1 clean sheet 1 is called defective"},
        ),
        (
            {"images": 1, "defect_images": 1, "optimal": {"image_recall": 0.0}},
            {"image_recall": "of 1 defective sheet 0 are called defective"},
        ),
        ({"images": 0, "defect_images": 0}, {}),
    ],
    ids=["no defect", "no clean sheet", "nothing"],
)
def test_what_has_nothing_to_divide_by_is_a_dash(
    test: dict[str, Any], sentences: dict[str, str]
) -> None:
    rows = build_headline(test, 4)
    assert {row.key: row.sentence for row in rows if row.value is not None} == sentences
    for row in rows:
        if row.value is None:
            assert (row.text, row.interval) == ("–", "")
            assert row.sentence.startswith("the test split has no ")
