"""Stage ``prepare``: raw images and annotations of any format → the prepared store and
``metrics/data.json``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from steelcli.common.cores import over_cores
from steelcli.common.errors import DataError
from steelcli.common.outputs import staged_dir, write_json
from steelcli.common.paths import DATA_METRICS_PATH, PROBLEMS_NAME, STORE_DIR
from steelcli.data.images.decode import use_one_thread
from steelcli.data.raw.source import RawSample, RawSource
from steelcli.data.raw.split import Candidate, assign, pick
from steelcli.data.raw.survey import Look, read_sample, settle, survey, write_problems
from steelcli.data.store import letterbox
from steelcli.data.store.index import StoredImage
from steelcli.data.store.writer import StoreWriter, pack_truth, write_pixels
from steelcli.data.types import SPLITS, Split
from steelcli.params.data import DataParams


@dataclass(frozen=True)
class Scanned:
    """What one look at a raw image found."""

    content: str
    class_pixels: tuple[int, ...]


def prepare(
    params: DataParams, store_dir: Path = STORE_DIR, metrics_path: Path = DATA_METRICS_PATH
) -> dict[str, Any]:
    """Read all raw images twice, once to split them and once to store those taken; return
    ``metrics/data.json``.

    Beside it ``data_problems.csv`` lists every fault, whether it ends the run or leaves images out.

    Raises:
        ProblemsError: anything unreadable, contradictory or missing in the raw data, unless it may
            be skipped.
        DataError: the data set as a whole cannot be read, a split has no defect, or a file changed
            meanwhile.
    """
    problems_path = metrics_path.with_name(PROBLEMS_NAME)
    found = survey(params, scan)
    source, samples, scanned = found.source, found.samples, found.results
    try:
        settle(found, params, problems_path)
        chosen, left_out = _choose(params, samples, scanned)
        _refuse_splits_without_defect(params, chosen, scanned)
    except DataError:
        write_problems(problems_path, found.problems)
        raise
    records = []
    with (
        staged_dir(store_dir, outdates=[metrics_path, problems_path]) as partial_dir,
        StoreWriter(partial_dir, len(chosen), params.image_size, params.color) as writer,
    ):
        places = [
            (place, samples[position], split, scanned[position])
            for place, (position, split) in enumerate(chosen)
        ]
        packed = over_cores(
            partial(_store, source, params, partial_dir), places, "writing", use_one_thread
        )
        for (position, split), (height, width, truth, original) in zip(chosen, packed, strict=True):
            record = StoredImage(
                image=samples[position].image,
                split=split,
                content=scanned[position].content,
                height=height,
                width=width,
                class_pixels=scanned[position].class_pixels,
                truth=writer.append("truth.bin", truth),
                original=writer.append("originals.bin", original),
            )
            records.append(record)
        writer.finish(source.class_titles, records)
    counts = {"images_found": found.found, "skipped": found.left_out} | left_out
    metrics = _describe(source.class_titles, records, counts)
    write_problems(problems_path, found.problems)
    write_json(metrics_path, metrics)
    return metrics


def scan(look: Look) -> Scanned:
    """Return what the split needs to know of an image."""
    return Scanned(look.content, look.class_pixels)


def _store(
    source: RawSource,
    params: DataParams,
    store_dir: Path,
    item: tuple[int, RawSample, Split, Scanned],
) -> tuple[int, int, bytes, bytes]:
    """Write one image's pixels; return its native size, packed truth and, for the test split, the
    raw file."""
    place, sample, split, expected = item
    look = read_sample(source, params, sample)
    if scan(look) != expected:
        raise DataError(
            "the image or its annotation changed while it was read",
            sample.image_path,
            "run prepare again",
        )
    height, width = look.image.shape[:2]
    canvas_width, canvas_height = params.image_size
    box = letterbox.fit(height, width, canvas_height, canvas_width)
    mask = letterbox.apply_to_mask(np.logical_or.reduce(look.masks, axis=0), box)
    write_pixels(store_dir, place, letterbox.apply_to_image(look.image, box), mask)
    return height, width, pack_truth(look.masks), look.raw if split == "test" else b""


def _choose(
    params: DataParams, samples: Sequence[RawSample], scanned: Sequence[Scanned]
) -> tuple[list[tuple[int, Split]], dict[str, int]]:
    """Split the samples and apply ``data.limit``; return (position, split) in store order and what
    was left out."""
    candidates = [
        Candidate(
            found.content,
            frozenset(int(c) for c in np.flatnonzero(found.class_pixels)),
            sample.split,
        )
        for sample, found in zip(samples, scanned, strict=True)
    ]
    refuse = params.duplicates == "refuse"
    splits = assign(
        candidates, params.val_fraction, params.test_fraction, params.split_seed, refuse
    )
    chosen: list[tuple[int, Split]] = []
    for name in SPLITS:
        members = [position for position, split in enumerate(splits) if split == name]
        limit = params.limit or len(members)
        kept = pick([candidates[position] for position in members], limit, params.split_seed)
        chosen += [(members[position], name) for position in kept]
    contents = Counter(found.content for found, split in zip(scanned, splits, strict=True) if split)
    counts = {
        "duplicates_dropped": splits.count(None),
        "duplicates_within_a_split": sum(contents.values()) - len(contents),
    }
    return chosen, counts


def _refuse_splits_without_defect(
    params: DataParams, chosen: Sequence[tuple[int, Split]], scanned: Sequence[Scanned]
) -> None:
    for name in SPLITS:
        if not any(
            sum(scanned[position].class_pixels) for position, split in chosen if split == name
        ):
            remedy = "add annotated images, or change the fractions, data.limit, data.classes or data.split_seed"
            raise DataError(f"no image of the {name} split has a defect", params.root, remedy)


def _describe(
    titles: Sequence[str], records: Sequence[StoredImage], counts: dict[str, int]
) -> dict[str, Any]:
    """Count images and pixels per split and class: the content of ``metrics/data.json``."""
    metrics: dict[str, Any] = dict(counts)
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
            group[f"images_class.{title}"] = sum(
                bool(record.class_pixels[channel]) for record in members
            )
            group[f"pixel_share_class.{title}"] = (
                sum(record.class_pixels[channel] for record in members) / pixels
            )
        metrics[name] = group
    return metrics
