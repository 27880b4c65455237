"""What scoring one image costs, in calls that label a whole map: no timing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from random_maps import draw_map

from steelcli.scores.component_tree import ComponentTree
from steelcli.scores.counts import FIXED
from steelcli.scores.scorer import SplitScorer


@pytest.fixture
def labelled(monkeypatch):
    """Return a list that grows by the shape of every mask labelled."""
    shapes, real = [], cv2.connectedComponents

    def connected_components(mask, **options):
        shapes.append(mask.shape)
        return real(mask, **options)

    monkeypatch.setattr(cv2, "connectedComponents", connected_components)
    return shapes


@pytest.fixture
def trees(monkeypatch):
    """Return a list that grows by the shape of every map whose components are counted."""
    shapes, real = [], ComponentTree.of

    def of(levels, reached):
        shapes.append(levels.shape)
        return real(levels, reached)

    monkeypatch.setattr(ComponentTree, "of", of)
    return shapes


def score(levels, truth):
    scorer = SplitScorer(["defect"], [FIXED], 0.1)
    scorer.update("one", levels, truth[None])
    return scorer


def test_a_clean_map_is_never_labelled(labelled, trees):
    levels, truth = draw_map(5, 60, 90, 1.5, "soft")
    scorer = score(levels, np.zeros_like(truth))
    assert (len(labelled), len(trees)) == (0, 1)
    assert scorer._froc.false.max() > 5


def test_a_defect_map_is_labelled_as_often_with_any_number_of_levels(labelled, trees):
    """The truth once, the mask at the point in force once; none for the other thresholds."""
    levels, truth = draw_map(5, 60, 90, 1.5, "soft")
    assert truth.any()
    score(levels, truth)
    assert np.unique(levels).size > 99
    assert (len(labelled), len(trees)) == (2, 1)
