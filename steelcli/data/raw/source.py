"""What every raw format gives: a list of samples, and the masks of one sample by class."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import DataError
from steelcli.common.paths import TEST_PREDICTIONS_DIR, overlay_name
from steelcli.common.problems import REFUSE, Problems
from steelcli.data.types import Split

MAX_NAME_BYTES = 255
"""Of a file name, on the usual file systems."""
MAX_RANK = 99_999
"""The highest rank of an overlay that names leave room for."""


@dataclass(frozen=True)
class RawSample:
    """One raw image and where its annotation stands; picklable, cheap, nothing decoded.

    Attributes:
        image: unique name shown in every table, POSIX style (see `name_samples`).
        image_path: the image file.
        annotation: what the format's own `read_masks` needs (a path, run lengths, None for a clean
            image).
        split: the split the data itself assigns, or None.
    """

    image: str
    image_path: Path
    annotation: Any
    split: Split | None = None


class RawSource(Protocol):
    """One raw data set. Implementations are picklable: `prepare` sends them to its workers."""

    format: str
    """What ``data.format`` calls it."""
    class_titles: tuple[str, ...]
    """Titles of the defect classes, in the channel order of `read_masks`."""
    samples: tuple[RawSample, ...]
    """Sorted by `RawSample.image`."""

    def read_masks(self, sample: RawSample, height: int, width: int) -> NDArray[np.bool_]:
        """Return the masks of one sample, bool [C, H, W], C in the order of `class_titles`.

        Raises:
            DataError: an undecodable or out-of-bounds annotation, or one made for another image
                size.
        """
        ...


def name_samples(
    samples: Iterable[RawSample], problems: Problems = REFUSE
) -> tuple[RawSample, ...]:
    """Sort samples by name and drop folders from the names where the bare stems stay unique.

    Predictions are found by stem (``DIR/<stem>.png``), hence two images of one folder may not share
    a stem. Names that differ in nothing but case or Unicode form (a letter and its accent, in one
    or two characters) count as one: they are one file on many systems.

    Args:
        samples: with their names including all folders.
        problems: takes all images of one name, and names too long for the files called after them.
    """
    ordered = sorted(samples, key=lambda sample: sample.image)
    stems = Counter(_same(PurePosixPath(sample.image).stem) for sample in ordered)
    if all(count == 1 for count in stems.values()):
        ordered = [replace(sample, image=PurePosixPath(sample.image).name) for sample in ordered]
        return tuple(sorted(ordered, key=lambda sample: sample.image))
    full = Counter(_full_stem(sample) for sample in ordered)
    for sample in ordered:
        if full[_full_stem(sample)] > 1:
            what = "two images share one name but for the extension, case or Unicode form"
            problems.add(
                DataError(what, sample.image_path, "rename one of them"),
                sample.image_path.as_posix(),
            )
    unique = [sample for sample in ordered if full[_full_stem(sample)] == 1]
    return tuple(sample for sample in unique if _is_short(sample, problems))


def _is_short(sample: RawSample, problems: Problems) -> bool:
    """Report an image whose folders and name are too long for the overlay called after them all.

    The bound holds for the path of its probability map too.
    """
    size = len(os.fsencode(overlay_name(sample.image, "median", MAX_RANK)))
    if size <= MAX_NAME_BYTES:
        return True
    folder = TEST_PREDICTIONS_DIR / "overlays"
    what = f"folders and name together make a name of {size} bytes in {folder.as_posix()}"
    remedy = f"shorten them by {size - MAX_NAME_BYTES} bytes"
    problems.add(DataError(what, sample.image_path, remedy), sample.image_path.as_posix())
    return False


def _full_stem(sample: RawSample) -> str:
    return _same(str(PurePosixPath(sample.image).with_suffix("")))


def _same(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
