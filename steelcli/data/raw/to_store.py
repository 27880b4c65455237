"""From a surveyed data set to the prepared store: which images go in, what is kept of each."""

from __future__ import annotations

import os
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from steelcli.common.errors import DataError
from steelcli.common.progress import track
from steelcli.data.images.decode import file_limit, read_bytes, read_image_bytes
from steelcli.data.images.header import read_header
from steelcli.data.raw.source import RawSample
from steelcli.data.raw.split import Candidate, assign, pick
from steelcli.data.raw.survey import RawImage
from steelcli.data.store import letterbox
from steelcli.data.store.index import StoredImage
from steelcli.data.store.writer import StoreWriter, pack_truth
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
class Draft:
    """Where the letterboxed pixels and mask and the packed truth of an image wait to be stored.

    Attributes:
        facts: what the split needs to know.
        path, offset: file and place; the mask has a bit a pixel.
        truth_bytes: length of the truth, which comes last.
        raw_bytes, raw_crc: length and CRC-32 of the raw file.
    """

    facts: Facts
    path: Path
    offset: int
    truth_bytes: int
    raw_bytes: int
    raw_crc: int


@dataclass(frozen=True)
class ChosenImage:
    """An image that goes into the store, and its split."""

    sample: RawSample
    split: Split
    facts: Facts


def _get_facts(image: RawImage) -> Facts:
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


def draft_image(params: DataParams, draft_dir: Path, image: RawImage) -> Draft:
    """Append what the store will hold of an image to this process's file of ``draft_dir``.

    Its split is known only when all images are read: it depends on the pixels of every one.
    """
    facts = _get_facts(image)
    width, height = params.image_size
    box = letterbox.fit(facts.height, facts.width, height, width)
    mask = letterbox.apply_to_mask(image.union, box)
    truth = pack_truth(image.masks)
    path = draft_dir / str(os.getpid())
    with path.open("ab") as file:
        offset = file.tell()
        file.write(letterbox.apply_to_image(image.pixels, box).data)
        file.write(np.packbits(mask).data)
        file.write(truth)
    return Draft(facts, path, offset, len(truth), len(image.raw), zlib.crc32(image.raw))


def write_store(
    store_dir: Path,
    titles: Sequence[str],
    params: DataParams,
    images: Sequence[ChosenImage],
    drafts: Mapping[str, Draft],
) -> list[StoredImage]:
    """Write the images to ``store_dir`` from their drafts, and the raw files of those of test.

    Args:
        titles: of the classes.
        drafts: by the names of the images.

    Raises:
        DataError: the raw file of a test image changed since it was drafted.
    """
    stored = []
    mask_pixels = params.image_size[0] * params.image_size[1]
    image_bytes = mask_pixels * (3 if params.color == "rgb" else 1)
    with StoreWriter(store_dir, len(images), params.image_size, params.color) as writer:
        for image in track(images, "writing", len(images)):
            draft = drafts[image.sample.image]
            facts = draft.facts
            with draft.path.open("rb") as file:
                file.seek(draft.offset)
                writer.append("images.npy", file.read(image_bytes))
                bits = np.frombuffer(file.read((mask_pixels + 7) // 8), np.uint8)
                writer.append("masks.npy", np.unpackbits(bits, count=mask_pixels).tobytes())
                truth = writer.append("truth.bin", file.read(draft.truth_bytes))
            original = _read_original(params, image.sample, draft) if image.split == "test" else b""
            stored.append(
                StoredImage(
                    image=image.sample.image,
                    split=image.split,
                    content=facts.content,
                    height=facts.height,
                    width=facts.width,
                    class_pixels=facts.class_pixels,
                    truth=truth,
                    original=writer.append("originals.bin", original),
                )
            )
        writer.finish(titles, stored)
    return stored


def _read_original(params: DataParams, sample: RawSample, draft: Draft) -> bytes:
    """Return the raw file; one of 16 bits as a PNG of the 8 bits that were made of them."""
    path, limit = sample.image_path, params.max_image_pixels
    raw = read_bytes(path, file_limit(limit))
    if (len(raw), zlib.crc32(raw)) != (draft.raw_bytes, draft.raw_crc):
        raise DataError("the image changed while it was read", path, "run prepare again")
    if read_header(raw, path).bits <= 8:
        return raw
    pixels = read_image_bytes(raw, params.color, path, limit, params.value_range)
    grey = pixels if pixels.ndim == 2 else pixels[:, :, 0]
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
