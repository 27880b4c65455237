"""Write Supervisely projects: `meta.json` and the annotation of one image."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from steelcli.data.raw.bitmap import encode_bitmap


def project_meta(titles: Sequence[str]) -> dict[str, Any]:
    """Return ``meta.json`` of a project whose classes are bitmaps, colours spread evenly over the
    hues."""
    classes = []
    for index, title in enumerate(titles):
        red, green, blue = (
            round(255 * part) for part in colorsys.hsv_to_rgb(index / len(titles), 0.9, 0.55)
        )
        classes.append(
            {
                "title": title,
                "description": "",
                "shape": "bitmap",
                "color": f"#{red:02X}{green:02X}{blue:02X}",
                "geometry_config": {},
                "hotkey": "",
            }
        )
    view = {"enabled": False, "tagName": None, "tagId": None, "isSynced": False}
    return {"classes": classes, "tags": [], "projectSettings": {"multiView": view}}


def annotation(
    height: int, width: int, masks: Iterable[tuple[str, NDArray[np.bool_]]]
) -> dict[str, Any]:
    """Return the annotation of one image: an object for each 8-connected component of each class.

    Args:
        height, width: size of the image in pixels.
        masks: class titles with their masks, bool [H, W].

    Raises:
        ValueError: a mask of another size than the image.
    """
    objects: list[dict[str, Any]] = []
    for title, mask in masks:
        if mask.shape != (height, width):
            raise ValueError(f"mask of {title!r} has shape {mask.shape}, not {(height, width)}")
        objects.extend(component_objects(title, mask))
    size = {"height": height, "width": width}
    return {"description": "", "size": size, "tags": [], "objects": objects, "customBigData": {}}


def component_objects(title: str, mask: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Return the objects of one class mask bool [H, W]: a bitmap for each 8-connected component,
    row by row."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=8
    )
    objects = []
    for label in range(1, count):
        x, y, width, height = (int(number) for number in stats[label, :4])
        box = np.asarray(labels[y : y + height, x : x + width] == label, np.bool_)
        objects.append(
            {
                "classTitle": title,
                "description": "",
                "tags": [],
                "bitmap": {"origin": [x, y], "data": encode_bitmap(box)},
                "shape": "bitmap",
                "geometryType": "bitmap",
                "nnCreated": False,
                "nnUpdated": False,
            }
        )
    return objects
