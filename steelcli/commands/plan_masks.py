"""How mask files are to be read, where the files themselves can tell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from steelcli.commands.plan_choices import Choices
from steelcli.common.cores import over_cores
from steelcli.common.errors import DataError
from steelcli.common.problems import Problems
from steelcli.data.images.decode import use_one_thread
from steelcli.data.raw.mask_folders import read_grey
from steelcli.data.raw.recognise import open_source
from steelcli.data.raw.source import RawSample

MAX_VALUES = 16
"""So many values other than 0 may stand for classes; more are shades."""
FAR = 64
"""Shades at most so far from 0 or 255 are blurred edges of black and white."""
MAX_SHADED = 0.05
"""Share of the pixels between both, up to which masks are black and white with blurred edges."""
THRESHOLD = 128


@dataclass(frozen=True)
class MaskValues:
    """What mask files hold, one or many.

    Attributes:
        values: that occur.
        has_empty: whether one file holds nothing but 0.
        shaded, pixels: pixels further than `FAR` from 0 and 255, and all.
        two_valued: whether every file holds 0 and 1, or 0 and 255, alone.
    """

    values: frozenset[int]
    has_empty: bool
    shaded: int
    pixels: int
    two_valued: bool


def plan_masks(choices: Choices) -> None:
    """Choose ``missing_masks``, ``mask_values`` and ``mask_threshold`` where the files need them.

    Raises:
        DataError: no images, or no folder of masks.
    """
    data = choices.params.data.model_copy(update={"missing_masks": "clean"})
    samples = open_source(data, Problems()).samples
    masked = [sample for sample in samples if sample.annotation]
    work = partial(_read_values, max_pixels=data.max_image_pixels)
    read = over_cores(work, masked, "reading masks", use_one_thread)
    found = [values for values in read if values is not None]
    without = len(samples) - len(masked)
    has_empty = any(values.has_empty for values in found)
    if without and found and not has_empty:
        reason = f"{without} of {len(samples)} images have no mask file, and no mask file is empty"
        choices.choose("data.missing_masks", "clean", reason)
    if data.mask_values or data.mask_threshold or any(map(choices.is_given, _HOW)) or not found:
        return
    if all(values.two_valued for values in found):
        return
    _choose_values(choices, found)


_HOW = ("data.mask_values", "data.mask_threshold")


def _choose_values(choices: Choices, found: list[MaskValues]) -> None:
    values = sorted(frozenset().union(*(one.values for one in found)) - {0})
    shaded, pixels = sum(one.shaded for one in found), sum(one.pixels for one in found)
    if values[0] >= 255 - FAR and values[-1] <= 255:
        reason = f"the masks hold 0 and {values[0]} to {values[-1]}, all of them near white"
        choices.choose("data.mask_threshold", THRESHOLD, reason)
    elif len(values) == 1:
        reason = f"the masks hold {values[0]} beside 0"
        choices.choose("data.mask_values", {"defect": values[0]}, reason)
    elif len(values) <= MAX_VALUES:
        named = {f"value {value}": value for value in values}
        reason = f"the masks hold {len(values)} values beside 0, each taken for a class: name them"
        choices.choose("data.mask_values", named, reason)
    elif values[-1] <= 255 and shaded <= MAX_SHADED * pixels:
        share = f"{shaded / pixels:.2%} of their pixels are far from both black and white"
        reason = f"the masks are shades of grey, {len(values)} of them, but {share}"
        choices.choose("data.mask_threshold", THRESHOLD, reason)


def _read_values(sample: RawSample, max_pixels: int) -> MaskValues | None:
    """Return what one mask holds, None where it cannot be read: the survey then tells why."""
    try:
        pixels = read_grey(sample.annotation, max_pixels)
    except DataError:
        return None
    counts = np.bincount(pixels.reshape(-1))
    values = frozenset(map(int, np.flatnonzero(counts)))
    return MaskValues(
        values,
        has_empty=values == {0},
        shaded=int(counts[FAR + 1 : 255 - FAR].sum()),
        pixels=pixels.size,
        two_valued=pixels.dtype == np.uint8 and (values <= {0, 1} or values <= {0, 255}),
    )
