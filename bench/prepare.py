"""``prepare`` ÷ bare decoding, on one core; and one core ÷ two.

*Bare* is what any preparation must do, once for each image and without a check: decode the JPEG,
parse the JSON and decode its bitmaps, resize image and mask. `prepare` also checks and hashes every
image, splits, packs the truth of native size and writes the store.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from bench.baseline import read_mask
from bench.data import annotation_path, draw_large_project, list_images, read_network
from bench.figure import Figure
from bench.timing import interleave, ratio, spread
from steelcli.commands.prepare import prepare
from steelcli.data.store import letterbox
from steelcli.data.store.reader import Store
from steelcli.params.data import DataParams

IMAGES = 1920
"""Enough that the start of the worker processes, a second, is a tenth of the work."""
ROUNDS = 3
TARGET, CORES_TARGET = 0.5, 1.8


def measure(work_dir: Path) -> list[Figure]:
    """Return both figures for the default size of the images; the first round also checks them."""
    cv2.setNumThreads(1)
    project = work_dir / "project"
    draw_large_project(project, IMAGES)
    params = read_network("default").data.model_copy(update={"root": str(project)})
    paths = list_images(project)
    check_alike(params, paths, work_dir)
    cores = sorted(os.sched_getaffinity(0))
    one = partial(_on_cores, cores[:1], partial(_prepare, params, work_dir))
    ways = {
        "bare": partial(_on_cores, cores[:1], partial(decode_all, paths, params.image_size)),
        "one core": one,
        "two cores": partial(_on_cores, cores[:2], partial(_prepare, params, work_dir)),
    }
    if len(cores) == 1:
        del ways["two cores"]
    seconds = interleave(ways, ROUNDS, warm_up=0)
    rates = {f"{way} images/s": IMAGES / spread(taken).median for way, taken in seconds.items()}
    note = f"{IMAGES} strips of 1600×256 to {params.image_size[0]}×{params.image_size[1]}"
    figures = [
        Figure(
            "prepare ÷ bare decode and resize, one core",
            ratio(seconds["bare"], seconds["one core"]),
            TARGET,
            absolute=rates,
            note=note,
        )
    ]
    if "two cores" in seconds:
        scale = ratio(seconds["one core"], seconds["two cores"])
        figures.append(Figure("prepare: one core ÷ two", scale, CORES_TARGET, note=note))
    return figures


def decode_all(paths: list[Path], image_size: tuple[int, int]) -> list[np.ndarray]:
    """Decode and resize every image and its mask; return the masks, uint8 [H, W] of 0 and 255."""
    width, height = image_size
    masks = []
    for path in paths:
        grey = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)
        assert grey is not None
        box = letterbox.fit(grey.shape[0], grey.shape[1], height, width)
        size = box.inner_width, box.inner_height
        mask = read_mask(annotation_path(path))
        cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        masks.append(cv2.resize(mask * 255, size, interpolation=cv2.INTER_AREA))
    return masks


def check_alike(params: DataParams, paths: list[Path], work_dir: Path) -> None:
    """Refuse to compare two sides whose masks differ.

    Raises:
        RuntimeError: an image's mask in the store is not that of `decode_all`.
    """
    _prepare(params, work_dir)
    store = Store(work_dir / "store")
    bare = dict(zip(paths, decode_all(paths, params.image_size), strict=True))
    by_name = {path.stem: path for path in paths}
    for place, record in enumerate(store.records):
        own = store.masks[place][store.letterbox(place).inner]
        if not np.array_equal(own, bare[by_name[Path(record.image).stem]] >= 128):
            raise RuntimeError(f"the mask of {record.image} differs")


def _prepare(params: DataParams, work_dir: Path) -> None:
    shutil.rmtree(work_dir / "store", ignore_errors=True)
    prepare(params, work_dir / "store", work_dir / "metrics" / "data.json")


def _on_cores(cores: list[int], work: Callable[[], object]) -> None:
    """Do the work with this thread, and the processes that it starts, on these cores alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        work()
    finally:
        os.sched_setaffinity(0, before)
