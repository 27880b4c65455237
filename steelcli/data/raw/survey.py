"""Read every raw image and annotation once, and gather all that is wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from steelcli.common.cores import over_cores
from steelcli.common.errors import DataError
from steelcli.common.outputs import format_csv, write_together
from steelcli.common.problems import COLUMNS, Problem, Problems, list_problems
from steelcli.data.images.decode import file_limit, read_bytes, read_image_bytes, use_one_thread
from steelcli.data.raw.recognise import open_source
from steelcli.data.raw.source import RawSample, RawSource
from steelcli.params.data import DataParams

R = TypeVar("R")


@dataclass(frozen=True)
class RawImage:
    """One raw image and its masks, decoded.

    Attributes:
        raw: bytes of the file.
        pixels: uint8 [H, W] or [H, W, 3] in R, G, B.
        masks: bool [C, H, W], by class.
    """

    raw: bytes
    pixels: NDArray[np.uint8]
    masks: NDArray[np.bool_]

    @property
    def content(self) -> str:
        """SHA-256 of the pixels and their shape."""
        digest = hashlib.sha256(str(self.pixels.shape).encode())
        digest.update(np.ascontiguousarray(self.pixels).data)
        return digest.hexdigest()

    @property
    def class_pixels(self) -> tuple[int, ...]:
        """Pixels of each class."""
        return tuple(int(np.count_nonzero(mask)) for mask in self.masks)

    @cached_property
    def union(self) -> NDArray[np.bool_]:
        """All classes together, bool [H, W]."""
        return np.asarray(np.logical_or.reduce(self.masks, axis=0), np.bool_)

    @property
    def smallest_defect(self) -> int:
        """Pixels of the smallest 8-connected defect, whatever its class; 0 where there is none."""
        if not self.union.any():
            return 0
        union = self.union.view(np.uint8)
        x, y, width, height = cv2.boundingRect(union)
        _, labels = cv2.connectedComponents(union[y : y + height, x : x + width], connectivity=8)
        return int(np.bincount(labels.reshape(-1))[1:].min())


@dataclass(frozen=True)
class Survey(Generic[R]):
    """What reading every image gave.

    Attributes:
        source: the data set.
        samples: what could be read, sorted by name.
        results: of each sample, what was asked for.
        problems: all faults, in the order of the files.
        left_out: images that have a fault.
        found: ``samples`` and ``left_out`` together: all images.
    """

    source: RawSource
    samples: tuple[RawSample, ...]
    results: tuple[R, ...]
    problems: tuple[Problem, ...]
    left_out: int
    found: int


class ProblemsError(DataError):
    """A data set with faults, all of which it carries."""

    def __init__(self, what: str, where: object, remedy: str, problems: Sequence[Problem]) -> None:
        super().__init__(what, where, remedy)
        self.problems = tuple(problems)


def survey(params: DataParams, get_result: Callable[[RawImage], R]) -> Survey[R]:
    """Read all raw images and annotations; apply ``get_result`` to each.

    Args:
        params: where and how to read.
        get_result: a function at the top level of a module, for it is sent to worker processes; it
            never returns None, which stands for an image with a fault.

    Raises:
        DataError: the data set as a whole cannot be read.
    """
    problems = Problems()
    source = open_source(params, problems)
    unlisted = len(problems.images)
    samples, results = [], []
    reader = copy(source)
    reader.samples = ()  # each worker gets a copy: it must not grow with the data set
    work = partial(_read_one, reader, params, get_result)
    answers = over_cores(work, source.samples, "reading", use_one_thread)
    for sample, (result, faults) in zip(source.samples, answers, strict=True):
        problems.rows += faults
        if result is not None:
            samples.append(sample)
            results.append(result)
    left_out = len(source.samples) - len(samples) + unlisted
    found = len(source.samples) + unlisted
    return Survey(source, tuple(samples), tuple(results), tuple(problems.rows), left_out, found)


def read_sample(source: RawSource, params: DataParams, sample: RawSample) -> RawImage:
    """Read one image and its masks.

    Raises:
        DataError: an image or annotation that cannot be read, or an image too narrow for
            ``data.image_size``.
    """
    limit = params.max_image_pixels
    raw = read_bytes(sample.image_path, file_limit(limit))
    pixels = read_image_bytes(raw, params.color, sample.image_path, limit, params.value_range)
    height, width = pixels.shape[:2]
    scale = min(params.image_size[0] / width, params.image_size[1] / height)
    if min(height, width) * scale < 0.5:
        thin = "would be less than a pixel thin at data.image_size"
        remedy = "crop it into pieces or remove it together with its annotation"
        raise DataError(f"an image of {width}x{height} pixels {thin}", sample.image_path, remedy)
    return RawImage(raw, pixels, source.read_masks(sample, height, width))


def refuse_problems(survey: Survey[Any], params: DataParams, problems_path: Path) -> None:
    """Stop where ``data.on_error`` does not allow the problems found.

    Raises:
        ProblemsError: any fault under ``fail``; under ``skip`` one that leaving images out cannot
            heal, or too many.
    """
    rows = survey.problems
    incurable = [row for row in rows if row.image is None]
    share = survey.left_out / max(1, survey.found)
    if rows and (params.on_error == "fail" or incurable):
        first = (incurable if params.on_error == "skip" else rows)[0]
        plural = "s" * (len(rows) > 1)
        what = f"{len(rows)} problem{plural} in the data, the first in {first.file} ({first.what})"
        remedy = first.remedy if len(rows) == 1 else "mend the files listed"
        way_out = "" if incurable else ", or leave the images out with data.on_error=skip"
    elif share > params.max_skipped_fraction:
        limit = f"data.max_skipped_fraction ({params.max_skipped_fraction:g})"
        lost = f"{survey.left_out} of {survey.found} images"
        what = f"{len(rows)} problems leave out {lost}, more than {limit}"
        remedy, way_out = "mend the files listed", ", or raise data.max_skipped_fraction"
    else:
        return
    raise ProblemsError(what, problems_path, remedy + way_out, rows)


def write_problems(path: Path, problems: Sequence[Problem]) -> None:
    """Write `format_problems`."""
    write_together({path: format_problems(problems)})


def format_problems(problems: Sequence[Problem]) -> str:
    """Return ``data_problems.csv``, a header alone where there are none."""
    return format_csv([asdict(row) for row in problems], COLUMNS)


def _read_one(
    source: RawSource, params: DataParams, get_result: Callable[[RawImage], R], sample: RawSample
) -> tuple[R | None, list[Problem]]:
    """Return the result of one image, or what is wrong with it."""
    try:
        return get_result(read_sample(source, params, sample)), []
    except DataError as error:
        files = [getattr(source, "csv_path", None), sample.annotation, sample.image_path]
        return None, list_problems(error, files, sample.image)
