"""Counts and formulas by hand on 2x4 masks, and the pixel histogram against direct counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_maps import LEVELS, maps
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from steelcli.scores import formulas
from steelcli.scores.counts import Counts, apply_threshold, count, has_component
from steelcli.scores.histogram import (
    BINS,
    EMPTY,
    GRID,
    MIXED,
    PixelHistogram,
    lower_edges,
    pixel_keys,
)

LEFT = np.array([[1, 1, 0, 0], [1, 1, 0, 0]], bool)
MIDDLE = np.array([[0, 1, 1, 0], [0, 1, 1, 0]], bool)
NONE, ALL = np.zeros((2, 4), bool), np.ones((2, 4), bool)

ONE = np.float32(1)


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


@given(maps(), st.floats(0, 1))
@settings(deadline=None, max_examples=60)
def test_pooled_scores_are_those_of_scikit_learn(drawn, threshold):
    probs, truth = drawn
    preds = apply_threshold(probs, threshold)
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
    probs = np.array([[0.3, 0.1, 0.7]], np.float32)
    assert apply_threshold(probs, 0.3).tolist() == [[True, False, True]]
    assert apply_threshold(probs, 0.7).tolist() == [[False, False, True]]
    assert apply_threshold(probs, 0.0).all()


def test_components_are_8_connected_and_small_ones_ignored():
    diagonal = np.array([[1, 0, 0, 1], [0, 1, 0, 0]], bool)
    assert [has_component(diagonal, area) for area in (0, 1, 2, 3)] == [True, True, True, False]
    assert not has_component(NONE, 0)


def test_every_16_bit_and_half_precision_level_has_its_own_bin():
    bits16 = np.arange(65536).astype(np.float32) / np.float32(65535)
    half = np.arange(0x3C01, dtype=np.uint16).view(np.float16).astype(np.float32)
    for levels in (bits16, half):
        keys = pixel_keys(levels)
        assert (np.diff(keys) > 0).all()
        assert keys[0] == 0
        assert keys[-1] == BINS - 1


def test_bins_separate_saturated_probabilities():
    probs = np.array([0, 1e-11, 1e-9, 1e-7, 1 - 1e-6, 1 - 2**-23, 1 - 2**-24, 1], np.float32)
    assert (np.diff(pixel_keys(probs)) > 0).all()


@given(st.lists(LEVELS, min_size=2, max_size=40))
@settings(deadline=None, max_examples=100)
def test_bins_rise_with_the_probability_and_start_at_their_edge(drawn):
    probs = np.sort(np.array(drawn, np.float32))
    keys = pixel_keys(probs)
    assert (np.diff(keys) >= 0).all()
    edges = lower_edges(keys)
    assert (edges <= probs).all()
    assert (pixel_keys(edges) == keys).all()
    inner = edges[edges > 0]
    assert (pixel_keys(np.nextafter(inner, np.float32(0))) < pixel_keys(inner)).all()


@given(maps())
@settings(deadline=None, max_examples=60)
def test_grid_counts_equal_direct_counting_at_every_threshold(drawn):
    probs, truth = drawn
    tp, fp = PixelHistogram.of_image(probs, truth).grid_counts()
    preds = probs >= GRID[:, None]  # [1023, N]
    np.testing.assert_array_equal(tp, (preds & truth).sum(axis=1))
    np.testing.assert_array_equal(fp, (preds & ~truth).sum(axis=1))


def test_grid_counts_are_exact_around_every_edge():
    probs = np.concatenate([GRID, np.nextafter(GRID, np.float32(0)), np.nextafter(GRID, ONE)])[None]
    truth = np.ones_like(probs, bool)
    tp, _ = PixelHistogram.of_image(probs, truth).grid_counts()
    np.testing.assert_array_equal(tp, (probs >= GRID[:, None]).sum(axis=1))


@given(maps(), maps(), maps())
@settings(deadline=None, max_examples=30)
def test_merging_histograms_leaves_no_trace_of_the_order(first, second, third):
    def merged(*parts):
        whole = PixelHistogram()
        for probs, truth in parts:
            whole.merge(PixelHistogram.of_image(probs, truth))
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
        for name in ("pos", "neg", "level"):
            np.testing.assert_array_equal(getattr(once.bins(), name), getattr(other.bins(), name))


def test_a_bin_knows_whether_it_holds_one_probability():
    near = np.nextafter(np.float32(0.3), ONE)
    histogram = PixelHistogram.of_image(
        np.array([[0.3, 0.3, 0.7, 0.3, near]], np.float32), np.zeros((1, 5), bool)
    )
    keys = pixel_keys(np.array([0.3, 0.7, 0.9], np.float32))
    assert histogram.bins().level[keys].tolist() == [MIXED, np.float32(0.7), EMPTY]
