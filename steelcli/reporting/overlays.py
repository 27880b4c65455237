"""Pictures of prediction and truth for a person to judge: the worst, the median and the best of the
defect images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from steelcli.data.images.decode import read_image_bytes
from steelcli.data.images.level_png import load_levels
from steelcli.data.store.reader import Store
from steelcli.scores.counts import apply_threshold
from steelcli.scores.levels import from_levels

TRUTH_BGR, PREDICTED_BGR = (80, 220, 60), (60, 80, 255)


def draw_overlays(
    predictions_dir: Path,
    store: Store,
    rows: Sequence[Mapping[str, Any]],
    threshold: float,
    count: int,
) -> list[Path]:
    """Write ``overlays/{worst,median,best}_<rank>_<image>.png`` under the saved predictions; return
    their paths.

    Ranked by the Dice of ``rows`` (as `SplitScorer.image_rows` gives them), images without a defect
    left out.
    """
    ranked = sorted(
        (row for row in rows if row["defect_pixels"]), key=lambda row: (row["dice"], row["image"])
    )
    middle = max(0, (len(ranked) - count) // 2)
    chosen = {
        "worst": ranked[:count],
        "median": ranked[middle : middle + count],
        "best": ranked[::-1][:count],
    }
    position_of = {record.image: position for position, record in enumerate(store.records)}
    paths = []
    for kind, members in chosen.items():
        for rank, row in enumerate(members, start=1):
            name = PurePosixPath(row["image"])
            position = position_of[row["image"]]
            image = read_image_bytes(store.original(position), store.color, name)
            probs = from_levels(load_levels(predictions_dir / name.with_suffix(".png")))
            truth: NDArray[np.bool_] = np.logical_or.reduce(store.class_masks(position), axis=0)
            picture = draw_overlay(
                image, truth, apply_threshold(probs, threshold), f"dice {row['dice']:.3f}"
            )
            path = (
                predictions_dir
                / "overlays"
                / f"{kind}_{rank}_{str(name.with_suffix('')).replace('/', '_')}.png"
            )
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
            paths.append(path)
    return paths


def draw_overlay(
    image: NDArray[np.uint8], truth: NDArray[np.bool_], predicted: NDArray[np.bool_], caption: str
) -> NDArray[np.uint8]:
    """Outline truth in green and shade the prediction red.

    Args:
        image: uint8 [H, W] grey or [H, W, 3] RGB.
        truth, predicted: bool [H, W].

    Returns:
        uint8 [H, W, 3] BGR.
    """
    picture = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR if image.ndim == 2 else cv2.COLOR_RGB2BGR)
    shade = np.array(PREDICTED_BGR)
    picture[predicted] = (0.65 * picture[predicted] + 0.35 * shade).astype(np.uint8)
    thickness = max(1, round(max(image.shape[:2]) / 800))
    for mask, colour in ((predicted, PREDICTED_BGR), (truth, TRUTH_BGR)):
        outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outlines, -1, colour, thickness)
    size = max(0.4, image.shape[0] / 400)
    for colour, weight in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(
            picture,
            caption,
            (6, int(22 * size) + 4),
            cv2.FONT_HERSHEY_SIMPLEX,
            size,
            colour,
            weight,
        )
    return np.asarray(picture, np.uint8)
