"""Resize the longer side and pad the rest (letterbox), never stretch; and the exact inverse."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Letterbox:
    """Where an image of native size lies inside the model's canvas, all in pixels.

    Attributes:
        height, width: native size.
        inner_height, inner_width: size of the resized image inside the canvas.
        top, left: offset of the resized image; the padding is centred, the odd pixel goes to the
            bottom or right.
        canvas_height, canvas_width: size the network sees.
    """

    height: int
    width: int
    inner_height: int
    inner_width: int
    top: int
    left: int
    canvas_height: int
    canvas_width: int

    @property
    def inner(self) -> tuple[slice, slice]:
        """Rows and columns of the canvas that hold the image."""
        rows = slice(self.top, self.top + self.inner_height)
        return rows, slice(self.left, self.left + self.inner_width)


def fit(height: int, width: int, canvas_height: int, canvas_width: int) -> Letterbox:
    """Return where an image of height × width lies in a canvas: one scale for both axes."""
    scale = min(canvas_height / height, canvas_width / width)
    inner_height = min(canvas_height, max(1, round(height * scale)))
    inner_width = min(canvas_width, max(1, round(width * scale)))
    top, left = (canvas_height - inner_height) // 2, (canvas_width - inner_width) // 2
    return Letterbox(
        height, width, inner_height, inner_width, top, left, canvas_height, canvas_width
    )


def apply_to_image(image: NDArray[np.uint8], box: Letterbox) -> NDArray[np.uint8]:
    """Resize (area average when shrinking, bilinear when growing) and pad with black.

    Args:
        image: uint8 [H, W] or [H, W, 3] at native size.

    Returns:
        uint8 [canvas_height, canvas_width] or [..., 3].
    """
    shrinks = box.inner_height < box.height or box.inner_width < box.width
    resized = cv2.resize(
        image,
        (box.inner_width, box.inner_height),
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
    )
    canvas = np.zeros((box.canvas_height, box.canvas_width, *image.shape[2:]), np.uint8)
    canvas[box.inner] = resized
    return canvas


def apply_to_mask(mask: NDArray[np.bool_], box: Letterbox) -> NDArray[np.uint8]:
    """Bring a mask into the canvas: a pixel is defect where at least half of its area is.

    Nearest neighbour would keep or drop a thin scratch by the luck of the grid; the area rule keeps
    the defect's area unbiased and, when growing, is bilinear interpolation cut at one half.

    Args:
        mask: bool [H, W] at native size.

    Returns:
        uint8 [canvas_height, canvas_width], 0 or 1; the padding is 0.
    """
    if not mask.any():
        return np.zeros((box.canvas_height, box.canvas_width), np.uint8)
    grey = mask.view(np.uint8) * np.uint8(255)
    return (apply_to_image(grey, box) >= 128).view(np.uint8)


def restore(probs: NDArray[np.float32], box: Letterbox) -> NDArray[np.float32]:
    """Cut a probability map out of the padding and bring it to native size, bilinearly.

    Args:
        probs: float32 [canvas_height, canvas_width], 0..1.

    Returns:
        float32 [height, width], 0..1.
    """
    inner = np.ascontiguousarray(probs[box.inner])
    if inner.shape == (box.height, box.width):
        return inner
    native = np.asarray(
        cv2.resize(inner, (box.width, box.height), interpolation=cv2.INTER_LINEAR), np.float32
    )
    return np.clip(native, 0.0, 1.0, out=native)
