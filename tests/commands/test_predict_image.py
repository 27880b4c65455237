"""What is measured where a map is high is what the whole map would give."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from steelcli.commands.predict_image import measure_components
from steelcli.scores.counts import OperatingPoint, cut

SEEDS = range(40)


def make_levels(seed: int) -> NDArray[np.uint16]:
    """Return a map with blobs of many sizes."""
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(1, 200, 2))
    shape = (max(1, height // int(rng.integers(1, 25))), max(1, width // int(rng.integers(1, 25))))
    coarse = rng.random(shape).astype(np.float32) ** int(rng.integers(1, 9))
    probs = cv2.resize(coarse * rng.random(dtype=np.float32), (width, height))
    return np.rint(probs.reshape(height, width) * 65535).astype(np.uint16)


@pytest.mark.parametrize("seed", SEEDS)
def test_components_are_measured_as_in_the_whole_mask(seed: int) -> None:
    levels = make_levels(seed)
    mask = cut(levels, OperatingPoint(float(np.median(levels) / 65535 + 1e-3), seed % 7))
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    expected = []
    for number in range(1, count):
        points = np.argwhere(labels == number)[:, ::-1].astype(np.int32)
        sides = np.add(cv2.minAreaRect(points)[1], 1)
        expected.append(
            {
                "box": list(cv2.boundingRect(points)),
                "area_px": len(points),
                "length_px": round(float(sides.max()), 2),
                "width_px": round(float(sides.min()), 2),
                "mean_probability": round(levels[labels == number].mean() / 65535, 6),
            }
        )
    found = measure_components(levels, mask, ())
    assert found == sorted(expected, key=lambda component: component["box"][1::-1])
