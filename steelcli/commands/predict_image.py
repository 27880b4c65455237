"""One image of ``steelcli predict``: from its file to what the network sees, and from the
network's output to its files and its line of the summary."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple, get_args

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from steelcli.commands.predict_exports import PROJECT_NAME, write_supervisely
from steelcli.commands.predict_files import supervisely_paths
from steelcli.common.errors import DataError, ParamsError, quote
from steelcli.common.outputs import staged_file
from steelcli.data.images.decode import file_limit, read_bytes, read_image_bytes
from steelcli.data.images.level_png import save_levels, save_mask
from steelcli.data.levels import TOP_LEVEL
from steelcli.data.predictions.brush_rle import encode_brush
from steelcli.data.predictions.coco_rle import compress, run_lengths_at
from steelcli.data.raw.kaggle_rle import encode_rle
from steelcli.data.store import letterbox
from steelcli.data.types import Color, channels_first
from steelcli.model.inference import native_levels
from steelcli.reporting.overlays import draw_overlay
from steelcli.scores.components import bounding_box, highest_component, label
from steelcli.scores.counts import OperatingPoint, cut

Kind = Literal["masks", "maps", "overlays", "supervisely", "coco", "kaggle", "labelstudio"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""What can be written; the first three are folders with a PNG for each image."""
Stamp = tuple[int, int, str]
"""Bytes of a file, the nanosecond of its last change, and its path with all links followed."""


class Reading(NamedTuple):
    """How image files become what the network sees.

    Attributes:
        color, max_pixels, value_range: see `read_image`.
        image_size: width and height of the canvas, pixels.
    """

    color: Color
    image_size: tuple[int, int]
    max_pixels: int | None
    value_range: tuple[int, int] | None


@dataclass(frozen=True)
class Picture:
    """An image to predict.

    Attributes:
        name: see `list_images`.
        stamp: of its file.
        raw: the file's bytes, none where no project is wanted: the file may change or go.
        pixels: uint8 [H, W] or [H, W, 3], none where no overlay is wanted.
        canvas: what the network sees, uint8 [C, H, W].
        box: where the image lies in it.
    """

    name: str
    stamp: Stamp
    raw: bytes
    pixels: NDArray[np.uint8]
    canvas: NDArray[np.uint8]
    box: letterbox.Letterbox


def choose_kinds(wanted: Sequence[str]) -> list[Kind]:
    """Return the kinds that are wanted, in the order of `KINDS`.

    Raises:
        ParamsError: a word that is none of them.
    """
    for word in wanted:
        if word not in KINDS:
            remedy = f"choose from {', '.join(KINDS)}"
            raise ParamsError(f"{quote(word)!r} cannot be written", "--write", remedy)
    return [kind for kind in KINDS if kind in wanted]


def read_picture(
    name: str, path: Path, reading: Reading, kinds: Collection[Kind]
) -> Picture | DataError:
    """Return an image as ``prepare`` would store it, or what is wrong with its file."""
    try:
        stamp = read_stamp(path)  # before the file: one that changes now is read again next time
        raw = read_bytes(path, file_limit(reading.max_pixels))
        told = reading.max_pixels, reading.value_range
        pixels = read_image_bytes(raw, reading.color, path, *told)
    except DataError as error:
        return error
    height, width = pixels.shape[:2]
    canvas_width, canvas_height = reading.image_size
    if min(height, width) * min(canvas_width / width, canvas_height / height) < 0.5:
        seen = f"would be less than a pixel thin at {canvas_width}x{canvas_height}"
        what = f"an image of {width}x{height} pixels {seen}"
        return DataError(what, path, "crop it into pieces")
    box = letterbox.fit(height, width, canvas_height, canvas_width)
    canvas = channels_first(letterbox.apply_to_image(pixels, box))
    if "supervisely" not in kinds:
        raw = b""
    if "overlays" not in kinds:
        pixels = np.empty(0, np.uint8)
    return Picture(name, stamp, raw, pixels, canvas, box)


