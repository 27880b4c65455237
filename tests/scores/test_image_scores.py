"""The images' ranking against scikit-learn on probabilities, and the splits without one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_maps import level_maps
from scipy.ndimage import label
from sklearn.metrics import average_precision_score, roc_auc_score

from steelcli.data.levels import from_levels
from steelcli.scores.image_scores import image_scores
from steelcli.scores.scorer import SplitScorer


@given(st.lists(level_maps(), min_size=1, max_size=6), st.sampled_from([0, 1, 2, 5]))
@settings(deadline=None, max_examples=80)
def test_scores_of_a_split_are_those_of_scikit_learn(images, area):
    scorer = SplitScorer(["defect"], [], 0.1, froc=False, image_area_px=area)
    scores, defect = [], []
    for index, (levels, truth) in enumerate(images):
        scorer.update(str(index), levels, truth[None])
        defect.append(bool(truth.any()))
        probs, kept = from_levels(levels), [0.0]
        for prob in np.unique(probs):
            labels, _ = label(probs >= prob, structure=np.ones((3, 3)))
            if np.bincount(labels.reshape(-1))[1:].max() >= area:
                kept.append(float(prob))
        scores.append(max(kept))
    summary = scorer.summary()
    if len(set(defect)) < 2:
        assert not {"image_auroc", "image_auprc"} & summary.keys()
        return
    assert summary["image_auroc"] == pytest.approx(roc_auc_score(defect, scores))
    assert summary["image_auprc"] == pytest.approx(average_precision_score(defect, scores))


@pytest.mark.parametrize("defect", [[], [True], [False, False], [True, True]])
def test_without_both_kinds_there_is_no_number(defect):
    assert image_scores(np.arange(len(defect)), np.array(defect, bool)) == {}
