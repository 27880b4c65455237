"""True components found by class and size: by hand, and against scipy's labels."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label

from steelcli.data.levels import to_levels
from steelcli.scores.counts import FIXED, OperatingPoint, cut
from steelcli.scores.found_defects import ComponentScores
from steelcli.scores.froc import FROC_THRESHOLDS, Froc, image_froc
from steelcli.scores.matching import Defects
from steelcli.scores.scorer import SplitScorer

EIGHT = np.ones((3, 3))


def groups(probs, masks, min_overlap=0.1, point=FIXED):
    scores = ComponentScores([f"class{index}" for index in range(len(masks))], [point], min_overlap)
    masks = np.array(masks, bool)
    preds = cut(to_levels(np.array(probs, np.float32)), point)
    scores.add("a", {point: preds}, Defects.of(masks.any(axis=0)), masks)
    return scores.groups(point)


def test_by_hand():
    """Areas 1, 2 and 4; of the four pixels one is predicted, of the two one, the single one not."""
    mask = [[1, 0, 1, 1, 0, 1], [0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 1]]
    probs = np.zeros((4, 6))
    probs[0, 2] = probs[3, 5] = 0.6
    assert groups(probs, [mask]) == {
        "found_class": {"class0": 2 / 3},
        "found_size": {"small": 0, "medium": 1, "large": 1},
        "recall_size": {"small": 0, "medium": 1 / 2, "large": 1 / 4},
        "size_bounds_px": {"small_max": 1, "medium_max": 2},
        "defects_class": {"class0": 3},
        "defects_size": {"small": 1, "medium": 1, "large": 1},
    }
    assert groups(probs, [mask], 0.3)["found_size"] == {"small": 0, "medium": 1, "large": 0}


def test_a_class_has_the_components_of_its_own_mask():
    """Two classes that touch: one defect of the split, one of each class."""
    first, second = [[1, 1, 0, 0, 0]], [[0, 0, 1, 1, 0]]
    found = groups([[0.9, 0, 0, 0, 0]], [first, second], 0.5)
    assert found["found_class"] == {"class0": 1, "class1": 0}
    assert found["defects_class"] == {"class0": 1, "class1": 1}
    assert found["defects_size"] == {"small": 1}
    assert found["found_size"] == {"small": 0}  # 1 of 4 pixels
    assert found["recall_size"] == {"small": 1 / 4}
    assert found["size_bounds_px"] == {"small_max": 4, "medium_max": 4}


def test_corners_touch():
    assert groups([[1, 0], [0, 0]], [[[1, 0], [0, 1]]])["size_bounds_px"] == {
        "small_max": 2,
        "medium_max": 2,
    }


@pytest.mark.parametrize(
    ("areas", "bounds"), [([5], (5, 5)), ([1, 9], (1, 9)), ([1, 2, 3], (1, 2)), ([3] * 7, (3, 3))]
)
def test_bounds_are_areas_that_occur(areas, bounds):
    mask = np.zeros((len(areas) * 2, 10), bool)
    for row, area in enumerate(areas):
        mask[2 * row, :area] = True
    found = groups(np.ones(mask.shape), [mask])
    assert tuple(found["size_bounds_px"].values()) == bounds
    assert all(isinstance(value, int) for value in bounds)
    assert set(found["found_size"].values()) == {1}


def test_without_components_there_is_no_group():
    assert groups([[0.9, 0.1]], [[[0, 0]]]) == {}
    assert ComponentScores(["a"], [FIXED], 0.1).groups(FIXED) == {}


def test_a_defect_is_found_by_true_components_alone():
    """One component over the whole row, 2 of 20 pixels true: true at 0.1, not at 0.2."""
    defect = np.zeros((1, 20), bool)
    defect[0, 4:6] = True
    for min_overlap, share in ((0.1, 1), (0.2, 0)):
        found = groups(np.ones((1, 20)), [defect], min_overlap)
        assert found["found_class"] == {"class0": share}
        assert found["found_size"] == {"small": share}
        assert found["recall_size"] == {"small": 1}  # all its pixels are predicted


def test_a_class_is_found_by_what_is_true_by_all_classes():
    """The component of 10 pixels holds 1 of the first class and 4 of the second: half is true."""
    first, second = np.zeros((2, 1, 10), bool)
    first[0, 0] = second[0, 4:8] = True
    found = groups(np.ones((1, 10)), [first, second], 0.5)
    assert found["found_class"] == {"class0": 1, "class1": 1}
    assert groups(np.ones((1, 10)), [first], 0.5)["found_class"] == {"class0": 0}


def test_what_is_removed_for_its_area_finds_nothing():
    mask = np.zeros((1, 8), bool)
    mask[0, :2] = mask[0, 4:8] = True
    for area, expected in ((2, [1, 1]), (3, [0, 1]), (5, [0, 0])):
        found = groups(mask.astype(float), [mask], point=OperatingPoint(0.5, area))
        assert [found["found_size"][size] for size in ("small", "medium")] == expected
        assert [found["recall_size"][size] for size in ("small", "medium")] == expected


def pixel_sets(mask):
    labels, number = label(mask, structure=EIGHT)
    return [set(zip(*np.nonzero(labels == index), strict=True)) for index in range(1, number + 1)]


def predict(levels, point, truth, share):
    """Return the pixels predicted, and those of them in true components."""
    predicted, true = set(), set()
    for component in pixel_sets(levels / 65535 >= point.threshold):
        if len(component) >= point.min_area_px:
            predicted |= component
            hits = sum(truth[pixel] for pixel in component)
            true |= component if hits >= share * len(component) else set()
    return predicted, true


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 4),
    st.sampled_from(["0.05", "0.1", "0.5", "1"]),
    st.sampled_from([0, 2, 5]),
)
@settings(deadline=None, max_examples=60)
def test_groups_equal_a_slow_oracle_and_merge(seed, images, overlap, area):
    rng = np.random.default_rng(seed)
    share, point = Fraction(overlap), OperatingPoint(0.5, area)
    whole, parts = (ComponentScores(["a", "b"], [point], float(overlap)) for _ in range(2))
    froc = Froc()
    union, by_class = [], {"a": [], "b": []}
    for _ in range(images):
        shape = tuple(rng.integers(1, 15, 2))
        masks = rng.random((2, *shape)) < rng.choice([0, 0.1, 0.3])
        levels = rng.integers(0, 65536, shape).astype(np.uint16)
        levels[rng.random(shape) < rng.choice([0, 0.7])] = 0
        truth = masks.any(axis=0)
        whole.add("a", {point: cut(levels, point)}, Defects.of(truth), masks)
        part = ComponentScores(["a", "b"], [point], float(overlap))
        part.add("a", {point: cut(levels, point)}, Defects.of(truth), masks)
        parts.merge(part)
        froc.add(image_froc(levels, Defects.of(truth), float(overlap)))
        predicted, true = predict(levels, point, truth, share)
        for mask, defects in ((truth, union), (masks[0], by_class["a"]), (masks[1], by_class["b"])):
            for pixels in pixel_sets(mask):
                is_found = len(pixels & true) >= share * len(pixels)
                defects.append((len(pixels), len(pixels & predicted), is_found))
    groups = whole.groups(point)
    assert groups == parts.groups(point)
    for title, defects in by_class.items():
        expected = np.mean([is_found for _, _, is_found in defects]) if defects else None
        assert groups.get("found_class", {}).get(title) == expected
    assert len(union) == froc.true_components
    if not area:
        at_half = froc.found[np.float32(0.5) == FROC_THRESHOLDS][0]
        assert sum(is_found for _, _, is_found in union) == at_half
    if union:
        areas = sorted(size for size, _, _ in union)
        small, medium = areas[-(-len(areas) // 3) - 1], areas[-(-2 * len(areas) // 3) - 1]
        assert groups["size_bounds_px"] == {"small_max": small, "medium_max": medium}
        for name, low, high in (
            ("small", 0, small),
            ("medium", small, medium),
            ("large", medium, np.inf),
        ):
            chosen = [defect for defect in union if low < defect[0] <= high]
            sizes, hits, is_found = zip(*chosen, strict=True) if chosen else ((), (), ())
            expected = (sum(hits) / sum(sizes), np.mean(is_found)) if chosen else (None, None)
            assert (groups["recall_size"].get(name), groups["found_size"].get(name)) == expected


def test_the_scorer_counts_components_only_where_asked():
    masks, levels = np.ones((1, 2, 3), bool), np.full((2, 3), 65535, np.uint16)
    names = {"found_class", "found_size", "recall_size", "size_bounds_px"}
    names |= {"defects_class", "defects_size"}
    for froc, expected in ((True, names), (False, set())):
        scorer = SplitScorer(["a"], [FIXED], 0.1, froc=froc)
        scorer.update("one", levels, masks)
        assert scorer.by_component(FIXED).keys() == expected