def read_stamp(path: Path) -> Stamp:
    """Return what changes when a file does; nothing for one that cannot be looked at."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0, ""
    return status.st_size, status.st_mtime_ns, os.path.realpath(path)


def write_picture(
    picture: Picture,
    probs: NDArray[np.float32],
    point: OperatingPoint,
    kinds: Collection[Kind],
    out_dir: Path,
) -> dict[str, Any]:
    """Write the files of an image, each whole or not at all; return its row of the summary.

    Args:
        probs: the network's output, float32 [1, H, W].
    """
    levels = native_levels(torch.from_numpy(probs), picture.box)
    mask = cut(levels, point)
    score = highest_component(levels, point.min_area_px) / TOP_LEVEL
    verdict = "defect" if mask.any() else "clean"
    for kind, path in png_paths(out_dir, kinds, picture.name).items():
        with staged_file(path) as partial_path:
            if kind == "masks":
                save_mask(partial_path, mask)
            elif kind == "maps":
                save_levels(partial_path, levels)
            else:
                caption = f"{verdict} {score:.3f}"
                drawn = draw_overlay(picture.pixels, np.zeros_like(mask), mask, caption)
                partial_path.write_bytes(cv2.imencode(".png", drawn)[1].tobytes())
    if "supervisely" in kinds:
        write_supervisely(out_dir / PROJECT_NAME, picture.name, picture.raw, mask)
    row = {
        "image": picture.name,
        "verdict": verdict,
        "score": score,
        "height": picture.box.height,
        "width": picture.box.width,
        "components": measure_components(levels, mask, kinds),
        "stamp": picture.stamp,
    }
    return row | {"runs": encode_rle(mask)} if "kaggle" in kinds else row


def png_paths(out_dir: Path, kinds: Collection[Kind], image: str) -> dict[Kind, Path]:
    """Return where the PNG files of an image go, by kind."""
    name = PurePosixPath(image).with_suffix(".png")
    return {kind: out_dir / kind / name for kind in KINDS[:3] if kind in kinds}


def list_outputs(out_dir: Path, kinds: Collection[Kind], image: str) -> list[Path]:
    """Return all files that are of this image alone."""
    own = list(png_paths(out_dir, kinds, image).values())
    if "supervisely" in kinds:
        own += [out_dir / PROJECT_NAME / path for path in supervisely_paths(image)]
    return own


def measure_components(
    levels: NDArray[np.uint16], mask: NDArray[np.bool_], kinds: Collection[Kind]
) -> list[dict[str, Any]]:
    """Return what is known of each 8-connected component of a mask, by first row and column.

    ``box`` is its first column and row, its columns and its rows; ``length_px`` and ``width_px``
    are the sides of the smallest rectangle, turned as it may be, round its pixels.

    Args:
        levels: the map, uint16 [H, W].
        mask: bool [H, W].
        kinds: for coco its run lengths are there too, as ``counts``, for labelstudio as ``brush``.
    """
    box = bounding_box(mask)  # what follows takes less time there than in the whole mask
    own_mask = mask[box]
    if not own_mask.size:
        return []
    labels, areas = label(own_mask)
    labels = labels[own_mask]
    sums = np.bincount(labels, weights=levels[box][own_mask], minlength=areas.size)
    rows, columns = np.divmod(np.flatnonzero(own_mask).astype(np.int32), own_mask.shape[1])
    points = np.column_stack([columns + box[1].start, rows + box[0].start]).astype(np.int32)
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(areas[1:])
    components = []
    for number, own in enumerate(np.split(points[order], ends[:-1]), start=1):
        is_first = np.diff(own[:, 1], prepend=-1) > 0  # of its row
        outer = own[is_first | np.append(is_first[1:], True)]  # the others are inside the hull
        low, high = outer.min(axis=0), outer.max(axis=0)
        _, sides, _ = cv2.minAreaRect(outer)  # between the centres of pixels, hence the one more
        component = {
            "box": [*low.tolist(), *(high - low + 1).tolist()],
            "area_px": int(areas[number]),
            "length_px": round(max(sides) + 1, 2),
            "width_px": round(min(sides) + 1, 2),
            "mean_probability": round(sums[number] / areas[number] / TOP_LEVEL, 6),
        }
        if "coco" in kinds:
            component["counts"] = compress(run_lengths_at(own.astype(np.int64), *mask.shape))
        if "labelstudio" in kinds:
            flat = np.ravel_multi_index((own[:, 1], own[:, 0]), mask.shape)
            component["brush"] = encode_brush(flat, *mask.shape)
        components.append(component)
    return sorted(components, key=lambda component: component["box"][1::-1])
