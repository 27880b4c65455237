"""One object of a Supervisely annotation: every access checked, its shape drawn."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import DataError, quote
from steelcli.data.images.decode import read_bytes
from steelcli.data.raw.bitmap import EXPORT_AGAIN, decode_bitmap, paste

AREA_SHAPES = ("bitmap", "polygon", "rectangle")
"""Shapes that cover pixels and are read."""
LINE_SHAPES = ("line", "polyline", "point", "graph")
"""Shapes that cover no area."""
MAX_JSON_BYTES = 2**24
"""Most bytes of a JSON file (16 MiB): nested lists take twenty times as much memory."""
# no text that can be written, unless its other half follows
_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")
_FAR = 1e9  # beyond any image, yet safe to round and to add

T = TypeVar("T")


def read_json(path: Path) -> dict[str, Any]:
    """Return the mapping in a JSON file.

    Raises:
        DataError: an unreadable or gigantic file, broken JSON, a key that stands twice in one
            mapping, or another value than a mapping.
    """
    value = parse_json(read_bytes(path, MAX_JSON_BYTES), path, EXPORT_AGAIN)
    if not isinstance(value, dict):
        raise DataError("the JSON is no mapping", path, EXPORT_AGAIN)
    return value


def parse_json(raw: bytes, path: Path, remedy: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        DataError: broken JSON, a key that stands twice in one mapping, or half a character.
    """
    try:
        text = raw.decode("utf-8-sig")
        value = json.loads(text, object_pairs_hook=_build_mapping)
        if _HALF_CHARACTER.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise DataError(f"broken JSON ({quote(error, 120)})", path, remedy) from error
    return value


def _build_mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key, value in pairs:
        if key in mapping:
            raise ValueError(f"the key {key!r} stands twice")
        mapping[key] = value
    return mapping


def get_typed(mapping: dict[str, Any], key: str, kind: type[T], where: object) -> T:
    """Return ``mapping[key]``, which must be of the JSON type ``kind``.

    Raises:
        DataError: no such key, or another type; a truth value is no number.
    """
    value = mapping.get(key)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        fault = f"is {type(value).__name__}, not {kind.__name__}"
        if key not in mapping:
            fault = "is missing"
        raise DataError(f"{key!r} {fault}", where, EXPORT_AGAIN)
    return value


def get_mappings(mapping: dict[str, Any], key: str, where: object) -> list[dict[str, Any]]:
    """Return the list of mappings ``mapping[key]``; see `get_typed` for the errors."""
    values: list[Any] = get_typed(mapping, key, list, where)
    for value in values:
        if not isinstance(value, dict):
            raise DataError(
                f"{key!r} holds {type(value).__name__}, not mappings", where, EXPORT_AGAIN
            )
    return values


def object_shape(item: dict[str, Any], class_shape: str, where: object) -> str:
    """Return the shape of one object; old projects write none, so class and content tell it.

    Raises:
        DataError: a shape that is no text, or nothing to tell it by.
    """
    for key in ("geometryType", "shape"):
        if item.get(key) is not None:
            return get_typed(item, key, str, where)
    if item.get("bitmap") is not None:
        return "bitmap"
    if class_shape not in ("any", "bitmap"):
        return class_shape
    if item.get("points") is not None:
        return "polygon"
    raise DataError("an object has neither a shape, a bitmap nor points", where, EXPORT_AGAIN)


def max_drawn_pixels(pixels: int) -> int:
    """Return how many pixels may be drawn for an image of ``pixels``; more would take minutes.

    It bounds the boxes of all objects together, and those of all holes of one. It is 32 times the
    image, or 2^28 where that is more (655 times a Severstal image).
    """
    return max(2**28, 32 * pixels)


