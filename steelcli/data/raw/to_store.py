"""From a surveyed data set to the prepared store: which images go in, what is kept of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from steelcli.common.cores import over_cores
from steelcli.common.errors import DataError
from steelcli.data.images.decode import use_one_thread
from steelcli.data.images.header import read_header
from steelcli.data.raw.source import RawSample, RawSource
from steelcli.data.raw.split import Candidate, assign, pick
from steelcli.data.raw.survey import RawImage, read_sample
from steelcli.data.store import letterbox
from steelcli.data.store.index import StoredImage
from steelcli.data.store.writer import StoreWriter, pack_truth, write_pixels
from steelcli.data.types import SPLITS, Split
from steelcli.params.data import DataParams


@dataclass(frozen=True)
class Facts:
    """What the split needs to know of an image.

    Attributes:
        content: hash of the pixels.
        class_pixels: pixels of each class.
        height, width: pixels.
        smallest_defect: pixels of the smallest defect, 0 where there is none.
    """

    content: str
    class_pixels: tuple[int, ...]
    height: int
    width: int
    smallest_defect: int


@dataclass(frozen=True)
class ChosenImage:
    """An image that goes into the store, and its split."""

    sample: RawSample
    split: Split
    facts: Facts


def get_facts(image: RawImage) -> Facts:
    """Return what the split needs to know of an image."""
    height, width = image.pixels.shape[:2]
    return Facts(image.content, image.class_pixels, height, width, image.smallest_defect)


def choose_images(
    params: DataParams, samples: Sequence[RawSample], facts: Sequence[Facts]
) -> tuple[list[ChosenImage], dict[str, int]]:
    """Split the samples and apply ``data.limit``.

    Returns:
        The images in the order of the store, and the counts ``duplicates_dropped`` and
        ``duplicates_within_a_split``.

    Raises:
        DataError: see `assign`, or no image of all or of a split has a defect.
    """
    if not any(any(fact.class_pixels) for fact in facts):
        remedy = "add images with a defect, or change data.classes"
        raise DataError("no image has a defect", params.root, remedy)
    candidates = []
    for sample, fact in zip(samples, facts, strict=True):
        classes = np.flatnonzero(fact.class_pixels).tolist()
        candidates.append(Candidate(fact.content, frozenset(classes), sample.split))
    splits = assign(
        candidates,
        params.val_fraction,
        params.test_fraction,
        params.split_seed,
        refuse_duplicates=params.duplicates == "refuse",
    )
    chosen: list[ChosenImage] = []
    for name in SPLITS:
        members = [position for position, split in enumerate(splits) if split == name]
        limit = params.limit or len(members)
        kept = pick([candidates[position] for position in members], limit, params.split_seed)
        positions = [members[index] for index in kept]
        if not any(candidates[position].classes for position in positions):
            what = f"no image of the {name} split has a defect"
            remedy = "add annotated images, or change the fractions, data.limit, data.classes"
            raise DataError(what, params.root, f"{remedy} or data.split_seed")
        chosen += [ChosenImage(samples[place], name, facts[place]) for place in positions]
    contents = Counter(fact.content for fact, split in zip(facts, splits, strict=True) if split)
    counts = {
        "duplicates_dropped": splits.count(None),
        "duplicates_within_a_split": sum(contents.values()) - len(contents),
    }
    return chosen, counts


def write_store(
    store_dir: Path, source: RawSource, params: DataParams, images: Sequence[ChosenImage]
) -> list[StoredImage]:
    """Read the images again, on all cores, and write them to ``store_dir``.

    Raises:
        DataError: an image or its annotation changed since it was surveyed.
    """
    stored = []
    work = partial(_write_image, source, params, store_dir)
    with StoreWriter(store_dir, len(images), params.image_size, params.color) as writer:
        blobs = over_cores(work, list(enumerate(images)), "writing", use_one_thread)
        for image, blob in zip(images, blobs, strict=True):
            stored.append(
                StoredImage(
                    image=image.sample.image,
                    split=image.split,
                    content=image.facts.content,
                    height=blob.height,
                    width=blob.width,
                    class_pixels=image.facts.class_pixels,
                    truth=writer.append("truth.bin", blob.truth),
                    original=writer.append("originals.bin", blob.original),
                )
            )
        writer.finish(source.class_titles, stored)
    return stored


@dataclass(frozen=True)
class _Blob:
    """What a worker sends back: native size, packed truth, and the raw file of a test image."""

    height: int
    width: int
    truth: bytes
    original: bytes


def _write_image(
    source: RawSource, params: DataParams, store_dir: Path, item: tuple[int, ChosenImage]
) -> _Blob:
    """Put one image's pixels and mask in their place in the arrays."""
    place, chosen = item
    image = read_sample(source, params, chosen.sample)
    if (image.content, image.class_pixels) != (chosen.facts.content, chosen.facts.class_pixels):
        what = "the image or its annotation changed while it was read"
        raise DataError(what, chosen.sample.image_path, "run prepare again")
    height, width = image.pixels.shape[:2]
    canvas_width, canvas_height = params.image_size
    box = letterbox.fit(height, width, canvas_height, canvas_width)
    mask = letterbox.apply_to_mask(np.logical_or.reduce(image.masks, axis=0), box)
    write_pixels(store_dir, place, letterbox.apply_to_image(image.pixels, box), mask)
    original = _get_original(image) if chosen.split == "test" else b""
    return _Blob(height, width, pack_truth(image.masks), original)


def _get_original(image: RawImage) -> bytes:
    """Return the raw file; one of 16 bits as a PNG of the 8 bits that were made of them."""
    if read_header(image.raw, "image").bits <= 8:
        return image.raw
    grey = image.pixels if image.pixels.ndim == 2 else image.pixels[:, :, 0]
    return cv2.imencode(".png", grey)[1].tobytes()


def count_images(
    titles: Sequence[str], stored: Sequence[StoredImage]
) -> dict[str, dict[str, float]]:
    """Count images and pixels by split and class: the groups of ``metrics/data.json``."""
    groups: dict[str, dict[str, float]] = {}
    for name in SPLITS:
        members = [image for image in stored if image.split == name]
        pixels = sum(image.height * image.width for image in members)
        defects = sum(image.has_defect for image in members)
        group: dict[str, float] = {
            "images": len(members),
            "defect_images": defects,
            "clean_images": len(members) - defects,
        }
        for channel, title in enumerate(titles):
            counts = [image.class_pixels[channel] for image in members]
            group[f"images_class.{title}"] = sum(map(bool, counts))
            group[f"pixel_share_class.{title}"] = sum(counts) / pixels
        groups[name] = group
    return groups
