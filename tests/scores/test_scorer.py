"""The scorer as a whole: by hand, merged halves against the whole, and every empty case."""

from __future__ import annotations

import math

import numpy as np
import pytest

from steelcli.data.levels import mask_to_levels, to_levels
from steelcli.scores.counts import FIXED, OperatingPoint
from steelcli.scores.scorer import SplitScorer

GROUP = [
    "iou",
    "dice",
    "iou_defect",
    "dice_defect",
    "iou_pooled",
    "precision",
    "recall",
    "f1",
    "iou_50",
    "iou_75",
    "iou_90",
    "clean_false_alarm",
    "image_recall",
    "image_precision",
]
SUMMARY = [
    "images",
    "defect_images",
    "defects",
    "auprc",
    "auprc_low",
    "auprc_high",
    "brier",
    "ece",
    "recall_at_1_fp",
    "image_auroc",
    "image_auprc",
    "iou_prob_50",
    "iou_prob_75",
    "iou_prob_90",
]
DEFECT = {"iou_defect", "dice_defect", "iou_50", "iou_75", "iou_90", "image_recall"}
THIRD, LARGE = OperatingPoint(0.3), OperatingPoint(0.4, 3)


def new_scorer(**changes):
    settings = {
        "class_titles": ["scratch", "patch"],
        "points": [THIRD, FIXED, LARGE],
        "min_overlap": 0.1,
    }
    return SplitScorer(**(settings | changes))


def draw_images(number, seed=0):
    """Yield images of odd sizes; some clean, some all defect, some predicted empty."""
    rng = np.random.default_rng(seed)
    for index in range(number):
        shape = tuple(rng.integers(1, 30, 2))
        masks = rng.random((2, *shape)) < rng.choice([0, 0.2, 1], p=[0.3, 0.6, 0.1])
        probs = rng.random(shape) * rng.choice([0, 0.2, 1]) * 0.7 + 0.3 * masks.any(axis=0)
        yield f"image{index}", to_levels(probs.astype(np.float32)), masks


def score(images, **changes):
    scorer = new_scorer(**changes)
    for image in images:
        scorer.update(*image)
    return scorer


def outputs(scorer):
    at = [THIRD, FIXED, LARGE, OperatingPoint(0.75), OperatingPoint(0.9)]
    return (
        scorer.summary(),
        scorer.threshold_curve(),
        scorer.pr_curve(),
        scorer.froc_rows(),
        scorer.reliability(),
        scorer.by_component(FIXED),
        scorer.by_component(LARGE),
        *(
            method(point)
            for point in at
            for method in (scorer.group, scorer.recall_class, scorer.image_rows)
        ),
    )


def iter_numbers(value):
    if isinstance(value, dict):
        value = value.values()
    if isinstance(value, (int, float)):
        yield value
    elif not isinstance(value, str):
        for part in value:
            yield from iter_numbers(part)


def test_rows_and_classes_by_hand():
    masks = np.zeros((2, 2, 4), bool)
    masks[0, 0, :2] = True
    masks[1, :, 1] = True  # shares a pixel with the scratch
    probs = np.array([[0.9, 0.2, 0.6, 0], [0, 0.31, 0, 0]], np.float32)
    scorer = new_scorer()
    scorer.update("one", to_levels(probs), masks)
    first = {
        "image": "one",
        "defect_pixels": 3,
        "tp": 1,
        "fp": 1,
        "fn": 2,
        "iou": 1 / 4,
        "dice": 2 / 5,
        "detected": 1,
    }
    assert scorer.image_rows(FIXED) == [first]
    assert scorer.image_rows(THIRD)[0] | {"tp": 2, "iou": 1 / 2} == scorer.image_rows(THIRD)[0]
    assert scorer.recall_class(FIXED) == {"scratch": 1 / 2, "patch": 0}
    assert scorer.recall_class(THIRD) == {"scratch": 1 / 2, "patch": 1 / 2}


