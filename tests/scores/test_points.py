"""Counts at every pair equal those of masks that are cut and labelled anew at each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_maps import draw_map

from steelcli.scores import formulas
from steelcli.scores.components import label
from steelcli.scores.counts import FIXED, OperatingPoint, count, cut
from steelcli.scores.matching import Defects, true_components
from steelcli.scores.points import PointCounter
from steelcli.scores.scorer import SplitScorer

POINT = OperatingPoint(837 / 1024, 5)


def slow_components(levels, truth, point, min_overlap):
    """Return defects found and false components of the mask at a point."""
    labels, areas = label(cut(levels, point))
    is_true = true_components(labels[truth], areas, min_overlap)
    found = Defects.of(truth).found(is_true[labels[truth]], min_overlap)
    return np.count_nonzero(found), areas.size - 1 - np.count_nonzero(is_true)


@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.integers(1, 14),
    blur=st.sampled_from([0.3, 0.8, 2.0]),
    kind=st.sampled_from(["soft", "plateaus", "hard", "edges"]),
    min_overlap=st.sampled_from([0.1, 0.5, 1.0]),
)
@settings(deadline=None, max_examples=25)
def test_every_pair_equals_its_own_mask(*, seed, size, blur, kind, min_overlap):
    levels, truth = draw_map(seed, size, 11, blur, kind)
    scorer = PointCounter(POINT, [1, 3], min_overlap)
    scorer.add(levels, Defects.of(truth))
    rows = scorer.rows()
    assert [row["min_area_px"] for row in rows[::100]] == [0, 3, 5]
    for row in rows[:: 1 + seed % 7]:
        point = OperatingPoint(row["threshold"], row["min_area_px"])
        counts = count(cut(levels, point), truth)
        assert (row["tp"], row["fp"], row["fn"]) == counts
        components = slow_components(levels, truth, point, min_overlap)
        assert (row["found"], row["false_components"]) == components
        is_predicted = counts.tp + counts.fp > 0
        assert row["detected"] == int(is_predicted and truth.any())
        assert row["false_alarms"] == int(is_predicted and not truth.any())


def test_the_points_in_force_are_those_of_the_scorer():
    images = [draw_map(seed, 20, 30, 2.0, "soft") for seed in range(6)]
    scorers = [PointCounter(POINT, [0, 9], 0.1) for _ in range(2)]
    split = SplitScorer(("a", "b"), (POINT, FIXED), 0.1)
    for number, (levels, truth) in enumerate(images):
        classes = np.stack([truth, np.roll(truth, 2)])
        scorers[number % 2].add(levels, Defects.of(classes.any(axis=0)))
        split.update(f"{number}", levels, classes)
    scorers[0].merge(scorers[1])
    rows = {OperatingPoint(row["threshold"], row["min_area_px"]): row for row in scorers[0].rows()}
    assert scorers[0].froc().rows() == split.froc_rows()
    truth = split.truth()
    clean = truth["images"] - truth["defect_images"]
    for point in (POINT, FIXED):
        row, group = rows[point], split.group(point)
        for name in ("dice", "iou", "dice_defect", "iou_defect"):
            assert row[name] == pytest.approx(group[name], abs=1e-12)
        pooled = formulas.pooled(row["tp"], row["fp"], row["fn"])
        assert pooled == {name: group[name] for name in pooled}
        assert row["detected"] / truth["defect_images"] == group["image_recall"]
        assert formulas.share("clean_false_alarm", row["false_alarms"], clean).items() <= (
            group.items()
        )


def test_a_point_among_the_hundredths_is_one_of_them():
    scorer = PointCounter(OperatingPoint(0.25, 1), [0, 1], 0.1)
    assert len(scorer.thresholds) == 99
    assert scorer.thresholds[24] == 0.25
    assert scorer.areas.tolist() == [0]
