"""The numbers at a pair of threshold and area."""

from __future__ import annotations

import math

import pytest
from make_run import TEST, points

from steelcli.reporting.operating import NAMES, arrange_points, compute_numbers, show_numbers
from steelcli.reporting.stage_files import Columns


def make_columns() -> Columns:
    rows = points()
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


def test_the_pairs_in_use_are_found() -> None:
    arranged = arrange_points(make_columns(), TEST | {"min_area_px": 16})
    assert arranged.areas == [0, 16, 256]
    assert len(arranged.thresholds) == 100
    threshold, area = arranged.split_row(arranged.learned)
    assert (arranged.thresholds[threshold], arranged.areas[area]) == (0.5713, 16)
    assert arranged.columns["min_area_px"][arranged.learned] == 16
    threshold, area = arranged.split_row(arranged.fixed)
    assert (arranged.thresholds[threshold], arranged.areas[area]) == (0.5, 0)


def test_a_learned_threshold_that_is_a_hundredth_as_float32_and_an_area_of_1_are_found() -> None:
    learned = {"threshold": 0.25000000001, "min_area_px": 1}
    arranged = arrange_points(make_columns(), TEST | learned)
    assert arranged.columns["threshold"][arranged.learned] == 0.25
    assert arranged.columns["min_area_px"][arranged.learned] == 0


def test_numbers_by_hand() -> None:
    columns: Columns = {name: [value] for name, value in points()[0].items()}
    columns |= {"threshold": [0.5], "tp": [6.0], "fp": [2.0], "fn": [4.0], "found": [3.0]}
    columns |= {"false_alarms": [1.0], "detected": [2.0], "false_components": [7.0]}
    columns["dice"] = [math.nan]
    test = {"threshold": 0.5, "images": 5, "defect_images": 3, "defects": 4}
    arranged = arrange_points(columns, test)
    numbers = compute_numbers(arranged, 0)
    assert list(numbers) != []
    assert set(numbers) == set(NAMES)
    assert numbers["dice"] is None
    assert numbers["precision"] == 6 / 8
    assert numbers["recall"] == 6 / 10
    assert numbers["f1"] == 12 / 18
    assert numbers["image_recall"] == 2 / 3
    assert numbers["clean_false_alarm"] == 1 / 2
    assert numbers["found"] == 3 / 4
    assert numbers["false_per_image"] == 7 / 5
    shown = show_numbers(arranged, 0, 2)
    assert shown["dice"] == ("–", "")
    assert shown["clean_false_alarm"] == ("0.50", "1 of 2")


@pytest.mark.parametrize("key", ["image_recall", "clean_false_alarm", "found"])
def test_a_share_of_nothing_is_a_dash(key: str) -> None:
    columns: Columns = {name: [0.0] for name in points()[0]} | {"threshold": [0.5]}
    arranged = arrange_points(columns, {"threshold": 0.5})
    assert compute_numbers(arranged, 0)[key] is None
    assert show_numbers(arranged, 0, 4)[key] == ("–", "")