def test_group_is_the_mean_of_the_rows():
    scorer = score(draw_images(12))
    rows, group = scorer.image_rows(FIXED), scorer.group(FIXED)
    defect = [row for row in rows if row["defect_pixels"]]
    assert list(group) == GROUP
    assert list(scorer.summary()) == SUMMARY
    for key in ("iou", "dice"):
        assert group[key] == pytest.approx(np.mean([row[key] for row in rows]))
        assert group[f"{key}_defect"] == pytest.approx(np.mean([row[key] for row in defect]))
    for percent in (50, 75, 90):
        assert group[f"iou_{percent}"] == np.mean([row["iou"] >= percent / 100 for row in defect])
        exact = scorer.group(OperatingPoint(percent / 100))["iou_defect"]
        assert scorer.summary()[f"iou_prob_{percent}"] == exact
    clean = [row for row in rows if not row["defect_pixels"]]
    assert group["clean_false_alarm"] == np.mean([row["fp"] > 0 for row in clean])
    assert 0 < group["clean_false_alarm"] < 1
    at_half = scorer.threshold_curve()[511]
    assert at_half["threshold"] == 0.5
    for key in at_half.keys() - {"threshold"}:
        assert at_half[key] == pytest.approx(group[key], abs=1e-12)


def test_an_iou_at_the_bound_counts_as_hit():
    masks = np.zeros((2, 1, 10), bool)
    masks[0] = True
    for pixels, expected in ((9, [1, 1, 1]), (5, [1, 0, 0]), (4, [0, 0, 0])):
        group = score([("one", mask_to_levels(np.arange(10) < pixels)[None], masks)]).group(FIXED)
        assert [group[f"iou_{percent}"] for percent in (50, 75, 90)] == expected


@pytest.mark.parametrize("cut", [0, 1, 5, 12])
def test_two_halves_merged_are_the_whole_bit_for_bit(cut):
    images = list(draw_images(12))
    whole, left, right = score(images), score(images[:cut]), score(images[cut:])
    left.merge(right)
    assert outputs(left) == outputs(whole)


def test_the_order_of_images_changes_nothing_but_the_rows():
    images = list(draw_images(9))
    forward, backward = score(images), score(images[::-1])
    assert outputs(forward)[:7] == outputs(backward)[:7]
    assert forward.group(THIRD) == backward.group(THIRD)
    assert forward.image_rows(THIRD) == backward.image_rows(THIRD)[::-1]


