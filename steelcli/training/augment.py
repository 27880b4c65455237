"""Augmentation that leaves rolled steel looking like rolled steel.

The limits are explained in `steelcli.params.augment`.
"""

from __future__ import annotations

import hashlib
import os

import numpy as np
from numpy.typing import NDArray

from steelcli.params.augment import AugmentParams

# Without this albumentations asks PyPI for a newer version when it is imported.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
import albumentations as A
import cv2


def build_augmentation(params: AugmentParams) -> A.Compose | None:
    """Return the pipeline for uint8 images [H, W] or [H, W, 3] and masks [H, W], if enabled."""
    if not params.enabled:
        return None
    return A.Compose(
        [
            A.HorizontalFlip(p=params.horizontal_flip),
            A.Affine(
                rotate=(-params.rotate_degrees, params.rotate_degrees),
                scale=(1 - params.scale, 1 + params.scale),
                translate_percent=(-params.shift, params.shift),
                interpolation=cv2.INTER_LINEAR,
                mask_interpolation=cv2.INTER_NEAREST,
                border_mode=cv2.BORDER_CONSTANT,
                p=params.geometry,
            ),
            A.RandomBrightnessContrast(
                brightness_limit=(-params.brightness, params.brightness),
                contrast_limit=(-params.contrast, params.contrast),
                p=params.brightness_contrast,
            ),
            A.GaussNoise(std_range=(0.0, params.noise_std), p=params.noise),
            A.GaussianBlur(
                blur_limit=0, sigma_limit=(0.1, max(0.1, params.blur_sigma)), p=params.blur
            ),
        ]
    )


def apply_augmentation(
    pipeline: A.Compose,
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    seed: int,
    epoch: int,
    index: int,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Augment one sample; the result depends on the pixels and (seed, epoch, index) alone."""
    digest = hashlib.sha256(f"{seed}:{epoch}:{index}".encode()).digest()
    pipeline.set_random_seed(int.from_bytes(digest[:4], "little"))
    result = pipeline(image=image, mask=mask)
    return result["image"], result["mask"]
