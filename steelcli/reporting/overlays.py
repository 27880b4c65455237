"""Pictures of prediction and truth: the worst, the median and the best of the defect images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from steelcli.common.paths import overlay_name
from steelcli.data.images.decode import read_image_bytes
from steelcli.data.images.level_png import load_levels
from steelcli.data.store.reader import Store
from steelcli.scores.counts import OperatingPoint, cut

TRUTH_BGR, PREDICTED_BGR = (80, 220, 60), (60, 80, 255)


def draw_overlays(
    predictions_dir: Path,
    store: Store,
    rows: Sequence[Mapping[str, Any]],
    point: OperatingPoint,
    count: int,
) -> None:
    """Write ``overlays/{worst,median,best}_<rank>_<image>.png``.

    Args:
        predictions_dir: where the saved maps lie; the overlays go below it.
        store: the images and their truth.
        rows: as `SplitScorer.image_rows` gives them. Images with a defect are ranked by Dice.
        point: where the maps are cut.
        count: pictures of each kind.
    """
    defects = [row for row in rows if row["defect_pixels"]]
    ranked = sorted(defects, key=lambda row: (row["dice"], row["image"]))
    middle = max(0, (len(ranked) - count) // 2)
    chosen = {
        "worst": ranked[:count],
        "median": ranked[middle : middle + count],
        "best": ranked[::-1][:count],
    }
    position_of = {record.image: position for position, record in enumerate(store.records)}
    out_dir = predictions_dir / "overlays"
    for kind, members in chosen.items():
        for rank, row in enumerate(members, start=1):
            name = PurePosixPath(row["image"])
            position = position_of[row["image"]]
            image = read_image_bytes(store.original(position), store.color, name)
            levels = load_levels(predictions_dir / name.with_suffix(".png"))
            truth: NDArray[np.bool_] = np.logical_or.reduce(store.class_masks(position), axis=0)
            caption = f"dice {row['dice']:.3f}"
            picture = draw_overlay(image, truth, cut(levels, point), caption)
            path = out_dir / overlay_name(row["image"], kind, rank)
            out_dir.mkdir(exist_ok=True)
            path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())


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
    place = (6, int(22 * size) + 4)
    for colour, weight in (((0, 0, 0), 3), ((255, 255, 255), 1)):  # white with a black rim
        cv2.putText(picture, caption, place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, weight)
    return np.asarray(picture, np.uint8)