def draw_object(item: dict[str, Any], shape: str, target: NDArray[np.bool_], where: object) -> int:
    """Add one object to the mask of its class, bool [H, W], in place; return the pixels drawn.

    Args:
        item: the object as read from JSON.
        shape: one of `AREA_SHAPES`.

    Raises:
        DataError: missing or broken fields, too few points, or a shape that leaves the image.
    """
    if shape == "bitmap":
        bitmap: dict[str, Any] = get_typed(item, "bitmap", dict, where)
        origin = _corners(bitmap, "origin", where)
        box = decode_bitmap(get_typed(bitmap, "data", str, where), where, target.shape)
        if not box.any():
            raise DataError(
                "a bitmap has no pixel set", where, "delete the object or draw it again"
            )
        paste(target, box, origin, where)
        return box.size
    points: dict[str, Any] = get_typed(item, "points", dict, where)
    (exterior,) = _rings([get_typed(points, "exterior", list, where)], target.shape, where)
    if shape == "rectangle":
        if len(exterior) != 2:
            raise DataError(f"a rectangle has {len(exterior)} corners, not 2", where, EXPORT_AGAIN)
        (left, top), (right, bottom) = exterior.min(axis=0), exterior.max(axis=0)
        target[top : bottom + 1, left : right + 1] = True
        return int((bottom - top + 1) * (right - left + 1))
    holes: list[Any] = []
    if points.get("interior") is not None:
        holes = get_typed(points, "interior", list, where)
    box_pixels = np.ptp(exterior, axis=0).prod() if len(exterior) else 0
    if box_pixels * len(holes) > max_drawn_pixels(target.size):
        raise DataError(f"a large polygon has {len(holes)} holes", where, "draw it as a bitmap")
    return _draw_polygon(target, [exterior, *_rings(holes, target.shape, where)], where)


def _draw_polygon(target: NDArray[np.bool_], rings: list[NDArray[np.int32]], where: object) -> int:
    """Draw a polygon whose further rings are holes; return the pixels drawn.

    A ring's own line belongs to it.
    """
    for index, ring in enumerate(rings):
        if len(ring) < 3:
            name = "hole" if index else "polygon"
            raise DataError(f"a {name} has {len(ring)} points, fewer than 3", where, EXPORT_AGAIN)
    points = np.concatenate(rings)
    corner, (right, bottom) = points.min(axis=0), points.max(axis=0)
    left, top = (int(side) for side in corner)
    canvas = np.zeros((bottom - top + 1, right - left + 1), np.uint8)
    for index, ring in enumerate(rings):
        # one call a ring: together, overlapping holes would cancel each other (even-odd rule)
        cv2.fillPoly(canvas, [ring - corner], 0 if index else 1)
    target[top : bottom + 1, left : right + 1] |= canvas.astype(np.bool_)
    return canvas.size * len(rings)


def _corners(bitmap: dict[str, Any], key: str, where: object) -> tuple[int, int]:
    """Return the x and y of a bitmap's origin in pixels."""
    pair = _pair(get_typed(bitmap, key, list, where), where)
    return round(pair[0]), round(pair[1])


def _rings(values: list[Any], shape: tuple[int, ...], where: object) -> list[NDArray[np.int32]]:
    """Return rings of points in whole pixels inside an image, int32 [N, 2] each, as x, y.

    Supervisely's web tool measures from pixel edges, so the right and lower border of an image
    stand at its width and height: these come back to the last pixel, whereas anything further out
    is refused.
    """
    for value in values:
        if not isinstance(value, list):
            raise DataError(f"points are {type(value).__name__}, not list", where, EXPORT_AGAIN)
    pairs = [_pair(item, where) for value in values for item in value]
    # of all rings at once: there may be 100,000
    points = np.rint(np.array(pairs, np.float64).reshape(-1, 2))
    limits = np.array([shape[1], shape[0]])
    if (points < 0).any() or (points > limits).any():
        raise DataError(
            f"a point lies outside the {shape[1]}x{shape[0]} image", where, EXPORT_AGAIN
        )
    points = np.asarray(np.minimum(points, limits - 1), np.int32)
    ends = list(itertools.accumulate(map(len, values)))
    return [points[end - len(value) : end] for value, end in zip(values, ends, strict=True)]


def _pair(value: Any, where: object) -> tuple[float, float]:
    if isinstance(value, list) and len(value) == 2 and all(_is_number(number) for number in value):
        return float(value[0]), float(value[1])
    raise DataError("a point is no pair of numbers", where, EXPORT_AGAIN)


def _is_number(value: Any) -> bool:
    # the comparison also keeps out NaN, which json reads, and integers too large for a float
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= _FAR
