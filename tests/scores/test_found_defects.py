"""True components found by class and size: by hand, and against scipy's labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label

from steelcli.data.levels import to_levels
from steelcli.scores.found_defects import ComponentScores
from steelcli.scores.froc import FROC_THRESHOLDS, Froc, image_froc
from steelcli.scores.scorer import SplitScorer

HALF = np.float32(0.5)
EIGHT = np.ones((3, 3))


def groups(probs, masks, min_overlap=0.1):
    scores = ComponentScores([f"class{index}" for index in range(len(masks))], [HALF], min_overlap)
    masks = np.array(masks, bool)
    scores.add(to_levels(np.array(probs, np.float32)), masks.any(axis=0), masks)
    return scores.groups(HALF)


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
    assert ComponentScores(["a"], [HALF], 0.1).groups(HALF) == {}


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.sampled_from([0.05, 0.1, 0.5, 1.0]))
@settings(deadline=None, max_examples=40)
def test_groups_equal_a_slow_oracle_and_merge(seed, images, min_overlap):
    rng = np.random.default_rng(seed)
    whole, parts, froc = (
        ComponentScores(["a", "b"], [HALF], min_overlap),
        ComponentScores(["a", "b"], [HALF], min_overlap),
        Froc(),
    )
    union, by_class = [], {"a": [], "b": []}
    for _ in range(images):
        shape = tuple(rng.integers(1, 15, 2))
        masks, levels = (
            rng.random((2, *shape)) < rng.choice([0, 0.1, 0.3]),
            rng.integers(0, 65536, shape).astype(np.uint16),
        )
        truth = masks.any(axis=0)
        whole.add(levels, truth, masks)
        part = ComponentScores(["a", "b"], [HALF], min_overlap)
        part.add(levels, truth, masks)
        parts.merge(part)
        froc.add(image_froc(levels, truth, min_overlap, 0))
        for mask, found in ((truth, union), (masks[0], by_class["a"]), (masks[1], by_class["b"])):
            labels, number = label(mask, structure=EIGHT)
            for component in range(1, number + 1):
                inside = labels == component
                found.append((inside.sum(), (levels[inside] >= 32768).sum()))
    groups = whole.groups(HALF)
    assert groups == parts.groups(HALF)
    for title, found in by_class.items():
        expected = (
            np.mean([hits >= min_overlap * area - 1e-9 for area, hits in found]) if found else None
        )
        assert groups.get("found_class", {}).get(title) == expected
    assert len(union) == froc.true_components
    at_half = froc.found[FROC_THRESHOLDS == HALF][0]
    assert sum(hits >= min_overlap * area - 1e-9 for area, hits in union) == at_half
    if union:
        areas = sorted(area for area, _ in union)
        small, medium = areas[-(-len(areas) // 3) - 1], areas[-(-2 * len(areas) // 3) - 1]
        assert groups["size_bounds_px"] == {"small_max": small, "medium_max": medium}
        members = {"small": [], "medium": [], "large": []}
        for area, hits in union:
            members["small" if area <= small else "medium" if area <= medium else "large"].append(
                (area, hits)
            )
        for size, chosen in members.items():
            expected = (
                sum(hits for _, hits in chosen) / sum(area for area, _ in chosen)
                if chosen
                else None
            )
            assert groups["recall_size"].get(size) == expected


def test_the_scorer_counts_components_only_where_asked():
    masks, levels = np.ones((1, 2, 3), bool), np.full((2, 3), 65535, np.uint16)
    names = {"found_class", "found_size", "recall_size", "size_bounds_px"}
    names |= {"defects_class", "defects_size"}
    for froc, expected in ((True, names), (False, set())):
        scorer = SplitScorer(["a"], [0.5], 0.1, 0, froc=froc)
        scorer.update("one", levels, masks)
        assert scorer.by_component(0.5).keys() == expected
