"""The four kinds of damage of the synthetic strips, each with the outline drawn around it.

A defect is a change of log reflectance, hence its contrast is relative to the steel around it, and
each kind comes darker and brighter than its surroundings. Outlines keep a small margin and
straighten the rim, as people do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from steelcli.data.synthetic.texture import (
    HEIGHT,
    WIDTH,
    Canvas,
    FloatImage,
    Rng,
    Sheet,
    roughen,
    smooth_noise,
    soft_step,
)

CLASS_TITLES = ("pits", "cracks", "scratches", "patches")
"""Titles of the defect classes, in the order of their ids."""

BoolMask = NDArray[np.bool_]


@dataclass(frozen=True)
class Damage:
    """Defects of one kind: log reflectance float32 [H, W], annotated area bool [H, W]."""

    log_gain: FloatImage
    outline: BoolMask


def _canvas() -> Canvas:
    return np.zeros((HEIGHT, WIDTH), np.uint8)


def draw_outline(damaged: Canvas, margin: int) -> BoolMask:
    """Outline the damaged pixels (> 0, uint8 [H, W]) as an annotator does.

    The outline is joined and rounded, with a margin in pixels.
    """
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1))
    grown = cv2.GaussianBlur(
        cv2.dilate((damaged > 0).astype(np.uint8) * 255, kernel), (0, 0), margin * 0.6
    )
    contours, _ = cv2.findContours(
        (grown > 127).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    corners = [cv2.approxPolyDP(contour, 0.25 * margin, True) for contour in contours]
    outline = _canvas()
    cv2.fillPoly(outline, corners, 1)
    return outline > 0


def _relief(rng: Rng, damaged: Canvas, polarity: float, depth: float) -> FloatImage:
    """Shade damaged pixels (uint8 [H, W]): a core of this polarity, one lit flank."""
    core = np.asarray(cv2.GaussianBlur(damaged, (0, 0), 0.8), np.float32) / 255
    soft = cv2.GaussianBlur(core, (0, 0), 1.6)
    flank = np.asarray(
        cv2.Sobel(soft, cv2.CV_32F, 1, 0) + cv2.Sobel(soft, cv2.CV_32F, 0, 1), np.float32
    )
    lit = np.float32(rng.choice([-1.0, 1.0]) * rng.uniform(0.03, 0.28))
    return np.asarray(core * np.float32(polarity * depth) + lit * flank, np.float32)


def _polarity(rng: Rng, dark_share: float) -> tuple[float, float]:
    """Draw darker (-1) or brighter (+1) and a depth in log reflectance that looks alike in both."""
    if rng.random() < dark_share:
        return -1.0, float(rng.uniform(0.55, 1.1))
    return 1.0, float(rng.uniform(0.5, 0.95))


def _place(rng: Rng, sheet: Sheet, inset: float) -> tuple[float, float]:
    """Draw a centre on the sheet, ``inset`` pixels from its sides where it is wide enough."""
    low, high = sheet.left + inset, sheet.right - inset
    return float(rng.uniform(low, max(low + 1, high))), float(rng.uniform(20, HEIGHT - 20))


def paint_pits(rng: Rng, sheet: Sheet) -> Damage:
    """Clusters of small pits, each with a shaded core, longer down the strip than across."""
    layers = (_canvas(), _canvas())
    for _ in range(int(rng.integers(1, 4))):
        x, y = _place(rng, sheet, 60)
        spread = rng.uniform(14, 40), rng.uniform(18, 60)
        own = int(rng.random() < 0.6)
        for _ in range(int(rng.integers(16, 40))):
            from_centre = np.clip(rng.standard_normal(2), -1.7, 1.7) * spread
            at = (int(x + from_centre[0]), int(y + from_centre[1]))
            radius = float(rng.uniform(1.8, 4.4))
            axes = (round(radius), round(radius * rng.uniform(1.0, 2.8)))
            layer = layers[own if rng.random() < 0.8 else 1 - own]
            cv2.ellipse(
                layer,
                at,
                axes,
                float(rng.normal(0, 20)),
                0,
                360,
                int(rng.integers(140, 256)),
                -1,
                cv2.LINE_AA,
            )
    layers = (roughen(rng, layers[0], 1.1), roughen(rng, layers[1], 1.1))
    gain = _relief(rng, layers[1], -1.0, float(rng.uniform(0.6, 1.1)))
    gain += _relief(rng, layers[0], 1.0, float(rng.uniform(0.5, 0.9)))
    return Damage(gain, draw_outline(np.maximum(*layers), int(rng.integers(10, 14))))


def _wander(rng: Rng, x: float, y: float, length: float, heading: float) -> NDArray[np.int32]:
    """Walk a jagged line of this length from (x, y), int32 [points, 2].

    ``heading`` is in radians from straight down.
    """
    steps = max(3, int(length / 7))
    angle = (
        heading + 0.5 * rng.standard_normal(steps) + np.cumsum(0.09 * rng.standard_normal(steps))
    )
    points = np.stack([x + np.cumsum(7 * np.sin(angle)), y + np.cumsum(7 * np.cos(angle))], axis=1)
    return np.rint(points).astype(np.int32)


def _draw_path(rng: Rng, layer: Canvas, path: NDArray[np.int32], thickness: float) -> None:
    """Draw a path that swells and thins out along its way."""
    widths = (
        thickness
        * (0.55 + 0.6 * rng.random(len(path)))
        * np.sin(np.linspace(0.35, np.pi - 0.2, len(path)))
    )
    for start, end, width in zip(path[:-1], path[1:], widths, strict=False):
        cv2.line(layer, start.tolist(), end.tolist(), 255, max(1, round(float(width))), cv2.LINE_AA)


def paint_cracks(rng: Rng, sheet: Sheet) -> Damage:
    """Jagged cracks down the strip with short branches."""
    layer = _canvas()
    for _ in range(int(rng.integers(1, 5))):
        x, y = _place(rng, sheet, 50)
        length, thickness = rng.uniform(80, 230), rng.uniform(3.5, 7.5)
        path = _wander(rng, x, y - length / 2, length, 0.15 * float(rng.standard_normal()))
        _draw_path(rng, layer, path, thickness)
        for _ in range(int(rng.integers(1, 5))):
            fork_x, fork_y = path[int(rng.integers(1, len(path)))].tolist()
            heading = float(rng.choice([-1, 1]) * rng.uniform(0.5, 1.2))
            branch = _wander(rng, fork_x, fork_y, rng.uniform(20, 60), heading)
            _draw_path(rng, layer, branch, thickness * 0.6)
    layer = roughen(rng, layer, 1.0)
    return Damage(
        _relief(rng, layer, *_polarity(rng, 0.65)), draw_outline(layer, int(rng.integers(6, 10)))
    )


def _straight_scratches(rng: Rng, sheet: Sheet, layer: Canvas) -> None:
    """A bundle of straight lines down the strip, of full height or nearly so."""
    x, _ = _place(rng, sheet, 60)
    lean, top = rng.normal(0, 0.02), float(rng.choice([0.0, rng.uniform(0, 110)]))
    bottom = float(rng.choice([HEIGHT, rng.uniform(160, HEIGHT)]))
    for _ in range(int(rng.integers(2, 6))):
        start = (round(x), round(top + rng.uniform(-20, 20)))
        end = (round(x + lean * (bottom - top)), round(bottom + rng.uniform(-20, 20)))
        cv2.line(
            layer, start, end, int(rng.integers(170, 256)), int(rng.integers(3, 6)), cv2.LINE_AA
        )
        x += rng.uniform(5, 19)


def _oblique_scratches(rng: Rng, sheet: Sheet, layer: Canvas) -> None:
    """Draw a long gouge across the strip, made of many short strokes."""
    x, y = _place(rng, sheet, 150)
    length, half_width = rng.uniform(200, 640), rng.uniform(3, 10)
    angle = rng.choice([-1, 1]) * rng.uniform(0.05, 0.4)
    count = int(length / 5)
    along = rng.uniform(-0.5, 0.5, count) * length
    aside = rng.normal(0, half_width, count) * (1.1 - 1.6 * np.abs(along / length))
    bow = rng.normal(0, 20) * (2 * along / length) ** 2
    middle_x = x + along * np.cos(angle) - aside * np.sin(angle)
    middle_y = y + along * np.sin(angle) + aside * np.cos(angle) + bow
    headings = angle + rng.normal(0, 0.07, count) + rng.normal(0, 0.1)
    halves = rng.uniform(8, 28, count)
    for at_x, at_y, heading, half in zip(middle_x, middle_y, headings, halves, strict=True):
        reach_x, reach_y = half * np.cos(heading), half * np.sin(heading)
        start, end = (
            (round(at_x - reach_x), round(at_y - reach_y)),
            (round(at_x + reach_x), round(at_y + reach_y)),
        )
        grey, thickness = int(rng.integers(140, 256)), int(rng.choice([2, 2, 3]))
        cv2.line(layer, start, end, grey, thickness, cv2.LINE_AA)


def paint_scratches(rng: Rng, sheet: Sheet) -> Damage:
    """Long thin scratches, most of them straight down the strip, some dragged across it."""
    layer = _canvas()
    for _ in range(int(rng.integers(1, 4))):
        (_straight_scratches if rng.random() < 0.6 else _oblique_scratches)(rng, sheet, layer)
    frayed = 0.75 + 0.25 * smooth_noise(rng, 3.0, 12.0)
    gain = np.asarray(_relief(rng, layer, *_polarity(rng, 0.5)) * frayed, np.float32)
    return Damage(gain, draw_outline(layer, int(rng.integers(6, 9))))


def paint_patches(rng: Rng, sheet: Sheet) -> Damage:
    """Large scabby areas: torn flakes with shaded rims over a mottled ground."""
    inside = np.full((HEIGHT, WIDTH), -9.0, np.float32)
    columns, rows = (
        np.arange(WIDTH, dtype=np.float32)[None, :],
        np.arange(HEIGHT, dtype=np.float32)[:, None],
    )
    for _ in range(int(rng.integers(1, 3))):
        x, y = _place(rng, sheet, 110)
        half_x, half_y = rng.uniform(45, 150), rng.uniform(32, 85)
        inside = np.maximum(inside, 1 - ((columns - x) / half_x) ** 2 - ((rows - y) / half_y) ** 2)
    ragged = np.asarray(inside + 0.3 * smooth_noise(rng, 14.0, 18.0), np.float32)
    area = soft_step(ragged, 0.15)
    coarse = smooth_noise(rng, rng.uniform(7, 16), rng.uniform(10, 26))
    fine = smooth_noise(rng, rng.uniform(1.6, 2.6), rng.uniform(2.5, 7))
    flakes = soft_step(
        np.asarray(0.75 * coarse + 0.65 * fine + rng.uniform(-0.6, 0.3), np.float32), 0.5
    )
    polarity, depth = _polarity(rng, 0.5)
    gain = _relief(rng, np.asarray(flakes * area * 255, np.uint8), polarity, 0.8 * depth)
    gain += area * (0.14 * fine - np.float32(polarity * rng.uniform(0.0, 0.25)))
    return Damage(
        gain, draw_outline((flakes * area > 0.5).astype(np.uint8), int(rng.integers(8, 12)))
    )


_PAINTERS: dict[str, Callable[[Rng, Sheet], Damage]] = {
    "pits": paint_pits,
    "cracks": paint_cracks,
    "scratches": paint_scratches,
    "patches": paint_patches,
}

_MIN_OUTLINE_PX = 2000
"""A defect image shows at least this much annotated area per class."""


def paint_defect(rng: Rng, title: str, sheet: Sheet, taken: BoolMask) -> Damage:
    """Paint defects of one class on free steel; ``taken`` bool [H, W] marks other outlines.

    What would fall beside the sheet or onto another class is tried again elsewhere; the last try is
    clipped.
    """
    for _ in range(8):
        damage = _PAINTERS[title](rng, sheet)
        outline = damage.outline.copy()
        outline[:, : sheet.left], outline[:, sheet.right :] = False, False
        if not (outline & taken).any() and np.count_nonzero(outline) >= _MIN_OUTLINE_PX:
            break
    return Damage(damage.log_gain, outline & ~taken)
