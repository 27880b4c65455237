"""FROC by hand on 2x4 masks, and exactly equal to a slow oracle that labels every threshold's
mask."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_maps import draw_map
from scipy.ndimage import label

from steelcli.data.levels import from_levels, to_levels
from steelcli.scores.froc import (
    FP_LIMITS,
    Froc,
    image_froc,
)
from steelcli.scores.matching import Defects, overlap_pixels

LEFT = np.array([[1, 1, 0, 0], [1, 1, 0, 0]], bool)
EIGHT = np.ones((3, 3))


def slow_froc(levels, truth, min_overlap):
    """Count as the definition reads: 99 masks, each labelled anew, each component a set of pixels.
    Shares are compared as fractions."""
    share = Fraction(str(min_overlap))
    found, false, probs = np.zeros(99, int), np.zeros(99, int), from_levels(levels)
    defects = pixel_sets(truth)
    true_pixels = set().union(*defects)
    for index in range(99):
        covered = set()
        for component in pixel_sets(probs >= np.float32((index + 1) / 100)):
            if len(component & true_pixels) >= share * len(component):
                covered |= component
            else:
                false[index] += 1
        found[index] = sum(len(defect & covered) >= share * len(defect) for defect in defects)
    return found, false, len(defects)


def pixel_sets(mask):
    labels, number = label(mask, structure=EIGHT)
    return [set(zip(*np.nonzero(labels == index), strict=True)) for index in range(1, number + 1)]


@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(1, 14),
    width=st.integers(1, 14),
    blur=st.sampled_from([0.3, 0.8, 2.0]),
    kind=st.sampled_from(["soft", "soft", "plateaus", "hard", "edges"]),
    min_overlap=st.sampled_from([0.1, 0.3, 0.5, 1.0, 0.001]),
)
@settings(deadline=None, max_examples=80)
def test_froc_equals_the_slow_oracle(*, seed, height, width, blur, kind, min_overlap):
    levels, truth = draw_map(seed, height, width, blur, kind)
    found, false, number = slow_froc(levels, truth, min_overlap)
    counted = image_froc(levels, Defects.of(truth), min_overlap)
    np.testing.assert_array_equal(counted.found, found)
    np.testing.assert_array_equal(counted.false, false)
    assert counted.true_components == number


def test_froc_equals_the_slow_oracle_on_a_larger_map():
    levels, truth = draw_map(5, 60, 90, 1.5, "soft")
    found, false, number = slow_froc(levels, truth, 0.1)
    counted = image_froc(levels, Defects.of(truth), 0.1)
    assert number > 5
    assert false.max() > 5
    np.testing.assert_array_equal(counted.found, found)
    np.testing.assert_array_equal(counted.false, false)


def test_overlap_asks_for_no_pixel_more_than_the_share():
    areas = np.arange(1, 2000)
    for percent in range(1, 101):
        np.testing.assert_array_equal(
            overlap_pixels(areas, percent / 100), -(-areas * percent // 100)
        )
    assert overlap_pixels(np.array([1, 5]), 1e-30).tolist() == [1, 1]


def test_by_hand():
    """The defect of 4 pixels needs 2 of them: up to 0.6. The right blob stands alone from 0.06 on,
    up to 0.3."""
    probs = np.array([[0.9, 0.6, 0.055, 0.305], [0.2, 0.1, 0.055, 0.305]], np.float32)
    levels = to_levels(probs)
    counted = image_froc(levels, Defects.of(LEFT), 0.5)
    assert counted.found.tolist() == [1] * 60 + [0] * 39
    assert counted.false.tolist() == [0] * 5 + [1] * 25 + [0] * 69
    froc = Froc()
    froc.add(counted)
    assert froc.recall_at(1.0) == 1
    best = {"recall": 1.0, "threshold": 0.6, "fp_per_image": 0.0}
    assert froc.rows() == [{"max_fp_per_image": limit, **best} for limit in FP_LIMITS]


def test_clean_images_count_for_the_false_alarms_per_image():
    froc = Froc()
    froc.add(image_froc(to_levels(np.full((2, 4), 0.505, np.float32)), Defects.of(LEFT), 0.1))
    froc.add(
        image_froc(
            to_levels(np.full((2, 4), 0.995, np.float32)), Defects.of(np.zeros((2, 4), bool)), 0.1
        )
    )
    rows = {row["max_fp_per_image"]: row for row in froc.rows()}
    assert rows[0.25] == {
        "max_fp_per_image": 0.25,
        "recall": 0.0,
        "fp_per_image": 0.0,
    }  # no threshold keeps the limit
    assert rows[0.5] == {
        "max_fp_per_image": 0.5,
        "recall": 1.0,
        "threshold": 0.5,
        "fp_per_image": 0.5,
    }
    assert froc.recall_at(0.4) == 0


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_without_a_true_component_there_is_no_recall(level):
    froc = Froc()
    froc.add(
        image_froc(
            to_levels(np.full((2, 4), level, np.float32)), Defects.of(np.zeros((2, 4), bool)), 0.1
        )
    )
    assert froc.rows() == []
    assert froc.recall_at(1.0) is None


def test_all_defect_found_in_one_component():
    counted = image_froc(np.full((2, 4), 65535, np.uint16), Defects.of(np.ones((2, 4), bool)), 1.0)
    assert counted.found.tolist() == [1] * 99
    assert not counted.false.any()
