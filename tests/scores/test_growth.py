"""The growth of components against masks labelled anew at every step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, label

from steelcli.scores.components import highest_component, remove_small
from steelcli.scores.growth import Growth, highest_steps

EIGHT = np.ones((3, 3))
REACHED = (np.arange(65536) // 3277).astype(np.uint8)
"""Twenty steps, 0 among them."""


def draw_levels(seed, shape, kind):
    """Blobs, noise, few levels with large plateaus, or all the same."""
    rng = np.random.default_rng(seed)
    field = rng.random(shape)
    if kind == "blobs":
        field = gaussian_filter(field, 1.5)
        field = (field - field.min()) / (np.ptp(field) + 1e-9)
    elif kind == "plateaus":
        field = np.floor(gaussian_filter(field, 0.7) * 9) / 9
    elif kind == "constant":
        field[:] = field[0, 0]
    elif kind == "sparse":
        field[rng.random(shape) < 0.7] = 0
    return np.rint(65535 * field).astype(np.uint16)


def remove(mask, area):
    """Remove components under ``area`` pixels, one by one."""
    left, (labels, number) = mask.copy(), label(mask, structure=EIGHT)
    for index in range(1, number + 1):
        if (labels == index).sum() < area:
            left[labels == index] = False
    return left


maps = given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 16)),
    kind=st.sampled_from(["blobs", "noise", "plateaus", "constant", "sparse"]),
)


@maps
@settings(deadline=None, max_examples=150)
def test_components_and_areas_at_every_step(seed, shape, kind):
    levels = draw_levels(seed, shape, kind)
    growth, occurring = Growth(levels, REACHED), []
    for step, new, owners in growth:
        occurring.append(step)
        labels, number = label(REACHED[levels] >= step, structure=EIGHT)
        assert growth.components == number
        flat = labels.reshape(-1)
        assert set(growth.pixels[: new.stop]) == set(np.flatnonzero(flat))
        assert (REACHED[levels].reshape(-1)[growth.pixels[new]] == step).all()
        component = growth.owners(growth.basin[: new.stop])
        np.testing.assert_array_equal(component[new], owners)
        pairs = set(zip(component.tolist(), flat[growth.pixels[: new.stop]].tolist(), strict=True))
        assert len(pairs) == number  # one to one
        for owner, index in pairs:
            assert growth.area[owner] == (labels == index).sum()
    assert occurring == sorted(set(REACHED[levels].reshape(-1)) - {0}, reverse=True)


@maps
@settings(deadline=None, max_examples=100)
def test_removal_at_every_step_at_once(seed, shape, kind):
    levels, areas = draw_levels(seed, shape, kind), (0, 2, 5, 30)
    growth = Growth(levels, REACHED)
    highest = highest_steps(growth, areas)
    for area, steps in zip(areas, highest, strict=True):
        for step in range(1, 20):
            mask = np.zeros(levels.size, bool)
            mask[growth.pixels[steps >= step]] = True
            left = remove(REACHED[levels] >= step, area)
            np.testing.assert_array_equal(mask.reshape(shape), left)
            np.testing.assert_array_equal(remove_small(REACHED[levels] >= step, area), left)


@maps
@settings(deadline=None, max_examples=100)
def test_the_highest_level_that_keeps_a_component(seed, shape, kind):
    levels = draw_levels(seed, shape, kind)
    for area in (0, 1, 2, 7, 60):
        kept = [level for level in np.unique(levels) if remove(levels >= level, area).any()]
        assert highest_component(levels, area) == max(kept, default=0)


def test_a_map_larger_than_what_is_climbed_together():
    levels = draw_levels(3, (150, 70), "blobs")
    growth = Growth(levels, REACHED)
    for step, _, _ in growth:
        assert growth.components == label(REACHED[levels] >= step, structure=EIGHT)[1]
    opened = np.zeros(levels.size, np.int64)
    opened[growth.pixels] = highest_steps(Growth(levels, REACHED), [40])[0]
    for step in range(1, 20):
        left = remove(REACHED[levels] >= step, 40)
        np.testing.assert_array_equal(opened.reshape(levels.shape) >= step, left)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (33, 65)])
def test_an_empty_map_has_no_component_and_a_full_one_has_one(shape):
    empty = Growth(np.zeros(shape, np.uint16), REACHED)
    assert list(empty) == []
    assert highest_steps(empty, (0, 3)).shape == (2, 0)
    full = Growth(np.full(shape, 65535, np.uint16), REACHED)
    assert [step for step, _, _ in full] == [19]
    assert (full.components, full.area.max()) == (1, np.prod(shape))
