"""The steel of the synthetic strips before any damage: grain, light, sheet ends and harmless marks.

Everything is drawn in relative reflectance (1.0 = plain steel) and turned into grey levels once, by
`expose`. As in Severstal's pictures the strip was rolled from top to bottom: grain, streaks and
water run vertically, the left and right ends of a picture may look past the edge of the sheet into
the dark.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

HEIGHT, WIDTH = 256, 1600
"""Size of every strip in pixels."""

FloatImage = NDArray[np.float32]
Canvas = NDArray[np.uint8]
Rng = np.random.Generator


@dataclass(frozen=True)
class Sheet:
    """The columns ``left <= x < right`` that show steel; the rest is the dark beside the sheet."""

    left: int
    right: int


def smooth_noise(
    rng: Rng, sigma_x: float, sigma_y: float, height: int = HEIGHT, width: int = WIDTH
) -> FloatImage:
    """Return Gaussian noise of unit variance, float32 [height, width].

    ``sigma_x`` and ``sigma_y`` are about its correlation lengths in pixels.

    Long correlations are drawn on a coarse grid and enlarged, which costs next to nothing.
    """
    step_x, step_y = max(1.0, sigma_x * 1.2), max(1.0, sigma_y * 1.2)
    rows, columns = int(np.ceil(height / step_y)) + 1, int(np.ceil(width / step_x)) + 1
    grid = rng.standard_normal((rows, columns), dtype=np.float32)
    if min(sigma_x, sigma_y) < 1.0:
        blur_x, blur_y = np.clip([sigma_x, sigma_y], 0.2, 1.0)
        grid = np.asarray(cv2.GaussianBlur(grid, (0, 0), float(blur_x), sigmaY=float(blur_y)))
    top, left = int(step_y / 2), int(step_x / 2)  # the outermost half cells are flat
    wide = cv2.resize(grid, (int(columns * step_x), rows), interpolation=cv2.INTER_CUBIC)[
        :, left : left + width
    ]
    tall = cv2.resize(wide, (width, int(rows * step_y)), interpolation=cv2.INTER_CUBIC)[
        top : top + height
    ]
    return np.asarray(tall / (tall.std() + 1e-6), np.float32)


def soft_step(field: FloatImage, softness: float) -> FloatImage:
    """Return 0 where the field is well below 0 and 1 where well above, float32.

    ``softness`` is the width of the edge.
    """
    return np.asarray(np.clip(field / np.float32(softness) + np.float32(0.5), 0.0, 1.0), np.float32)


def roughen(rng: Rng, layer: Canvas, reach: float) -> Canvas:
    """Tear a tidy shape: fetch every pixel from up to about ``reach`` pixels away."""
    columns, rows = (
        np.arange(WIDTH, dtype=np.float32)[None, :],
        np.arange(HEIGHT, dtype=np.float32)[:, None],
    )
    from_x = columns + np.float32(reach) * smooth_noise(rng, 2.5, 3.5)
    from_y = rows + np.float32(reach) * smooth_noise(rng, 2.5, 3.5)
    return np.asarray(cv2.remap(layer, from_x, from_y, cv2.INTER_LINEAR), np.uint8)


def build_steel(rng: Rng) -> FloatImage:
    """Draw plain rolled steel: grain, streaks, mottling, sometimes ripple, float32 [H, W]."""
    log = rng.uniform(0.03, 0.075) * smooth_noise(rng, 0.6, 0.9)
    log += rng.uniform(0.01, 0.04) * smooth_noise(rng, 0.9, rng.uniform(3, 20))
    log += rng.uniform(0.005, 0.04) * smooth_noise(rng, rng.uniform(1.5, 5.0), rng.uniform(30, 100))
    log += rng.uniform(0.02, 0.06) * smooth_noise(rng, rng.uniform(7, 20), 160.0)
    log += rng.uniform(0.01, 0.045) * smooth_noise(rng, rng.uniform(6, 20), rng.uniform(10, 30))
    if rng.random() < 0.4:
        where = soft_step(smooth_noise(rng, 110.0, 90.0) + np.float32(rng.uniform(-0.6, 0.3)), 1.6)
        log += rng.uniform(0.04, 0.10) * smooth_noise(rng, 16.0, 1.3) * where
    if rng.random() < 0.45:
        log += _flecks(rng)
    return np.asarray(np.exp(log), np.float32)


def _flecks(rng: Rng) -> FloatImage:
    """Strew grains of scale and dust, dark and bright, as log reflectance."""
    count = int(rng.integers(80, 500))
    canvas = np.zeros((HEIGHT, WIDTH), np.float32)
    centre, spread = rng.uniform(0, WIDTH), rng.uniform(250, 900)
    columns = np.clip(rng.normal(centre, spread, count), 0, WIDTH - 1).astype(int)
    signs = rng.choice([-1.0, 1.0], count, p=[0.4, 0.6])
    canvas[rng.integers(0, HEIGHT, count), columns] = signs * rng.uniform(1, 4, count)
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), 0.8, sigmaY=1.3), np.float32)


# --- harmless marks ---


def _water_streaks(rng: Rng) -> FloatImage:
    """Draw flat stains with sharp rims that ran down the strip, in groups."""
    field = smooth_noise(rng, rng.uniform(4, 9), rng.uniform(28, 60)) + 0.25 * smooth_noise(
        rng, 1.5, 6.0
    )
    where = smooth_noise(rng, 60.0, 200.0)
    stains = soft_step(field + 0.9 * where - np.float32(rng.uniform(2.0, 2.7)), 0.12)
    return stains * np.float32(rng.choice([-1.0, 1.0], p=[0.8, 0.2]) * rng.uniform(0.15, 0.6))


def _drops(rng: Rng) -> FloatImage:
    """Drops that mirror the lamp: glaring outlines and filled glints, in a column or two."""
    canvas = np.zeros((HEIGHT, WIDTH), np.uint8)
    for _ in range(int(rng.integers(1, 4))):
        centre, spread = rng.uniform(60, WIDTH - 60), rng.uniform(10, 50)
        for _ in range(int(rng.integers(4, 22))):
            at = (int(rng.normal(centre, spread)), int(rng.integers(0, HEIGHT)))
            axes = (int(rng.integers(2, 9)), int(rng.integers(3, 18)))
            tilt, thickness = float(rng.normal(0, 12)), int(rng.choice([-1, 1, 2, 3]))
            cv2.ellipse(canvas, at, axes, tilt, 0, 360, 255, thickness, cv2.LINE_AA)
    canvas = roughen(rng, canvas, 1.5)
    ragged = canvas.astype(np.float32) / 255 + 0.35 * smooth_noise(rng, 1.2, 2.0) * (canvas > 0)
    glints = np.asarray(cv2.GaussianBlur(np.clip(ragged, 0, 1.3), (0, 0), 0.7), np.float32)
    return glints * np.float32(rng.uniform(0.6, 1.4))


def _tongues(rng: Rng) -> FloatImage:
    """A wide darker or brighter area behind a curved rim: an oil film or a change of cooling."""
    edge = rng.uniform(0.1, 0.9) * WIDTH + rng.uniform(30, 140) * smooth_noise(
        rng, 1.0, 90.0, width=1
    )
    across = np.arange(WIDTH, dtype=np.float32)[None, :] - edge
    shade = soft_step(np.asarray(across, np.float32) * rng.choice([-1.0, 1.0]), rng.uniform(2, 30))
    return np.asarray(
        shade * np.float32(rng.choice([-1.0, 1.0]) * rng.uniform(0.08, 0.3)), np.float32
    )


def _bands(rng: Rng) -> FloatImage:
    """Soft bands of full height: guides, oil, uneven pickling."""
    columns = np.arange(WIDTH, dtype=np.float32)
    log = np.zeros((1, WIDTH), np.float32)
    for _ in range(int(rng.integers(1, 5))):
        centre, half, rim = rng.uniform(0, WIDTH), rng.uniform(12, 90), rng.uniform(4, 25)
        log[0] += rng.uniform(-0.3, 0.3) * soft_step(
            half - np.abs(columns - np.float32(centre)), rim
        )
    fray = 0.7 + 0.3 * smooth_noise(rng, 5.0, 50.0)
    return np.asarray(log * fray, np.float32)


def _roll_marks(rng: Rng) -> FloatImage:
    """Draw the print of a worn roll: one soft mark again and again down a column."""
    canvas = np.zeros((HEIGHT, WIDTH), np.uint8)
    for _ in range(int(rng.integers(1, 3))):
        column, pitch = int(rng.integers(40, WIDTH - 40)), float(rng.uniform(24, 70))
        axes = (int(rng.integers(3, 9)), int(rng.integers(1, 4)))
        for row in np.arange(rng.uniform(0, pitch), HEIGHT, pitch):
            at = (column + int(rng.integers(-2, 3)), int(row))
            cv2.ellipse(
                canvas,
                at,
                axes,
                float(rng.normal(0, 15)),
                0,
                360,
                int(rng.integers(90, 255)),
                -1,
                cv2.LINE_AA,
            )
    depth = np.float32(rng.choice([-1.0, 1.0], p=[0.7, 0.3]) * rng.uniform(0.3, 0.7) / 255)
    return np.asarray(cv2.GaussianBlur(canvas.astype(np.float32), (0, 0), 1.2), np.float32) * depth


def _sheen(rng: Rng) -> FloatImage:
    """A bright or dull bloom with frayed borders and a fine grain of its own."""
    where = (
        smooth_noise(rng, 60.0, 70.0)
        + 0.5 * smooth_noise(rng, 5.0, 16.0)
        - np.float32(rng.uniform(1.2, 2.0))
    )
    grain = 1.0 + 0.35 * smooth_noise(rng, 1.6, 0.9)
    strength = np.float32(rng.choice([-0.6, 1.0]) * rng.uniform(0.2, 0.5))
    return np.asarray(soft_step(where, 0.7) * grain * strength, np.float32)


_MARKS = (
    (_water_streaks, 0.45),
    (_drops, 0.22),
    (_tongues, 0.25),
    (_bands, 0.5),
    (_roll_marks, 0.22),
    (_sheen, 0.25),
)
"""Each harmless mark with the share of the strips that bear it."""


def add_harmless_marks(rng: Rng, steel: FloatImage) -> FloatImage:
    """Return the steel [H, W] with marks that no inspector would outline."""
    log = np.zeros_like(steel)
    for mark, share in _MARKS:
        if rng.random() < share:
            log += mark(rng)
    return np.asarray(steel * np.exp(log), np.float32)


# --- light ---


def pick_sheet(rng: Rng) -> Sheet:
    """Draw which columns show steel: all of them in most strips, else an end is cut at one side."""
    side, dark = rng.random(), int(rng.uniform(30, 500))
    if side < 0.1:
        return Sheet(dark, WIDTH)
    return Sheet(0, WIDTH - dark) if side < 0.2 else Sheet(0, WIDTH)


def expose(rng: Rng, steel: FloatImage, sheet: Sheet) -> NDArray[np.uint8]:
    """Light the reflectance [H, W], darken what lies beside the sheet, add noise; uint8 [H, W]."""
    level = np.exp(rng.uniform(np.log(45), np.log(115)))
    light = 0.2 * smooth_noise(rng, 260.0, 1.0, height=1) + 0.05 * smooth_noise(
        rng, 60.0, 1.0, height=1
    )
    light = light + 0.06 * smooth_noise(rng, 200.0, 120.0)
    down = np.linspace(-1, 1, HEIGHT, dtype=np.float32)[:, None]
    light += rng.uniform(-0.25, 0.25) * down
    light += rng.uniform(-0.2, 0.2) * np.linspace(-1, 1, WIDTH, dtype=np.float32)[None, :]
    grey = np.asarray(level * steel * np.exp(light), np.float32)
    wobble = (
        rng.uniform(0.3, 1.5) * smooth_noise(rng, 1.0, rng.uniform(8, 50), width=1)
        + rng.uniform(-4, 4) * down
    )
    columns = np.arange(WIDTH, dtype=np.float32)[None, :]
    inside = np.ones((1, WIDTH), np.float32)
    if sheet.left > 0:
        inside = soft_step(np.asarray(columns - sheet.left - wobble, np.float32), 5.0)
    elif sheet.right < WIDTH:
        inside = soft_step(np.asarray(sheet.right - columns - wobble, np.float32), 5.0)
    grey = grey * inside + rng.uniform(2, 9) * (1 - inside)
    grey += rng.uniform(0.6, 1.6) * rng.standard_normal(grey.shape, dtype=np.float32)
    return np.asarray(np.clip(np.rint(grey), 0, 255), np.uint8)
