"""Average precision against scikit-learn, the curves against direct counting, and the choice of the
threshold."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from make_maps import level_maps, maps
from sklearn.metrics import average_precision_score

from steelcli.common.errors import RunError
from steelcli.data.levels import from_levels, to_levels
from steelcli.scores import curves
from steelcli.scores.curves import PR_POINTS, GridScores, average_precision, pr_curve
from steelcli.scores.histogram import GRID, PixelHistogram
from steelcli.scores.threshold import choose_threshold

ROUNDING = 1e-12


def count_pixels(probs, truth):
    """Round as the predictions of other models are, and say so."""
    levels = to_levels(probs)
    return PixelHistogram.of_image(levels, truth, not np.array_equal(from_levels(levels), probs))


def histogram_of(probs, truth):
    return count_pixels(np.array([probs], np.float32), np.array([truth], bool))


def exact_precision(probs, truth):
    return average_precision_score(truth.ravel(), probs.ravel())


@given(maps())
@settings(deadline=None, max_examples=120)
def test_scikit_learn_lies_in_the_bracket(drawn):
    probs, truth = drawn
    found = average_precision(count_pixels(probs, truth))
    if not truth.any():
        assert found is None
        return
    assert found.low <= found.value <= found.high
    assert found.low - ROUNDING <= exact_precision(probs, truth) <= found.high + ROUNDING


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 0.99), st.sampled_from([1, 2, 3, 30, 1000]))
@settings(deadline=None, max_examples=120)
def test_the_bracket_holds_where_many_probabilities_share_few_bins(seed, prevalence, levels):
    rng = np.random.default_rng(seed)
    bits = np.float32(rng.choice([0.2, 0.01, 0.7])).view(np.int32) + rng.integers(
        0, levels, 80
    ).astype(np.int32)
    probs, truth = bits.view(np.float32), rng.random(80) < prevalence
    truth[0] = True
    found = average_precision(histogram_of(probs, truth))
    assert found.low - ROUNDING <= exact_precision(probs, truth) <= found.high + ROUNDING


def test_a_tie_may_beat_the_best_strict_order():
    """100 clean pixels, then a bin of 100 defect and 1 clean: tied, all defects share the last
    precision."""
    top, low = np.float32(0.9), np.float32(0.2000001)
    higher = np.nextafter(low, np.float32(1))
    truth = np.array([0] * 100 + [1] * 100 + [0], bool)
    tied = np.array([top] * 100 + [higher] * 100 + [low], np.float32)
    found = average_precision(histogram_of(tied, truth))
    assert found.low < found.high
    assert found.high == pytest.approx(exact_precision(tied, truth), abs=ROUNDING)
    strict = np.full(
        201, top, np.float32
    )  # the clean pixel of the bin first, then the defect pixels one by one
    bits = low.view(np.int32) + np.arange(101, 0, -1).astype(np.int32)
    strict[100:] = bits.view(np.float32)
    worst_truth = np.array([0] * 100 + [0] + [1] * 100, bool)
    found = average_precision(histogram_of(strict, worst_truth))
    exact = exact_precision(strict, worst_truth)
    assert found.low <= exact
    assert found.low == pytest.approx(exact, abs=1e-5)  # the midpoint rule costs this much


@pytest.mark.parametrize(
    "level", [0.0, 1.0, 0.5, 1e-30, float(np.nextafter(np.float32(1), np.float32(0)))]
)
@pytest.mark.parametrize("defects", [1, 3, 8])
def test_a_constant_prediction_scores_the_prevalence(level, defects):
    found = average_precision(histogram_of([level] * 8, [True] * defects + [False] * (8 - defects)))
    assert found.value == pytest.approx(defects / 8)
    assert found.low <= found.value <= found.high
    if level in (0.0, 1.0):
        assert found.low == found.high


def test_16_bit_probabilities_are_exact_and_float32_nearly():
    rng = np.random.default_rng(0)
    truth = rng.random((64, 500)) < 0.1
    logits = rng.normal(np.where(truth, 1, -4), 3)
    probs = (1 / (1 + np.exp(-logits))).astype(np.float32)
    levels = np.rint(probs * 65535).astype(np.float32) / np.float32(65535)
    found = average_precision(count_pixels(levels, truth))
    assert found.low == found.high == pytest.approx(exact_precision(levels, truth), abs=ROUNDING)
    found = average_precision(count_pixels(probs, truth))
    assert found.low <= exact_precision(probs, truth) <= found.high
    assert found.high - found.low < 1e-3


@given(level_maps())
@settings(deadline=None, max_examples=60)
def test_pr_rows_are_exact_at_their_thresholds(drawn):
    probs, truth = from_levels(drawn[0]), drawn[1]
    rows = pr_curve(count_pixels(probs, truth))
    assert bool(rows) == truth.any()
    for row in rows:
        preds = probs >= np.float32(row["threshold"])
        assert row["precision"] == (preds & truth).sum() / preds.sum()
        assert row["recall"] == (preds & truth).sum() / truth.sum()
    if rows:
        assert rows[-1]["recall"] == 1


def test_pr_curve_is_short_and_covers_the_recalls():
    rng = np.random.default_rng(1)
    probs = rng.random((100, 100)).astype(np.float32)
    rows = pr_curve(count_pixels(probs, rng.random((100, 100)) < probs))
    recalls, thresholds = [row["recall"] for row in rows], [row["threshold"] for row in rows]
    assert 400 < len(rows) <= PR_POINTS
    assert max(np.diff(recalls)) < 0.01
    assert (np.diff(thresholds) < 0).all()


def curve_of(images):
    scores = GridScores()
    for probs, truth in images:
        scores.add(*count_pixels(probs, truth).grid_counts(), int(truth.sum()))
    return curves.threshold_curve(scores)


@given(st.lists(level_maps(), min_size=1, max_size=4), st.integers(0, 1022))
@settings(deadline=None, max_examples=40)
def test_threshold_curve_equals_direct_counting(images, index):
    images = [(from_levels(levels), truth) for levels, truth in images]
    row = curve_of(images)[index]
    threshold = np.float32(row["threshold"])
    assert threshold == GRID[index]
    scores = []
    for probs, truth in images:
        preds = probs >= threshold
        both, either = (preds & truth).sum(), (preds | truth).sum()
        scores.append(
            (
                both / either if either else 1,
                2 * both / (both + either) if either else 1,
                truth.any(),
            )
        )
    assert row["iou"] == pytest.approx(np.mean([score[0] for score in scores]), abs=1e-12)
    assert row["dice"] == pytest.approx(np.mean([score[1] for score in scores]), abs=1e-12)
    defect = [score for score in scores if score[2]]
    assert ("dice_defect" in row) == ("iou_defect" in row) == bool(defect)
    if defect:
        assert row["iou_defect"] == pytest.approx(
            np.mean([score[0] for score in defect]), abs=1e-12
        )
        assert row["dice_defect"] == pytest.approx(
            np.mean([score[1] for score in defect]), abs=1e-12
        )
    preds = np.concatenate([probs[0] for probs, _ in images]) >= threshold
    truth = np.concatenate([truth[0] for _, truth in images])
    tp, fp, fn = (preds & truth).sum(), (preds & ~truth).sum(), (~preds & truth).sum()
    for key, part, whole in (
        ("precision", tp, tp + fp),
        ("recall", tp, tp + fn),
        ("f1", 2 * tp, 2 * tp + fp + fn),
    ):
        assert row.get(key) == (part / whole if whole else None)


def rows_of(scores):
    return [
        {"threshold": (index + 1) / (len(scores) + 1), "dice": score}
        for index, score in enumerate(scores)
    ]


@pytest.mark.parametrize(
    ("scores", "index", "is_flat", "at_edge"),
    [
        ([0.1, 0.2, 0.9, 0.3, 0.2, 0.1, 0.0], 2, False, False),
        ([0.1, 0.9, 0.9, 0.9, 0.2, 0.1, 0.0], 2, False, False),
        ([0.1, 0.9, 0.2, 0.9, 0.9, 0.1, 0.0], 1, False, False),  # the first of two plateaus
        ([0.9, 0.9, 0.9, 0.2, 0.1, 0.1, 0.0], 1, False, True),
        ([0.1, 0.1, 0.0, 0.2, 0.3, 0.8, 0.9], 6, False, True),
        ([0.5] * 7, 3, True, True),
        ([0.1, 0.9, 0.9 + 5e-4, 0.9, 0.9, 0.1, 0.0], 2, True, False),
        ([0.1, 0.9, 0.9 + 1e-13, 0.9, 0.2, 0.1, 0.0], 2, False, False),  # rounding breaks no tie
    ],
)
def test_the_middle_of_the_best_plateau_is_chosen(scores, index, is_flat, at_edge):
    chosen = choose_threshold(rows_of(scores), "dice")
    assert chosen == ((index + 1) / 8, scores[index], is_flat, at_edge)


@given(st.lists(maps(), min_size=1, max_size=4), st.sampled_from(["dice", "dice_defect", "f1"]))
@example([(np.zeros((1, 4), np.float32), np.zeros((1, 4), bool))], "dice_defect")
@settings(deadline=None, max_examples=40)
def test_no_threshold_of_the_grid_is_better_than_the_chosen(images, objective):
    curve = curve_of(images)
    known = [row[objective] for row in curve if objective in row]
    if not known:
        with pytest.raises(RunError, match=objective):
            choose_threshold(curve, objective)
        return
    chosen = choose_threshold(curve, objective)
    assert chosen.score >= max(known) - 1e-12
    assert np.float32(chosen.threshold) in GRID


def test_nothing_warns_or_overflows_for_a_billion_pixels():
    histogram = histogram_of([0.2, 0.2, 0.6, 0.6], [True, False, True, False])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(32):
            histogram.merge(histogram)
        found = average_precision(histogram)
    assert histogram.defect.sum() == 2 * 2**32
    assert found == pytest.approx((0.5, 0.5, 0.5))
