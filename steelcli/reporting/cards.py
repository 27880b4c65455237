"""Pictures for the report: test images with truth and prediction, training images with truth."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from steelcli.data.images.decode import read_image_bytes
from steelcli.data.levels import TOP_LEVEL
from steelcli.data.predictions.saved import SavedPredictions
from steelcli.data.store.reader import Store
from steelcli.reporting.card_choice import choose_cards, count_missed
from steelcli.reporting.misses import SIZES, name_size
from steelcli.reporting.stage_files import Results

MAX_SIDE = 800
"""Pixels of a picture's longer side: half a Severstal image."""
JPEG_QUALITY = 80
EXAMPLES = 10
"""Training images shown."""
LOOKED_AT = 300
"""Training images among which those are chosen, evenly spaced."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Card:
    """One test image; its pictures share one size.

    Attributes:
        image: its name.
        kinds: of KINDS, why it is shown.
        classes, sizes: of its defects; none where it is clean.
        dice: at the learned point.
        defect_pixels, false_pixels: of the truth, and predicted beside it.
        missed: its defects that are not found.
        width, height: of the pictures.
        scale: by which the native image was reduced.
        photo: data URI of a JPEG.
        probability: data URI of a grey PNG, 255 times the probability; None without a saved map.
        truth, predicted: outlines as SVG path data in the pictures' pixels.
    """

    image: str
    kinds: tuple[str, ...]
    classes: tuple[str, ...]
    sizes: tuple[str, ...]
    dice: float
    defect_pixels: int
    false_pixels: int
    missed: int
    width: int
    height: int
    scale: float
    photo: str
    probability: str | None
    truth: str
    predicted: str


@dataclass(frozen=True)
class Example:
    """A training image as the network sees it, without padding; the attributes are a `Card`'s."""

    image: str
    classes: tuple[str, ...]
    width: int
    height: int
    photo: str
    truth: str


def build_cards(results: Results, store: Store, saved: SavedPredictions, count: int) -> list[Card]:
    """Return the cards of ``count`` test images, by `choose_cards`.

    Raises:
        UserError: an image, map or mask that cannot be read.
    """
    names = results.image_names
    rows = [
        {"image": name} | {key: column[place] for key, column in results.images.items()}
        for place, name in enumerate(names)
    ]
    defects = _list_defects(results)
    missed = count_missed([row for rows_of in defects.values() for row in rows_of])
    row_of = {row["image"]: row for row in rows}
    # by their order: a csv protects names that a spreadsheet would take for formulas
    position_of = dict(zip(names, store.positions("test"), strict=True))
    cards = []
    for name, kinds in choose_cards(rows, missed, count).items():
        position, row, own = position_of[name], row_of[name], defects.get(name, [])
        file_name = store.records[position].image
        image = read_image_bytes(store.original(position), store.color, file_name)
        scale = min(1.0, MAX_SIDE / max(image.shape[:2]))
        photo = _shrink(image, scale)
        levels = saved.load_map(file_name) if saved.has_map(file_name) else None
        cards.append(
            Card(
                image=name,
                kinds=kinds,
                classes=tuple(dict.fromkeys(str(defect["class"]) for defect in own)),
                sizes=tuple(size for size in SIZES if size in {d["size"] for d in own}),
                dice=float(row["dice"]),
                defect_pixels=int(row["defect_pixels"]),
                false_pixels=int(row["fp"]),
                missed=missed.get(name, 0),
                width=photo.shape[1],
                height=photo.shape[0],
                scale=scale,
                photo=_to_jpeg(photo),
                probability=None if levels is None else _to_png(levels, scale),
                truth=draw_outline(
                    np.logical_or.reduce(store.class_masks(position), axis=0), scale
                ),
                predicted=draw_outline(saved.load_mask(file_name), scale),
            )
        )
    return cards


def _list_defects(results: Results) -> dict[str, list[dict[str, Any]]]:
    """Return by image what is known of each of its defects, and whether it is small."""
    bounds = results.test.get("size_bounds_px", {})
    by_image: dict[str, list[dict[str, Any]]] = {}
    places = zip(results.defect_images, results.defect_classes, strict=True)
    for place, (image, title) in enumerate(places):
        area, found = (int(results.defects[name][place]) for name in ("area_px", "found"))
        size = name_size(area, bounds)
        row = {"image": image, "class": title, "size": size, "found": found}
        by_image.setdefault(image, []).append(row)
    return by_image


def build_examples(store: Store) -> list[Example]:
    """Return training images, of each class in turn and of the clean ones, evenly spaced."""
    positions = store.positions("train")
    groups: dict[int, list[int]] = {}
    for position in positions[:: 1 + len(positions) // LOOKED_AT]:
        present = _list_present(store, position)
        first = int(present.argmax()) if present.any() else present.size
        groups.setdefault(first, []).append(position)
    return [_build_example(store, position) for position in _take_in_turn(groups, EXAMPLES)]


def _list_present(store: Store, position: int) -> NDArray[np.bool_]:
    """Return which classes an image has, bool [C]."""
    masks = store.class_masks(position)
    return np.asarray(masks.any(axis=(1, 2)), np.bool_)


def _take_in_turn(groups: Mapping[int, Sequence[int]], count: int) -> list[int]:
    """Return ``count`` members, one of each group after the other, evenly spaced in it."""
    share = -(-count // max(1, len(groups)))
    queues = []
    for key in sorted(groups):
        members = list(groups[key])
        step = max(1, len(members) // share)
        spaced = members[::step]
        queues.append(spaced + [member for member in members if member not in spaced])
    turns = zip_longest(*queues)
    return [member for turn in turns for member in turn if member is not None][:count]


def _build_example(store: Store, position: int) -> Example:
    rows, columns = store.letterbox(position).inner
    photo = store.images[position][rows, columns]
    scale = min(1.0, MAX_SIDE / 2 / max(photo.shape[:2]))
    small = _shrink(photo, scale)
    titles = zip(store.class_titles, _list_present(store, position), strict=True)
    return Example(
        image=store.records[position].image,
        classes=tuple(title for title, is_there in titles if is_there),
        width=small.shape[1],
        height=small.shape[0],
        photo=_to_jpeg(small),
        truth=draw_outline(store.masks[position][rows, columns] > 0, scale),
    )


def draw_outline(mask: Mask, scale: float) -> str:
    """Return the outlines of a mask bool [H, W], holes too, as path data scaled down."""
    pixels = np.ascontiguousarray(mask).view(np.uint8)
    outlines, _ = cv2.findContours(pixels, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    parts = []
    for outline in outlines:
        rough = cv2.approxPolyDP(outline, 0.5 / scale, True)[:, 0]  # half a shown pixel
        points = ((rough + 0.5) * scale).round(1)
        parts.append("M" + "L".join(f"{x:g},{y:g}" for x, y in points) + "Z")
    return "".join(parts)


def _shrink(image: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    resized = cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(resized, np.uint8)


def _to_jpeg(image: NDArray[np.uint8]) -> str:
    """Return a data URI of uint8 [H, W] grey or [H, W, 3] RGB."""
    picture = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    content = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))[1]
    return _to_uri("image/jpeg", content.tobytes())


def _to_png(levels: NDArray[np.uint16], scale: float) -> str:
    """Return a data URI of the probabilities as grey of 8 bits, means where they are reduced."""
    height, width = (max(1, round(side * scale)) for side in levels.shape)
    probs = cv2.resize(levels.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) * (
        255 / TOP_LEVEL
    )
    content = cv2.imencode(".png", np.rint(probs).astype(np.uint8))[1]
    return _to_uri("image/png", content.tobytes())


def _to_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
