"""Brier score and calibration error by hand, against plain sums over pixels, and within their
stated bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from make_maps import maps
from sklearn.metrics import brier_score_loss

from steelcli.data.levels import from_levels, to_levels
from steelcli.scores.calibration import CALIBRATION_BINS, EDGES, calibration, reliability
from steelcli.scores.histogram import PixelHistogram


def histogram_of(probs, truth):
    levels = to_levels(np.array([probs], np.float32))
    return PixelHistogram.of_image(levels, np.array([truth], bool))


def plain(probs, truth):
    """Return Brier score, calibration error and the pixels of each bin, pixel by pixel."""
    p, y = probs.ravel().astype(np.float64), truth.ravel().astype(np.float64)
    member = np.zeros(p.size, int)
    for edge in EDGES[1:-1]:
        member += p > edge
    gaps = [
        abs(p[member == index].sum() - y[member == index].sum())
        for index in range(CALIBRATION_BINS)
    ]
    return (
        np.mean((p - y) ** 2),
        sum(gaps) / p.size,
        np.bincount(member, minlength=CALIBRATION_BINS),
    )


def test_by_hand():
    histogram = histogram_of([0.9, 0.9, 0.9, 0.9, 0.2, 0.2], [1, 1, 1, 0, 0, 1])  # 0.9 is rounded
    found = calibration(histogram)
    assert found["brier"] == pytest.approx((3 * 0.01 + 0.81 + 0.04 + 0.64) / 6, abs=1e-5)
    assert found["ece"] == pytest.approx((4 * 0.15 + 2 * 0.3) / 6, abs=1e-5)
    rows = reliability(histogram)
    assert len(rows) == 15
    assert [row["pixels"] for row in rows] == [0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0]
    assert rows[2]["defect_share"] == 1 / 2
    assert rows[13]["mean_probability"] == pytest.approx(0.9, abs=1e-5)
    assert rows[0].keys() == {"probability_low", "probability_high", "pixels"}


@pytest.mark.parametrize(
    ("level", "defects", "brier"), [(0, 0, 0), (1, 4, 0), (0, 4, 1), (1, 0, 1), (0.2, 1, 0.19)]
)
def test_constant_predictions(level, defects, brier):
    found = calibration(histogram_of([level] * 4, [1] * defects + [0] * (4 - defects)))
    assert found == pytest.approx({"brier": brier, "ece": abs(level - defects / 4)}, abs=1e-7)


def test_without_pixels_there_is_no_number():
    assert calibration(PixelHistogram()) == {}
    assert {row["pixels"] for row in reliability(PixelHistogram())} == {0}


def test_an_edge_belongs_to_the_bin_below():
    edges = to_levels(EDGES[1:-1])
    np.testing.assert_array_equal(from_levels(edges), EDGES[1:-1])
    above = from_levels(edges + np.uint16(1))
    for probs, shift in ((EDGES[1:-1], 0), (above, 1)):
        rows = reliability(histogram_of(probs, np.ones(14)))
        expected = np.zeros(15)
        expected[shift : 14 + shift] = 1
        assert [row["pixels"] for row in rows] == expected.tolist()


@given(st.integers(0, 2**32 - 1), st.sampled_from([255, 65535]))
@settings(deadline=None, max_examples=40)
def test_saved_maps_are_exact(seed, top):
    rng = np.random.default_rng(seed)
    probs = (rng.integers(0, top + 1, 400) / np.float32(top)).astype(np.float32)
    probs[:50] = rng.choice(EDGES, 50)
    truth = rng.random(400) < probs
    histogram = histogram_of(probs, truth)
    found = calibration(histogram)
    brier, ece, pixels = plain(probs, truth)
    assert found["brier"] == pytest.approx(brier, abs=1e-12)
    assert found["brier"] == pytest.approx(
        brier_score_loss(truth, probs.astype(np.float64), pos_label=1), abs=1e-12
    )
    assert found["ece"] == pytest.approx(ece, abs=1e-12)
    assert [row["pixels"] for row in reliability(histogram)] == pixels.tolist()


def assert_within_bounds(probs, truth):
    histogram = PixelHistogram.of_image(to_levels(probs), truth, rounded=True)
    step = 1 / 131070 + 2**-24  # half a level, and float32 on the way to the level and back
    near = (np.abs(probs[..., None].astype(float) - EDGES) <= step).any(axis=-1)
    found, (brier, ece, _) = calibration(histogram), plain(probs, truth)
    assert abs(found["brier"] - brier) <= 1 / 65535
    assert abs(found["ece"] - ece) <= step + 2 * near.mean() + 1e-12


@given(maps())
@example((np.array([[0.501953125]], np.float32), np.array([[False]])))
@settings(deadline=None, max_examples=100)
def test_other_maps_stay_within_the_stated_bounds(drawn):
    assert_within_bounds(*drawn)


@pytest.mark.parametrize("centre", [0.2, 1 / 3, 0.5, 0.9])
def test_neighbouring_floats_stay_within_the_stated_bounds(centre):
    rng = np.random.default_rng(0)
    bits = np.float32(centre).view(np.int32) + rng.integers(-200, 200, (1, 500)).astype(np.int32)
    assert_within_bounds(bits.view(np.float32), rng.random((1, 500)) < 0.3)
