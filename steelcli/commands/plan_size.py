"""The size the network sees, and the areas tried with every threshold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from steelcli.commands.plan_choices import Choices
from steelcli.data.raw.image_size import (
    MAX_TINY_SHARE,
    MIN_DEFECT_PX,
    STRIDE,
    Extent,
    report_size,
    round_up,
)

MAX_EXCESS = 1.05
"""Of the config's pixels that a size may have, so that rounding up does not cost a step."""
MAX_GROWTH = 4
"""Times the config's pixels that small defects may cost."""
AREAS = 7
"""Areas tried beside 0, each twice the one before."""
REFERENCE_PIXELS, REFERENCE_AREA = 1600 * 256, 1024
"""The configs' largest area, and the images it is meant for."""


def plan_size(choices: Choices, images: Sequence[Extent]) -> None:
    """Choose ``data.image_size``: the shape of the median image in about the config's pixels.

    As nnU-Net (Isensee et al. 2021) starts from the median shape. Where over 1 % of the defect
    images would show a defect under `MIN_DEFECT_PX`, the size grows until they do not, if it can.
    Defects that are smaller in the image itself do not count.
    """
    width, height = _median(images)
    budget = math.prod(choices.params.data.image_size)
    best = max(
        _iter_sizes(width, height, MAX_EXCESS * budget), key=lambda size: _rank(size, width, height)
    )
    about, tiny = f"in about the {budget:,} pixels of the config", ""
    visible = [one for one in images if not 0 < one.smallest_defect < MIN_DEFECT_PX]
    if visible and _has_tiny(visible, best):
        count = report_size(visible, best).tiny_defect_images
        larger = sorted(_iter_sizes(width, height, MAX_GROWTH * budget), key=math.prod)
        if fits := [size for size in larger if not _has_tiny(visible, size)]:
            best = fits[0]
            about = f"in more than the {budget:,} pixels of the config, where {count} images"
            about += f" would show a defect under {MIN_DEFECT_PX} pixels"
        else:
            tiny = f"; {count} images show one under {MIN_DEFECT_PX}, at any size planned"
    report = report_size(images, best)
    reason = f"the shape of the median image, {width}×{height}, {about}"
    reason += f"; scale {report.scale:.2f}, {report.padding_share:.0%} padding"
    if report.smallest_defect_model_px is not None:
        reason += f", smallest defect {report.smallest_defect_model_px:.1f} pixels"
    choices.choose("data.image_size", best, reason + tiny)


def plan_areas(choices: Choices, images: Sequence[Extent]) -> None:
    """Choose ``threshold.min_areas_px`` by the images' size, below the usual smallest defect."""
    width, height = _median(images)
    largest = REFERENCE_AREA * width * height / REFERENCE_PIXELS
    reason = f"up to 1/{REFERENCE_PIXELS // REFERENCE_AREA} of the median image, as in the config"
    smallest = [one.smallest_defect for one in images if one.smallest_defect]
    usual = float(np.median(smallest)) if smallest else largest
    if usual < largest:
        largest = usual
        reason = f"up to {usual:g} pixels, the median of the images' smallest defects"
    top = max(0, round(math.log2(max(1, largest))))
    areas = [2**power for power in range(max(0, top - AREAS + 1), top + 1)]
    choices.choose("threshold.min_areas_px", (0, *areas), f"{reason}, each twice the one before")


def _median(images: Sequence[Extent]) -> tuple[int, int]:
    """Return the median width and height."""
    widths, heights = [one.width for one in images], [one.height for one in images]
    return round(float(np.median(widths))), round(float(np.median(heights)))


def _iter_sizes(width: int, height: int, max_pixels: float) -> Iterator[tuple[int, int]]:
    """Yield sizes of an image's shape, never larger than the image; one of 32×32 always fits."""
    for side in range(STRIDE, round_up(width) + 1, STRIDE):
        size = side, round_up(height * min(1, side / width))
        if math.prod(size) <= max_pixels:
            yield size
    for side in range(STRIDE, round_up(height) + 1, STRIDE):
        size = round_up(width * min(1, side / height)), side
        if math.prod(size) <= max_pixels:
            yield size


def _rank(size: tuple[int, int], width: int, height: int) -> tuple[float, int]:
    """Return what makes a size good: a large scale, then few pixels."""
    return min(size[0] / width, size[1] / height, 1), -math.prod(size)


def _has_tiny(images: Sequence[Extent], size: tuple[int, int]) -> bool:
    report = report_size(images, size)
    return report.tiny_defect_images > MAX_TINY_SHARE * report.defect_images
