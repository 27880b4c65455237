"""Random probability maps with a truth, of many shapes."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import expit

from steelcli.data.levels import from_levels, to_levels
from steelcli.scores.froc import FROC_THRESHOLDS


def draw_map(seed, height, width, blur, kind):
    """Make probabilities of many shapes: white noise, blobs, plateaus, saturated, on the thresholds
    themselves."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.normal(size=(height, width)), blur)
    field /= field.std() + 1e-9
    probs = expit(rng.choice([1, 4]) * field - rng.choice([0, 2])).astype(np.float32)
    if kind == "plateaus":
        probs = np.round(probs * 5).astype(np.float32) / np.float32(5)
    elif kind == "hard":
        probs = (probs > 0.6).astype(np.float32)
    elif kind == "edges":
        around = to_levels(FROC_THRESHOLDS)[:, None] + np.array([-1, 0, 1])
        probs = from_levels(rng.choice(around.reshape(-1), probs.shape).astype(np.uint16))
    truth = gaussian_filter(rng.normal(size=(height, width)), blur / 2) + 0.3 * field > rng.choice(
        [-9, 0.2, 0.6, 9]
    )
    return to_levels(probs), truth
