"""What `evaluate` prints."""

from __future__ import annotations

from pathlib import Path

import pytest
from make_run import GROUP, OTHER, TEST, cells

from steelcli.reporting.summary_table import build_summary
from steelcli.reporting.table import show_tables

PATH = Path("metrics/test.json")


@pytest.mark.usefixtures("terminal")
def test_few_numbers_and_where_the_rest_is(capsys: pytest.CaptureFixture[str]) -> None:
    table = build_summary(TEST, PATH)
    show_tables([table])
    out = capsys.readouterr().out
    assert len(table.rows) == 12
    assert len(out.splitlines()) < 30
    assert table.title == "Test split at the learned threshold 0.5713"
    shown = cells(table)
    assert shown["dice_defect"][0] == "0.6145"
    assert shown["auprc"][0] == "0.7845"
    assert shown["clean_false_alarm"] == (
        "0.2154",
        "share of clean images with a detection: 127 of 591, interval 0.1837 to 0.2498",
    )
    assert "metrics/test.json" in out
    assert "`steelcli report`" in out
    assert max(len(line) for line in out.splitlines() if line != table.note) <= 80


def test_one_of_one_says_so() -> None:
    metrics = {"images": 3, "defect_images": 2, "fixed": GROUP | {"clean_false_alarm": 1.0}}
    table = build_summary(metrics, PATH)
    assert table.title == "Test split at threshold 0.5"
    meaning = cells(table)["clean_false_alarm"][1]
    assert meaning.endswith("a detection: 1 of 1, interval 0.2065 to 1.0000")


def test_what_masks_have_no_value_for_is_a_dash() -> None:
    shown = cells(build_summary(OTHER | {"auprc": None}, PATH))
    for key in ("auprc", "recall_at_1_fp", "ms_per_image"):
        assert shown[key][0] == "–"
    assert shown["dice"][0] == "0.3456"
