"""How raw images fare at ``data.image_size``: scale, padding, smallest defect; a better size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from steelcli.data.store import letterbox

MAX_PADDING = 0.5
"""Share of padding above which a size is unsuitable."""
MIN_DEFECT_PX = 3
"""Pixels, of those the network sees, below which a defect is tiny."""
MAX_TINY_SHARE = 0.01
"""Share of the defect images up to which tiny defects are taken for slips of the annotator."""
MAX_SIDE = 8192
STRIDE = 32
"""Of the encoders."""


class Extent(Protocol):
    """Native sizes of one image in pixels; ``smallest_defect`` is an area, 0 for a clean image."""

    @property
    def height(self) -> int: ...

    @property
    def width(self) -> int: ...

    @property
    def smallest_defect(self) -> int: ...


@dataclass(frozen=True)
class SizeReport:
    """What the network sees of a data set at ``image_size``, a width and a height.

    Attributes:
        scale: model pixels per native pixel along a side, median over the images.
        padding_share: share of all model pixels that are padding.
        smallest_defect_model_px: area of the smallest defect; None where all images are clean.
        defect_images: images with a defect.
        tiny_defect_images: of them, those with a defect under `MIN_DEFECT_PX`.
        better_size: a size that suits these images better, where ``image_size`` is unsuitable.
    """

    image_size: tuple[int, int]
    scale: float
    padding_share: float
    smallest_defect_model_px: float | None
    defect_images: int
    tiny_defect_images: int
    better_size: tuple[int, int] | None = None

    @property
    def metrics(self) -> dict[str, float]:
        """The figures for ``metrics/data.json``."""
        figures: dict[str, float] = {"scale": self.scale, "padding_share": self.padding_share}
        if self.smallest_defect_model_px is not None:
            figures["smallest_defect_model_px"] = self.smallest_defect_model_px
        return figures | {"tiny_defect_images": self.tiny_defect_images}

    @property
    def faults(self) -> list[str]:
        """What makes the size unsuitable."""
        faults = []
        if self.padding_share > MAX_PADDING:
            faults.append(f"{self.padding_share:.0%} of what the network sees is padding")
        if self.tiny_defect_images > MAX_TINY_SHARE * self.defect_images:
            some = f"{self.tiny_defect_images} of {self.defect_images} images with a defect"
            faults.append(f"{some} show one under {MIN_DEFECT_PX} pixels")
        return faults

    @property
    def warning(self) -> str:
        """One sentence on the faults and what to do; empty where there is none."""
        if not self.faults:
            return ""
        width, height = self.image_size
        what = f"at data.image_size [{width}, {height}] {' and '.join(self.faults)}"
        if self.better_size is None:
            return f"{what}; no other size mends that, so crop the images or mend their masks"
        width, height = self.better_size
        return f"{what}; -S 'data.image_size=[{width},{height}]' suits these images better"


def report_size(images: Sequence[Extent], image_size: tuple[int, int]) -> SizeReport:
    """Judge ``image_size`` by the native sizes of images and defects; propose a better one."""
    report = _measure(images, image_size)
    if not report.faults:
        return report
    proposed = _propose(images, image_size)
    better = _measure(images, proposed)
    is_better = len(better.faults) < len(report.faults) or (
        better.padding_share <= report.padding_share
        and better.tiny_defect_images < report.tiny_defect_images
    )
    return replace(report, better_size=proposed) if is_better else report


def smallest_in_model(image: Extent, image_size: tuple[int, int]) -> float:
    """Return the area of an image's smallest defect in the pixels that the network sees."""
    box = letterbox.fit(image.height, image.width, image_size[1], image_size[0])
    return image.smallest_defect * _inner(box) / (box.height * box.width)


def _measure(images: Sequence[Extent], image_size: tuple[int, int]) -> SizeReport:
    boxes = [letterbox.fit(one.height, one.width, image_size[1], image_size[0]) for one in images]
    scales = [box.inner_width / box.width for box in boxes]
    shown = sum(map(_inner, boxes)) / (len(boxes) * image_size[0] * image_size[1])
    smallest = [smallest_in_model(one, image_size) for one in images if one.smallest_defect]
    return SizeReport(
        image_size,
        scale=float(np.median(scales)),
        padding_share=1 - shown,
        smallest_defect_model_px=min(smallest, default=None),
        defect_images=len(smallest),
        tiny_defect_images=sum(area < MIN_DEFECT_PX for area in smallest),
    )


def _inner(box: letterbox.Letterbox) -> int:
    return box.inner_height * box.inner_width


def _propose(images: Sequence[Extent], image_size: tuple[int, int]) -> tuple[int, int]:
    """Return the shape of the median image, with about as many pixels as ``image_size``, or more
    where defects would be tiny, and never more than the image itself has."""
    width = float(np.median([one.width for one in images]))
    height = float(np.median([one.height for one in images]))
    scale = math.sqrt(image_size[0] * image_size[1] / (width * height))
    smallest = sorted(one.smallest_defect for one in images if one.smallest_defect)
    if smallest:
        slips = int(MAX_TINY_SHARE * len(smallest))
        scale = max(scale, math.sqrt(MIN_DEFECT_PX / smallest[slips]))
    scale = min(scale, 1)
    return round_up(width * scale), round_up(height * scale)


def round_up(side: float) -> int:
    """Return the next multiple of the encoders' stride, one at least."""
    return min(STRIDE * max(1, math.ceil(round(side / STRIDE, 6))), MAX_SIDE)
