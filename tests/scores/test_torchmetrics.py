"""The same pixels by torchmetrics: every number it defines as we do comes out the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from steelcli.data.levels import from_levels
from steelcli.model.smp_import import import_smp
from steelcli.scores.counts import OperatingPoint
from steelcli.scores.scorer import SplitScorer

LEVELS_PER_BIN = (
    65535 // 15
)  # torchmetrics puts a probability on an edge into the bin above, we into the one below


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 1023))
@settings(deadline=None, max_examples=60)
def test_pooled_numbers_equal_torchmetrics(seed, images, grid):
    import_smp()  # mends torchvision, which torchmetrics imports
    from torchmetrics.classification import (  # 4 s, once in all of pytest's workers
        BinaryAveragePrecision,
        BinaryCalibrationError,
        BinaryF1Score,
        BinaryJaccardIndex,
        BinaryPrecision,
        BinaryRecall,
    )

    threshold = grid / 1024
    scorer = SplitScorer(["defect"], [OperatingPoint(threshold)], 0.1, froc=False)
    rng = np.random.default_rng(seed)
    oracles = {
        "precision": BinaryPrecision(threshold),
        "recall": BinaryRecall(threshold),
        "f1": BinaryF1Score(threshold),
        "iou_pooled": BinaryJaccardIndex(threshold),
        "auprc": BinaryAveragePrecision(),
        "ece": BinaryCalibrationError(n_bins=15, norm="l1"),
    }
    for index in range(images):
        truth = rng.random(tuple(rng.integers(1, 40, 2))) < rng.choice([0, 0.1, 0.9])
        levels = np.where(
            truth, rng.integers(20000, 65535, truth.shape), rng.integers(1, 40000, truth.shape)
        )
        levels = levels + (levels % LEVELS_PER_BIN == 0)
        levels = levels.astype(np.uint16)
        probs = from_levels(levels)
        # torchmetrics predicts a defect where p > threshold, we where p >= threshold
        assert (probs != np.float32(threshold)).all()
        scorer.update(str(index), levels, truth[None])
        for oracle in oracles.values():
            oracle.update(torch.from_numpy(probs).ravel(), torch.from_numpy(truth).ravel().int())
    ours = scorer.summary() | scorer.group(OperatingPoint(threshold))
    names = [name for name in oracles if name in ours]
    assert {"auprc", "recall"} <= set(names) or not scorer.summary()["defect_images"]
    for name in names:
        assert ours[name] == pytest.approx(float(oracles[name].compute()), abs=2e-6), (
            name
        )  # float32 sums
