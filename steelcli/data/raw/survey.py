"""The first look at raw data: every image and annotation is read once, and all that is wrong is
gathered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from steelcli.common.cores import over_cores
from steelcli.common.errors import DataError
from steelcli.common.outputs import write_csv
from steelcli.common.problems import COLUMNS, Problem, Problems, list_problems
from steelcli.data.images.decode import file_limit, read_bytes, read_image_bytes, use_one_thread
from steelcli.data.raw.recognise import open_source
from steelcli.data.raw.source import RawSample, RawSource
from steelcli.params.data import DataParams

R = TypeVar("R")


@dataclass(frozen=True)
class Look:
    """One raw image, read.

    Attributes:
        raw: bytes of the file.
        image: uint8 [H, W] or [H, W, 3] in R, G, B.
        masks: bool [C, H, W], by class.
    """

    raw: bytes
    image: NDArray[np.uint8]
    masks: NDArray[np.bool_]

    @property
    def content(self) -> str:
        """SHA-256 of the pixels and their shape."""
        digest = hashlib.sha256(str(self.image.shape).encode())
        digest.update(np.ascontiguousarray(self.image).data)
        return digest.hexdigest()

    @property
    def class_pixels(self) -> tuple[int, ...]:
        """Pixels of each class."""
        return tuple(int(np.count_nonzero(mask)) for mask in self.masks)


@dataclass(frozen=True)
class Survey(Generic[R]):
    """What the look at every image gave.

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


def survey(params: DataParams, ask: Callable[[Look], R]) -> Survey[R]:
    """Read all raw images and annotations and ask something of each.

    Args:
        params: where and how to read.
        ask: a function at the top level of a module: it is sent to worker processes.

    Raises:
        DataError: the data set as a whole cannot be read.
    """
    problems = Problems()
    source = open_source(params, problems)
    unlisted = len(problems.images)
    samples, results = [], []
    answers = over_cores(
        partial(_try, source, params, ask), source.samples, "reading", use_one_thread
    )
    for sample, answer in zip(source.samples, answers, strict=True):
        if isinstance(answer, _Faults):
            problems.rows += answer.problems
        else:
            samples.append(sample)
            results.append(answer)
    left_out = len(source.samples) - len(samples) + unlisted
    found = len(source.samples) + unlisted
    return Survey(source, tuple(samples), tuple(results), tuple(problems.rows), left_out, found)


def read_sample(source: RawSource, params: DataParams, sample: RawSample) -> Look:
    """Read one image and its masks.

    Raises:
        DataError: an image or annotation that cannot be read, or an image too narrow for
            ``data.image_size``.
    """
    limit = params.max_image_pixels
    raw = read_bytes(sample.image_path, file_limit(limit))
    image = read_image_bytes(raw, params.color, sample.image_path, limit)
    height, width = image.shape[:2]
    scale = min(params.image_size[0] / width, params.image_size[1] / height)
    if min(height, width) * scale < 0.5:
        what = f"an image of {width}x{height} pixels would be less than a pixel thin at data.image_size"
        raise DataError(
            what, sample.image_path, "crop it into pieces or remove it together with its annotation"
        )
    return Look(raw, image, source.read_masks(sample, height, width))


def settle(survey: Survey[Any], params: DataParams, problems_path: Path) -> None:
    """Decide by ``data.on_error`` whether the data set is good enough.

    Raises:
        ProblemsError: any fault under ``fail``; under ``skip`` one that leaving images out cannot
            heal, or too many.
    """
    rows = survey.problems
    incurable = [row for row in rows if row.image is None]
    share = survey.left_out / max(1, survey.found)
    if rows and (params.on_error == "fail" or incurable):
        first = (incurable if params.on_error == "skip" else rows)[0]
        what = f"{len(rows)} problem{'s' * (len(rows) > 1)} in the data, the first in {first.file} ({first.what})"
        remedy = first.remedy if len(rows) == 1 else "mend the files listed"
        way_out = "" if incurable else ", or leave the images out with data.on_error=skip"
    elif share > params.max_skipped_fraction:
        limit = f"data.max_skipped_fraction ({params.max_skipped_fraction:g})"
        what = f"{len(rows)} problems leave out {survey.left_out} of {survey.found} images, more than {limit}"
        remedy, way_out = "mend the files listed", ", or raise data.max_skipped_fraction"
    else:
        return
    raise ProblemsError(what, problems_path, remedy + way_out, rows)


def write_problems(path: Path, problems: Sequence[Problem]) -> None:
    """Write ``data_problems.csv``, a header alone where there are none."""
    write_csv(
        path, [{column: getattr(row, column) for column in COLUMNS} for row in problems], COLUMNS
    )


@dataclass(frozen=True)
class _Faults:
    problems: list[Problem]


def _try(
    source: RawSource, params: DataParams, ask: Callable[[Look], R], sample: RawSample
) -> R | _Faults:
    try:
        return ask(read_sample(source, params, sample))
    except DataError as error:
        files = [getattr(source, "csv_path", None), sample.annotation, sample.image_path]
        return _Faults(list_problems(error, files, sample.image))
