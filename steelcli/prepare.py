"""Stage ``prepare``: raw images and annotations of any format → the prepared store and ``metrics/data.json``."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np

from steelcli.data import letterbox
from steelcli.data.images import Color, read_bytes, read_image_bytes
from steelcli.data.source import SPLITS, RawSample, RawSource, Split
from steelcli.data.sources import open_source
from steelcli.data.split import Candidate, assign, pick
from steelcli.data.store import Record, StoreWriter, pack_truth, write_pixels
from steelcli.errors import DataError
from steelcli.files import staged_dir, write_json
from steelcli.params.data import DataParams
from steelcli.progress import track

STORE_DIR = Path("data/prepared")
METRICS_PATH = Path("metrics/data.json")
_FEW = 32  # below this many images starting worker processes costs more than it saves
R = TypeVar("R")


@dataclass(frozen=True)
class Scanned:
    """What one look at a raw image found."""

    content: str
    class_pixels: tuple[int, ...]


def prepare(params: DataParams, store_dir: Path = STORE_DIR, metrics_path: Path = METRICS_PATH) -> dict[str, Any]:
    """Read all raw images twice, once to split them and once to store those taken; return ``metrics/data.json``.

    Raises:
        DataError: anything unreadable, contradictory or missing in the raw data, or a split without a defect.
    """
    source = open_source(params)
    if len(source.class_titles) > 64:
        raise DataError(f"{len(source.class_titles)} classes, at most 64 fit", params.root, "choose with data.classes")
    samples = source.samples
    scanned = list(_over_cores(partial(_scan, source, params.color), samples, "reading"))
    chosen, left_out = _choose(params, samples, scanned)
    _refuse_splits_without_defect(params, chosen, scanned)
    with staged_dir(store_dir, outdates=[metrics_path]) as partial_dir:
        writer = StoreWriter(partial_dir, len(chosen), params.image_size, params.color)
        places = [(place, samples[position], split) for place, (position, split) in enumerate(chosen)]
        packed = _over_cores(partial(_store, source, params, partial_dir), places, "writing")
        records = [
            Record(
                image=samples[position].image,
                split=split,
                content=scanned[position].content,
                height=height,
                width=width,
                class_pixels=scanned[position].class_pixels,
                truth=writer.append("truth.bin", truth),
                original=writer.append("originals.bin", original),
            )
            for (position, split), (height, width, truth, original) in zip(chosen, packed, strict=True)
        ]
        writer.finish(source.class_titles, records)
    metrics = _describe(source.class_titles, records, left_out)
    write_json(metrics_path, metrics)
    return metrics


def _scan(source: RawSource, color: Color, sample: RawSample) -> Scanned:
    image = read_image_bytes(read_bytes(sample.image_path), color, sample.image_path)
    masks = source.read_masks(sample, *image.shape[:2])
    content = hashlib.sha256(str(image.shape).encode() + image.tobytes()).hexdigest()
    return Scanned(content, tuple(int(np.count_nonzero(mask)) for mask in masks))


def _store(
    source: RawSource, params: DataParams, store_dir: Path, item: tuple[int, RawSample, Split]
) -> tuple[int, int, bytes, bytes]:
    """Write one image's pixels; return its native size, packed truth and, for the test split, the raw file."""
    place, sample, split = item
    raw = read_bytes(sample.image_path)
    image = read_image_bytes(raw, params.color, sample.image_path)
    height, width = image.shape[:2]
    masks = source.read_masks(sample, height, width)
    canvas_width, canvas_height = params.image_size
    box = letterbox.fit(height, width, canvas_height, canvas_width)
    mask = letterbox.apply_to_mask(np.logical_or.reduce(masks, axis=0), box)
    write_pixels(store_dir, place, letterbox.apply_to_image(image, box), mask)
    return height, width, pack_truth(masks), raw if split == "test" else b""


def _choose(
    params: DataParams, samples: Sequence[RawSample], scanned: Sequence[Scanned]
) -> tuple[list[tuple[int, Split]], Counter[str]]:
    """Split the samples and apply ``data.limit``; return (position, split) in store order and what was left out."""
    candidates = [
        Candidate(found.content, frozenset(int(c) for c in np.flatnonzero(found.class_pixels)), sample.split)
        for sample, found in zip(samples, scanned, strict=True)
    ]
    refuse = params.duplicates == "refuse"
    splits = assign(candidates, params.val_fraction, params.test_fraction, params.split_seed, refuse)
    chosen: list[tuple[int, Split]] = []
    for name in SPLITS:
        members = [position for position, split in enumerate(splits) if split == name]
        limit = params.limit or len(members)
        kept = pick([candidates[position] for position in members], limit, params.split_seed)
        chosen += [(members[position], name) for position in kept]
    contents = Counter(found.content for found, split in zip(scanned, splits, strict=True) if split)
    counts = Counter(
        images_found=len(samples),
        duplicates_dropped=splits.count(None),
        duplicates_within_a_split=sum(contents.values()) - len(contents),
    )
    return chosen, counts


def _refuse_splits_without_defect(
    params: DataParams, chosen: Sequence[tuple[int, Split]], scanned: Sequence[Scanned]
) -> None:
    for name in SPLITS:
        if not any(sum(scanned[position].class_pixels) for position, split in chosen if split == name):
            remedy = "add annotated images, or change the fractions, data.limit, data.classes or data.split_seed"
            raise DataError(f"no image of the {name} split has a defect", params.root, remedy)


def _describe(titles: Sequence[str], records: Sequence[Record], left_out: Counter[str]) -> dict[str, Any]:
    """Count images and pixels per split and class: the content of ``metrics/data.json``."""
    metrics: dict[str, Any] = dict(left_out)
    for name in SPLITS:
        members = [record for record in records if record.split == name]
        pixels = sum(record.height * record.width for record in members)
        defects = sum(record.has_defect for record in members)
        group: dict[str, float] = {
            "images": len(members),
            "defect_images": defects,
            "clean_images": len(members) - defects,
        }
        for channel, title in enumerate(titles):
            group[f"images_class.{title}"] = sum(bool(record.class_pixels[channel]) for record in members)
            group[f"pixel_share_class.{title}"] = sum(record.class_pixels[channel] for record in members) / pixels
        metrics[name] = group
    return metrics


def _over_cores(work: Callable[[Any], R], items: Sequence[Any], label: str) -> Iterator[R]:
    """Apply ``work`` to the items on all cores, results in order, with a progress bar."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores == 1 or len(items) < _FEW:
        yield from track(map(work, items), label, len(items))
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(cores, 16), context, _begin_worker, (work,)) as pool:
        chunk = max(1, min(64, len(items) // (8 * cores)))
        yield from track(pool.map(_work, items, chunksize=chunk), label, len(items))


_WORK: list[Callable[[Any], Any]] = []  # set once in each worker: the source is sent to it once, not with every item


def _begin_worker(work: Callable[[Any], Any]) -> None:
    cv2.setNumThreads(1)
    _WORK[:] = [work]


def _work(item: Any) -> Any:
    return _WORK[0](item)
