"""The tree of components against masks labelled anew at every step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, label

from steelcli.scores.component_tree import ComponentTree
from steelcli.scores.components import highest_component, remove_small

EIGHT = np.ones((3, 3))
REACHED = (np.arange(65536) // 3277).astype(np.uint16)
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


def alive(tree, step):
    return (tree.steps >= step) & (tree.ends < step)


@maps
@settings(deadline=None, max_examples=150)
def test_components_and_areas_at_every_step(seed, shape, kind):
    levels = draw_levels(seed, shape, kind)
    tree = ComponentTree.of(levels, REACHED)
    number = tree.at_steps(np.ones_like(tree.steps))
    for step in range(1, 20):
        labels, expected = label(REACHED[levels] >= step, structure=EIGHT)
        assert number[step - 1] == expected
        areas = np.bincount(labels.reshape(-1))[1:]
        assert sorted(tree.areas[alive(tree, step)]) == sorted(areas)


@maps
@settings(deadline=None, max_examples=100)
def test_each_pixel_is_in_the_component_that_its_node_leads_to(seed, shape, kind):
    levels = draw_levels(seed, shape, kind)
    tree = ComponentTree.of(levels, REACHED)
    np.testing.assert_array_equal(tree.owners < 0, REACHED[levels] == 0)
    owned = tree.owners >= 0
    np.testing.assert_array_equal(tree.steps[tree.owners[owned]], REACHED[levels][owned])
    for step in (1, 4, 11):
        mask = REACHED[levels] >= step
        nodes = tree.owners[mask]
        while (early := tree.ends[nodes] >= step).any():
            nodes[early] = tree.parents[nodes[early]]
        assert alive(tree, step)[nodes].all()
        labels, number = label(mask, structure=EIGHT)
        pairs = set(zip(nodes.tolist(), labels[mask].tolist(), strict=True))
        assert len(pairs) == number == np.unique(nodes).size  # one to one


def test_no_chain_of_nodes_is_longer_than_there_are_steps():
    """A noisy mask lies at one step: the pixels that meet there are all of one component."""
    levels = draw_levels(3, (120, 160), "noise") // 32768 * 65535
    tree = ComponentTree.of(levels.astype(np.uint16), REACHED)
    assert tree.steps.size > 300
    nodes, depth = np.arange(tree.steps.size), 0
    while (nodes := tree.parents[nodes[nodes >= 0]]).size:
        depth += 1
    assert depth <= 3
    defects = np.ones(levels.shape, np.int32)
    whole = np.array([(REACHED[levels] > 0).sum()])
    assert tree.found(tree.areas[None] > 0, defects, whole).sum() == 19


@maps
@settings(deadline=None, max_examples=100)
def test_pixels_inside_the_large_components_of_every_step(seed, shape, kind):
    levels = draw_levels(seed, shape, kind)
    pixels = draw_levels(seed + 1, shape, kind) > 40000
    tree = ComponentTree.of(levels, REACHED)
    for area in (0, 2, 5, 30):
        sums = tree.at_steps(tree.inside(pixels) * (tree.areas >= area))
        for step in range(1, 20):
            left = remove(REACHED[levels] >= step, area)
            assert sums[step - 1] == (left & pixels).sum()
            np.testing.assert_array_equal(remove_small(REACHED[levels] >= step, area), left)


@maps
@settings(deadline=None, max_examples=100)
def test_the_highest_level_that_keeps_a_component(seed, shape, kind):
    levels = draw_levels(seed, shape, kind)
    for area in (0, 1, 2, 7, 60):
        kept = [level for level in np.unique(levels) if remove(levels >= level, area).any()]
        assert highest_component(levels, area) == max(kept, default=0)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (33, 65)])
def test_an_empty_map_has_no_component_and_a_full_one_has_one(shape):
    empty = ComponentTree.of(np.zeros(shape, np.uint16), REACHED)
    assert empty.steps.size == 0
    assert not empty.at_steps(empty.areas).any()
    full = ComponentTree.of(np.full(shape, 65535, np.uint16), REACHED)
    assert (full.steps.tolist(), full.parents.tolist()) == ([19], [-1])
    assert full.at_steps(full.areas).tolist() == [np.prod(shape)] * 19
