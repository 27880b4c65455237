"""The loop of ``steelcli predict``: images read ahead of the network and written behind it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from steelcli.commands.predict_files import chunked
from steelcli.commands.predict_folder import Journal, OutFolder
from steelcli.commands.predict_image import (
    Kind,
    Picture,
    Reading,
    list_outputs,
    read_picture,
    read_stamp,
    write_picture,
)
from steelcli.commands.predict_model import Predictor
from steelcli.common.cores import short_turns
from steelcli.common.errors import DataError
from steelcli.common.progress import track
from steelcli.training.signals import StopRequest

R = TypeVar("R")
_THREADS = 4
"""Threads that decode images and write results, while the network computes."""


@dataclass(frozen=True)
class Work:
    """How images are predicted, the same for all."""

    kinds: list[Kind]
    batch_size: int
    reading: Reading
    model: Predictor


@dataclass(frozen=True)
class Batch:
    """Images that the network sees together, and the names of those not finished yet."""

    images: dict[str, Path]
    todo: set[str]


def plan_batches(images: Mapping[str, Path], folder: OutFolder, work: Work) -> list[Batch]:
    """Return the batches in which not all images are finished.

    Which images share a batch depends on the list alone: what an interruption leaves is computed
    in the batches in which it would have been, and comes out the same to the bit.
    """
    batches = []
    for some in chunked(images, work.batch_size):
        todo = {name for name in some if not _is_finished(folder, name, some[name], work.kinds)}
        if todo:
            batches.append(Batch(some, todo))
    return batches


def forget_unfinished(
    batches: Sequence[Batch], folder: OutFolder, kinds: Sequence[Kind]
) -> dict[str, int]:
    """Take back what was noted of unfinished images, before their files are written anew.

    An image that another one of the same outputs takes the place of loses its files.

    Returns:
        By name what brings a note back; see `settle`.
    """
    places = {}
    for batch in batches:
        for name in sorted(batch.todo):
            former, place = folder.forget(name) or ("", 0)
            if former == name:
                places[name] = place
            elif former:
                _remove_outputs(folder.folder, former, kinds)
    return places


def settle(
    failed: Mapping[str, Path],
    places: Mapping[str, int],
    folder: OutFolder,
    kinds: Sequence[Kind],
) -> None:
    """Remove what was found in files that can be read no longer, but not in those that are gone.

    Notes come back of images that were not reached, or were moved away before they were read.

    Args:
        failed: the files that could not be read, by name.
        places: see `forget_unfinished`.
    """
    bad = {name for name in failed if os.path.exists(failed[name])}  # noqa: PTH110  never raises
    for name in sorted(bad):
        folder.forget(name)
        _remove_outputs(folder.folder, name, kinds)
    for name in places.keys() - bad:
        folder.restore(name, places[name])


def predict_batches(
    batches: Sequence[Batch], journal: Journal, work: Work, request: StopRequest
) -> dict[str, DataError]:
    """Predict batches until one is asked to stop, a few images in memory at a time.

    Returns:
        What is wrong with the images that cannot be read, by name.
    """
    failed: dict[str, DataError] = {}
    model, kinds = work.model, work.kinds
    read = partial(read_picture, reading=work.reading, kinds=kinds)
    write = partial(write_picture, point=model.point, kinds=kinds, out_dir=journal.folder)
    with short_turns(), ThreadPoolExecutor(_THREADS) as pool, ThreadPoolExecutor(1) as network:
        asked = (item for batch in batches for item in batch.images.items())
        read_ones = _run_ahead(pool, read, asked, 2 * work.batch_size)

        def iter_read() -> Iterator[tuple[list[Picture], set[str]]]:
            for batch in batches:
                if request.number:
                    return
                pictures = []
                for name, one in zip(batch.images, read_ones, strict=False):
                    if isinstance(one, DataError):
                        failed[name] = one
                    else:
                        pictures.append(one)
                if any(picture.name in batch.todo for picture in pictures):
                    yield pictures, batch.todo

        # The next batch is there when one is computed: the network does not wait for the journal.
        computed = _run_ahead(network, partial(_compute, model), iter_read(), 2)
        done = chain.from_iterable(computed)
        rows = _run_ahead(pool, write, done, 2 * work.batch_size)
        own_count = sum(len(batch.todo) for batch in batches)
        for row in track(rows, "images", own_count):
            journal.add(row)
    return failed


def _is_finished(folder: OutFolder, name: str, path: Path, kinds: Sequence[Kind]) -> bool:
    """Tell whether an image was predicted as its file is now, and all that was written is there."""
    row = folder.find(name)
    if row is None or row["stamp"] != list(read_stamp(path)):
        return False
    return all(path.exists() for path in list_outputs(folder.folder, kinds, name))


def _remove_outputs(out_dir: Path, name: str, kinds: Sequence[Kind]) -> None:
    """Remove what was written of an image."""
    for path in list_outputs(out_dir, kinds, name):
        path.unlink(missing_ok=True)


def _compute(
    model: Predictor, pictures: Sequence[Picture], todo: Collection[str]
) -> list[tuple[Picture, NDArray[np.float32]]]:
    """Return the pictures to do of a batch with their probabilities, float32 [1, H, W]."""
    probs = model.run(np.stack([picture.canvas for picture in pictures]))
    pairs = zip(pictures, probs, strict=True)
    return [(picture, own) for picture, own in pairs if picture.name in todo]


def _run_ahead(
    pool: ThreadPoolExecutor, work: Callable[..., R], items: Iterable[tuple[Any, ...]], depth: int
) -> Iterator[R]:
    """Yield what the work makes of the items, in order, ``depth`` of them under way at most."""
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(pool.submit(work, *item))
        if len(waiting) == depth:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
