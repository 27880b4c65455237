"""The learned pair of threshold and area: by hand, and against every pair counted on its own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, label

from steelcli.common.errors import RunError
from steelcli.data.levels import from_levels, to_levels
from steelcli.scores.columns import CURVE_COLUMNS
from steelcli.scores.counts import OperatingPoint
from steelcli.scores.histogram import GRID
from steelcli.scores.learning import learn_point
from steelcli.scores.parallel import Scored
from steelcli.scores.scorer import SplitScorer

AREAS = (0, 3, 8)


def learn(images, objective="f1", areas=AREAS, limit=None):
    scored = [
        Scored(str(index), levels, truth[None]) for index, (levels, truth) in enumerate(images)
    ]
    return learn_point(objective, areas, limit, ["defect"], scored)


def row_of(*blocks):
    """Return levels and truth, one row: each block a probability, pixels and whether defect."""
    probs = np.concatenate([np.full(pixels, prob) for prob, pixels, _ in blocks])
    truth = np.concatenate([np.full(pixels, bool(defect)) for _, pixels, defect in blocks])
    return to_levels(probs[None].astype(np.float32)), truth[None]


DEFECT = row_of((0.8, 10, 1), (0.0, 10, 0))
SPECK = row_of((0.9, 2, 0), (0.0, 18, 0))
BLOB = row_of((0.6, 5, 0), (0.0, 15, 0))


def test_an_area_removes_what_no_threshold_can():
    """A speck stands higher than the defect: only an area tells them apart, 3 as well as 8."""
    metrics, rows = learn([DEFECT, SPECK])
    assert (metrics["f1_score"], metrics["min_area_px"], metrics["clean_false_alarm"]) == (1, 3, 0)
    assert metrics["f1_threshold"] == metrics["threshold"] == pytest.approx(0.4, abs=1 / 1024)
    without, _ = learn([DEFECT, SPECK], areas=(0,))
    assert (without["f1_score"], without["min_area_px"]) == (pytest.approx(20 / 22), 0)
    assert without["clean_false_alarm"] == 1
    assert [row["threshold"] for row in rows] == GRID.tolist()
    best = [row for row in rows if row["front"]]
    assert [(row["threshold"], row["min_area_px"]) for row in best] == [(metrics["threshold"], 3)]


def test_a_limit_chooses_among_the_pairs_that_keep_it():
    """Dice of the defect alone does not see false alarms; the blob of 5 pixels falls at 0.6."""
    images = [DEFECT, BLOB, SPECK]
    free, _ = learn(images, "dice_defect", (0, 3))
    assert free["threshold"] == pytest.approx(0.4, abs=1 / 1024)
    assert (free["min_area_px"], free["clean_false_alarm"]) == (0, 1)
    half, _ = learn(images, "dice_defect", (0, 3), 0.5)
    assert half["threshold"] == pytest.approx(0.7, abs=1 / 1024)
    assert (half["min_area_px"], half["clean_false_alarm"]) == (0, 0.5)
    none, rows = learn(images, "dice_defect", (0, 3), 0.0)
    assert none["threshold"] == pytest.approx(0.7, abs=1 / 1024)
    assert (none["min_area_px"], none["clean_false_alarm"]) == (3, 0)
    assert {none[f"{name}_min_area_px"] for name in ("dice", "dice_defect", "f1")} == {3}
    assert none["dice_defect_threshold"] == none["threshold"]
    chosen = [row for row in rows if row["threshold"] == none["threshold"]]
    assert [row["min_area_px"] for row in chosen] == [0, 3]
    assert [row["front"] for row in chosen] == [0, 1]


def test_a_limit_no_pair_keeps_is_told_with_the_closest():
    sure = row_of((1.0, 9, 0), (0.0, 11, 0))
    with pytest.raises(RunError) as caught:
        learn([DEFECT, sure, SPECK], limit=0.25)
    assert str(caught.value) == (
        "no threshold and area that find a defect keep the false alarms that low: the closest, "
        "0.400391 with 3 px, raises one on 0.5 of the clean validation images: "
        "threshold.max_clean_false_alarm 0.25; "
        "raise it, or add larger areas to threshold.min_areas_px."
    )
    metrics, _ = learn([DEFECT, sure, SPECK], limit=0.5)
    assert metrics["clean_false_alarm"] == 0.5


@pytest.mark.parametrize("objective", ["f1", "dice_defect"])
def test_a_limit_is_not_kept_by_finding_nothing(objective):
    """From 0.9 on both maps are empty, and so they are under 20 pixels."""
    false = row_of((0.9, 12, 0), (0.0, 8, 0))
    with pytest.raises(RunError, match=r"the closest, .* with 0 px, raises one on 1 of"):
        learn([DEFECT, false], objective, (0, 20), limit=0.0)


def test_a_limit_without_clean_images_is_told_and_ignored(capsys):
    limited, rows = learn([DEFECT], limit=0.0)
    assert "no clean validation image" in capsys.readouterr().out
    assert (limited, rows) == learn([DEFECT])
    assert "clean_false_alarm" not in limited
    assert "no clean" not in capsys.readouterr().out


def test_clean_images_alone_have_no_f1_where_nothing_is_predicted():
    assert learn([BLOB])[0]["f1_score"] == 0
    with pytest.raises(RunError, match=r"threshold\.objective f1"):
        learn([BLOB], limit=0.0)
    metrics, _ = learn([BLOB], "dice", limit=0.0)
    assert (metrics["dice_score"], metrics["clean_false_alarm"]) == (1, 0)
    assert "f1_threshold" not in metrics


def test_equal_areas_are_tried_once():
    assert learn([DEFECT], areas=(1, 0, 3, 3)) == learn([DEFECT], areas=(0, 3))


def draw(seed, images):
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(images):
        shape = tuple(rng.integers(3, 14, 2))
        field = gaussian_filter(rng.random(shape), rng.choice([0.3, 1.0]))
        field = (field - field.min()) / (np.ptp(field) + 1e-9)
        truth = field + rng.normal(0, 0.2, shape) > rng.choice([0.8, 9])
        drawn.append((to_levels(np.round(field, 2).astype(np.float32)), truth))
    return drawn


def count_pair(images, threshold, area):
    """Count tp, fp, fn of each image after the removal."""
    counts = []
    for levels, truth in images:
        preds = from_levels(levels) >= np.float32(threshold)
        labels, number = label(preds, structure=np.ones((3, 3)))
        for index in range(1, number + 1):
            if (labels == index).sum() < area:
                preds = preds & (labels != index)
        counts.append(((preds & truth).sum(), (preds & ~truth).sum(), (~preds & truth).sum()))
    return np.array(counts)


def score_pair(counts, objective):
    tp, fp, fn = counts.T
    if objective == "f1":
        total = (2 * tp + fp + fn).sum()
        return 2 * tp.sum() / total if total else None
    dice = np.where(tp + fp + fn == 0, 1, 2 * tp / np.maximum(2 * tp + fp + fn, 1))
    chosen = dice if objective == "dice" else dice[tp + fn > 0]
    return chosen.mean() if chosen.size else None


@given(
    seed=st.integers(0, 2**32 - 1),
    number=st.integers(1, 4),
    objective=st.sampled_from(["dice", "dice_defect", "f1"]),
    limit=st.sampled_from([None, 0.0, 0.3, 0.5]),
)
@settings(deadline=None, max_examples=8)
def test_no_allowed_pair_is_better_and_the_front_is_that_of_all(seed, number, objective, limit):
    images = draw(seed, number)
    scores, alarms, counted = {}, {}, {}
    probs = from_levels(np.unique(np.concatenate([levels.reshape(-1) for levels, _ in images])))
    for area in AREAS:
        for threshold in GRID.tolist():
            # thresholds between two levels cut alike
            key = (np.searchsorted(probs, np.float32(threshold)), area)
            if key not in counted:
                counted[key] = count_pair(images, threshold, area)
            tp, fp, fn = counted[key].T
            scores[threshold, area] = score_pair(counted[key], objective)
            clean = tp + fn == 0
            alarms[threshold, area] = (fp[clean] > 0).mean() if clean.any() else 0.0
    if None in scores.values() and objective == "dice_defect":
        with pytest.raises(RunError, match="dice_defect"):
            learn(images, objective, limit=limit)
        return
    known = {pair: score for pair, score in scores.items() if score is not None}
    allowed = [pair for pair in known if limit is None or alarms[pair] <= limit]
    finds = [pair for pair in known if known[pair] > 0]
    if not allowed or (finds and not set(finds) & set(allowed)):
        keeps_limit = not finds and (limit is None or min(alarms.values()) <= limit)
        with pytest.raises(RunError, match=objective if keeps_limit else "the closest"):
            learn(images, objective, limit=limit)
        return
    metrics, rows = learn(images, objective, limit=limit)
    best = max(known[pair] for pair in allowed)
    good = [pair for pair in allowed if known[pair] >= best - 1e-9]
    chosen = metrics["threshold"], metrics["min_area_px"]
    assert chosen in good
    assert chosen[1] == min(area for _, area in good)
    assert metrics.get("clean_false_alarm", 0) == alarms[chosen]
    assert metrics[f"{objective}_score"] == pytest.approx(best, abs=1e-9)
    listed = {(row["threshold"], row["min_area_px"]): row for row in rows}
    assert list(listed) == sorted(listed)
    assert len(listed) == len(rows)
    assert chosen in listed
    for pair, row in listed.items():
        assert row.keys() <= set(CURVE_COLUMNS)
        assert row.get(objective) == (
            None if scores[pair] is None else pytest.approx(scores[pair], abs=1e-9)
        )
    for threshold in GRID.tolist():
        here = [known.get((threshold, area), -1) for area in AREAS]
        assert (threshold, AREAS[int(np.argmax(np.array(here) >= max(here) - 1e-9))]) in listed
    # each share of false alarms that buys a better score stands once on the front
    front = [(alarms[pair], known[pair]) for pair in listed if listed[pair]["front"]]
    expected, so_far = [], -1.0
    for alarm in sorted({alarms[pair] for pair in known}):
        top = max(score for pair, score in known.items() if alarms[pair] <= alarm)
        if top > so_far + 1e-9:
            expected.append((alarm, pytest.approx(top, abs=1e-9)))
            so_far = top
    assert sorted(front) == expected


@pytest.mark.parametrize("area", AREAS)
def test_a_pair_scores_as_the_scorer_of_the_test_split_says(area):
    images = draw(11, 6)
    _, rows = learn(images, areas=(area,))
    for index in (100, 511, 700):
        point = OperatingPoint(rows[index]["threshold"], area)
        scorer = SplitScorer(["defect"], [point], 0.1, froc=False)
        for number, (levels, truth) in enumerate(images):
            scorer.update(str(number), levels, truth[None])
        group = scorer.group(point)
        for key in rows[index].keys() - {"threshold", "min_area_px", "front"}:
            assert rows[index][key] == pytest.approx(group[key], abs=1e-12)
