"""Counts and formulas by hand on 2x4 masks, and the pixel histogram against direct counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_maps import level_maps
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from steelcli.data.levels import from_levels, to_levels
from steelcli.scores import formulas
from steelcli.scores.counts import (
    PROBS,
    Counts,
    OperatingPoint,
    count,
    cut,
    lowest_level,
)
from steelcli.scores.histogram import GRID, PixelHistogram

LEFT = np.array([[1, 1, 0, 0], [1, 1, 0, 0]], bool)
MIDDLE = np.array([[0, 1, 1, 0], [0, 1, 1, 0]], bool)
NONE, ALL = np.zeros((2, 4), bool), np.ones((2, 4), bool)


@pytest.mark.parametrize(
    ("preds", "truth", "expected", "dice", "iou"),
    [
        (LEFT, LEFT, Counts(4, 0, 0), 1, 1),
        (MIDDLE, LEFT, Counts(2, 2, 2), 1 / 2, 1 / 3),
        (~LEFT, LEFT, Counts(0, 4, 4), 0, 0),
        (ALL, LEFT, Counts(4, 4, 0), 2 / 3, 1 / 2),
        (NONE, LEFT, Counts(0, 0, 4), 0, 0),
        (LEFT, NONE, Counts(0, 4, 0), 0, 0),
        (NONE, NONE, Counts(0, 0, 0), 1, 1),
        (ALL, ALL, Counts(8, 0, 0), 1, 1),
        (NONE, ALL, Counts(0, 0, 8), 0, 0),
        (ALL, NONE, Counts(0, 8, 0), 0, 0),
    ],
)
def test_counts_and_scores_by_hand(preds, truth, expected, dice, iou):
    counts = count(preds, truth)
    assert counts == expected
    columns = [np.array([value]) for value in counts]
    assert formulas.dice(*columns, empty=1.0) == pytest.approx([dice])
    assert formulas.iou(*columns, empty=1.0) == pytest.approx([iou])


def test_the_caller_states_what_an_empty_image_scores():
    zero = np.zeros(1, np.int64)
    assert formulas.dice(zero, zero, zero, empty=0.25) == [0.25]
    assert formulas.iou(zero, zero, zero, empty=0.0) == [0.0]


def test_pooled_leaves_out_what_has_nothing_to_divide_by():
    assert formulas.pooled(0, 0, 0) == {}
    assert formulas.pooled(0, 3, 0) == {"iou_pooled": 0, "precision": 0, "f1": 0}
    assert formulas.pooled(0, 0, 3) == {"iou_pooled": 0, "recall": 0, "f1": 0}
    assert formulas.pooled(2, 1, 3) == {
        "iou_pooled": 2 / 6,
        "precision": 2 / 3,
        "recall": 2 / 5,
        "f1": 4 / 8,
    }
    assert formulas.mean("dice", []) == {}


@given(level_maps(), st.floats(0, 1))
@settings(deadline=None, max_examples=60)
def test_pooled_scores_are_those_of_scikit_learn(drawn, threshold):
    levels, truth = drawn
    preds = cut(levels, OperatingPoint(threshold))
    found = formulas.pooled(*count(preds, truth))
    oracles = {
        "precision": precision_score,
        "recall": recall_score,
        "f1": f1_score,
        "iou_pooled": jaccard_score,
    }
    for key, value in found.items():
        assert value == pytest.approx(oracles[key](truth[0], preds[0], zero_division=0))
    defined = {"precision": preds.any(), "recall": truth.any(), "f1": (preds | truth).any()}
    assert {key for key in oracles if defined.get(key, defined["f1"])} == found.keys()


def test_a_probability_at_the_threshold_is_predicted():
    levels = to_levels(np.array([[0.2, 0.1, 0.6]], np.float32))  # 1 / 5 and 3 / 5 are levels
    assert cut(levels, OperatingPoint(0.2)).tolist() == [[True, False, True]]
    assert cut(levels, OperatingPoint(0.6)).tolist() == [[False, False, True]]
    assert cut(levels, OperatingPoint(0.0)).all()
    assert cut(np.full((1, 2), 65535, np.uint16), OperatingPoint(1.0)).all()


@given(st.one_of(st.floats(0, 1), st.integers(0, 65535).map(lambda level: level / 65535)))
def test_levels_are_cut_as_their_probabilities_are(threshold):
    np.testing.assert_array_equal(
        np.arange(65536) >= lowest_level(threshold), np.float32(threshold) <= PROBS
    )


def test_components_are_8_connected_and_small_ones_removed():
    diagonal = np.array([[1, 0, 0, 1], [0, 1, 0, 0]], bool)
    levels = np.where(diagonal, 40000, 0).astype(np.uint16)
    for area, left in ((0, diagonal), (1, diagonal), (2, diagonal & [1, 1, 0, 0]), (3, NONE)):
        np.testing.assert_array_equal(cut(levels, OperatingPoint(0.5, area)), left)
    assert cut(np.full((2, 4), 65535, np.uint16), OperatingPoint(0.5, 8)).all()
    assert not cut(np.full((2, 4), 65535, np.uint16), OperatingPoint(0.5, 9)).any()


@given(level_maps())
@settings(deadline=None, max_examples=60)
def test_grid_counts_equal_direct_counting_at_every_threshold(drawn):
    levels, truth = drawn
    tp, fp = PixelHistogram.of_image(levels, truth).grid_counts()
    preds = from_levels(levels) >= GRID[:, None]  # [1023, N]
    np.testing.assert_array_equal(tp, (preds & truth).sum(axis=1))
    np.testing.assert_array_equal(fp, (preds & ~truth).sum(axis=1))


@given(level_maps(), level_maps(), level_maps())
@settings(deadline=None, max_examples=30)
def test_merging_histograms_leaves_no_trace_of_the_order(first, second, third):
    def merged(*parts):
        whole = PixelHistogram()
        for levels, truth in parts:
            whole.merge(PixelHistogram.of_image(levels, truth))
        return whole

    joined = (
        np.concatenate([first[0], second[0], third[0]], axis=1),
        np.concatenate([first[1], second[1], third[1]], 1),
    )
    once, forward, backward = (
        merged(joined),
        merged(first, second, third),
        merged(third, second, first),
    )
    tail = merged(second, third)
    head = merged(first)
    head.merge(tail)
    for other in (forward, backward, head):
        np.testing.assert_array_equal(once.defect, other.defect)
        np.testing.assert_array_equal(once.clean, other.clean)


def test_an_image_larger_than_a_chunk_is_counted_whole():
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 65536, (600, 1000)).astype(np.uint16)
    truth = rng.random(levels.shape) < 0.3
    histogram = PixelHistogram.of_image(levels, truth)
    np.testing.assert_array_equal(histogram.defect, np.bincount(levels[truth], minlength=65536))
    np.testing.assert_array_equal(histogram.clean, np.bincount(levels[~truth], minlength=65536))