@pytest.mark.parametrize("level", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("defects", ["none", "all", "some", "none and all"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_every_number_is_finite_or_left_out(level, defects, number):
    filled = {"none": [0, 0], "all": [8, 8], "some": [3, 3], "none and all": [0, 8]}[defects][
        :number
    ]
    images = []
    for index, pixels in enumerate(filled):
        masks = np.zeros((2, 2, 4), bool)
        masks[0] = np.arange(8).reshape(2, 4) < pixels
        images.append((str(index), to_levels(np.full((2, 4), level, np.float32)), masks))
    scorer = score(images)
    assert all(math.isfinite(value) and value >= 0 for value in iter_numbers(outputs(scorer)))
    group, any_defect, any_clean = scorer.group(FIXED), any(filled), 0 in filled
    expected = set(GROUP) if number else set()
    expected -= set() if any_defect else DEFECT | {"recall"}
    expected -= set() if any_clean else {"clean_false_alarm"}
    expected -= set() if level else {"precision", "image_precision"}
    expected -= set() if level or any_defect else {"iou_pooled", "f1"}
    assert group.keys() == expected
    summary = {"images", "defect_images", "defects"} | ({"brier", "ece"} if number else set())
    summary = set(SUMMARY) if any_defect else summary
    summary -= set() if any_clean else {"image_auroc", "image_auprc"}
    components = {"found_class", "found_size", "recall_size", "size_bounds_px"}
    components |= {"defects_class", "defects_size"}
    assert scorer.by_component(FIXED).keys() == (components if any_defect else set())
    assert scorer.summary().keys() == summary
    if any_clean:
        assert group["clean_false_alarm"] == (level > 0)
    if number == 1 and not any_defect:
        assert group["dice"] == group["iou"] == (level == 0)


def test_small_components_are_no_false_alarm():
    probs = np.array([[0.9, 0, 0.9, 0.9], [0, 0, 0.9, 0]], np.float32)
    masks = np.zeros((2, 2, 4), bool)
    for area, expected in ((0, 1), (3, 1), (4, 0)):
        scorer = score([("one", to_levels(probs), masks)], points=[OperatingPoint(0.5, area)])
        assert scorer.group(OperatingPoint(0.5, area))["clean_false_alarm"] == expected
        assert scorer.image_rows(OperatingPoint(0.5, area))[0]["detected"] == expected


def test_everything_of_a_point_is_counted_after_the_removal():
    """A defect of 3 pixels, 2 of them predicted, and a false blob of 3 beside it."""
    masks = np.zeros((2, 1, 10), bool)
    masks[0, 0, :3] = True
    probs = np.zeros((1, 10), np.float32)
    probs[0, [0, 1, 5, 6, 7]] = 0.8
    point = OperatingPoint(0.6, 3)
    scorer = score([("one", to_levels(probs), masks)], points=[point, FIXED])
    assert scorer.image_rows(FIXED)[0]["tp"] == 2
    row = scorer.image_rows(point)[0]
    assert (row["tp"], row["fp"], row["fn"], row["detected"]) == (0, 3, 3, 1)
    assert scorer.recall_class(point) == {"scratch": 0}
    assert scorer.by_component(point)["found_class"] == {"scratch": 0}
    assert scorer.by_component(point)["recall_size"] == {"small": 0}
    assert scorer.recall_class(FIXED) == {"scratch": 2 / 3}
    assert scorer.by_component(FIXED)["found_class"] == {"scratch": 1}
    group = scorer.group(point)
    assert (group["precision"], group["recall"], group["dice"]) == (0, 0, 0)
    assert (group["image_recall"], group["image_precision"]) == (1, 1)


def test_is_the_sheet_defective_by_hand():
    """Two defect images at 0.9 and 0.3, two clean ones at 0.6 (one pixel) and 0."""
    masks = np.zeros((2, 1, 8), bool)
    masks[0, 0, :4] = True
    heights = [(0.9, 4, masks), (0.3, 4, masks), (0.6, 1, masks & False), (0.0, 8, masks & False)]
    images = []
    for index, (prob, pixels, truth) in enumerate(heights):
        probs = np.where(np.arange(8) < pixels, prob, 0)[None]
        images.append((str(index), to_levels(probs.astype(np.float32)), truth))
    scorer = score(images)
    group = scorer.group(FIXED)
    assert (group["image_recall"], group["image_precision"]) == (1 / 2, 1 / 2)
    assert group["clean_false_alarm"] == 1 / 2
    # of the four pairs of a defect and a clean image one is in the wrong order
    assert scorer.summary()["image_auroc"] == 3 / 4
    assert scorer.summary()["image_auprc"] == pytest.approx((1 + 2 / 3) / 2)
    # the single pixel is no component of 2
    assert score(images, image_area_px=2).summary()["image_auroc"] == 1
    # none keeps 9 pixels: all images score 0
    assert score(images, image_area_px=9).summary()["image_auroc"] == 1 / 2


@pytest.mark.parametrize(
    ("prob", "found", "recall_at_1_fp"), [(1.0, 0, 0), (0.0, 0, 0)], ids=["all-defect", "all-empty"]
)
def test_a_constant_map_finds_nothing(prob, found, recall_at_1_fp):
    """A defect of 4 of 80 pixels, 5 %: the one component over everything is false."""
    masks = np.zeros((2, 4, 20), bool)
    masks[0, 1, 3:7] = True
    levels = to_levels(np.full((4, 20), prob, np.float32))
    images = [("defect", levels, masks), ("clean", levels, masks & False)]
    scorer = score(images)
    summary, parts, group = scorer.summary(), scorer.by_component(FIXED), scorer.group(FIXED)
    assert summary["recall_at_1_fp"] == recall_at_1_fp
    assert {row["recall"] for row in scorer.froc_rows()} == {0}
    assert parts["found_class"] == {"scratch": found}
    assert parts["found_size"] == {"small": found}
    assert parts["recall_size"] == {"small": prob}
    assert group["clean_false_alarm"] == group["image_recall"] == prob
    assert group.get("image_precision") == (1 / 2 if prob else None)
    assert group["iou_defect"] == pytest.approx(4 / 80 if prob else 0)
    assert (summary["image_auroc"], summary["image_auprc"]) == (1 / 2, 1 / 2)
    fps = {row["fp_per_image"] for row in scorer.froc_rows()}
    assert fps == ({0.0, 1.0} if prob else {0.0})


def test_one_component_over_everything_that_is_a_tenth_defect_finds_it():
    masks = np.zeros((2, 4, 20), bool)
    masks[0, 1, 3:11] = True
    scorer = score([("one", to_levels(np.full((4, 20), 1, np.float32)), masks)])
    assert scorer.summary()["recall_at_1_fp"] == 1
    assert scorer.by_component(FIXED)["found_class"] == {"scratch": 1}
    assert scorer.froc_rows()[0]["fp_per_image"] == 0


def test_the_numbers_of_defects_are_what_their_shares_are_of():
    scorer = score(draw_images(12))
    groups = scorer.by_component(FIXED)
    assert sum(groups["defects_size"].values()) == scorer.truth()["defects"] > 10
    for share, whole in (("found_class", "defects_class"), ("found_size", "defects_size")):
        assert groups[share].keys() == groups[whole].keys()
        for key, number in groups[whole].items():
            found = groups[share][key] * number
            assert found == pytest.approx(round(found))


def test_without_components_the_rest_is_the_same():
    images = list(draw_images(5))
    summary = score(images, froc=False).summary()
    assert not {"recall_at_1_fp", "defects"} & summary.keys()
    assert summary.items() < score(images).summary().items()
    assert score(images, froc=False).froc_rows() == []


def bad_updates():
    levels, masks = np.zeros((2, 4), np.uint16), np.zeros((2, 2, 4), bool)
    yield levels.astype(np.float32), masks
    yield levels.astype(np.int64), masks
    yield levels[0], masks
    yield levels[:0], masks[:, :0]
    yield levels, masks.astype(np.uint8)
    yield levels, masks[:1]
    yield levels.T, masks


@pytest.mark.parametrize(("levels", "masks"), list(bad_updates()))
def test_wrong_arrays_are_refused_and_leave_no_trace(levels, masks):
    scorer = new_scorer()
    with pytest.raises(ValueError, match="one"):
        scorer.update("one", levels, masks)
    assert outputs(scorer) == outputs(new_scorer())


def test_strided_and_read_only_maps_count_alike():
    name, levels, masks = next(iter(draw_images(1, seed=3)))
    wide = np.repeat(levels, 2, axis=1)[:, ::2]
    wide.flags.writeable = False
    assert outputs(score([(name, wide, masks[:, ::-1][:, ::-1])])) == outputs(
        score([(name, levels, masks)])
    )


def test_images_and_settings_must_fit():
    images = list(draw_images(2))
    scorer = score(images)
    with pytest.raises(ValueError, match="before"):
        scorer.update(*images[0])
    with pytest.raises(ValueError, match="twice"):
        scorer.merge(score(images[1:]))
    with pytest.raises(ValueError, match="differ"):
        scorer.merge(new_scorer(image_area_px=1))
    for wrong in (
        {"min_overlap": 0},
        {"min_overlap": 1.1},
        {"class_titles": ["a", "a"]},
    ):
        with pytest.raises(ValueError, match=r"range|repeat"):
            new_scorer(**wrong)
    with pytest.raises(KeyError):
        scorer.group(OperatingPoint(0.31))
