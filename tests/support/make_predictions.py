"""Predictions of a made-up model, written in every format that is read."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from steelcli.data.predictions.coco_rle import encode_coco, run_lengths
from steelcli.data.raw.kaggle_rle import encode_rle
from steelcli.data.raw.supervisely_export import annotation, project_meta
from steelcli.data.store.reader import Store
from steelcli.data.types import Split

Levels = dict[str, NDArray[np.uint16]]
Masks = Mapping[str, NDArray[np.bool_]]


def make_levels(store: Store, split: Split, seed: int = 3) -> Levels:
    """Return a map of a fair model for every image of a split: a blurred truth under smooth noise,
    in 16-bit levels."""
    rng = np.random.default_rng(seed)
    maps = {}
    for position in store.positions(split):
        truth = store.class_masks(position).any(axis=0)
        noise = cv2.resize(
            rng.random((9, 31), np.float32), truth.shape[::-1], interpolation=cv2.INTER_CUBIC
        )
        probs = 0.5 * cv2.GaussianBlur(truth.astype(np.float32), (0, 0), 4) + 0.55 * noise
        maps[store.records[position].image] = np.rint(probs.clip(0, 1) * 65535).astype(np.uint16)
    return maps


def cut(maps: Levels) -> dict[str, NDArray[np.bool_]]:
    """Return the masks of the maps at 0.5."""
    return {
        image: levels.astype(np.float32) / np.float32(65535) >= np.float32(0.5)
        for image, levels in maps.items()
    }


def stem(image: str) -> str:
    return PurePosixPath(image).with_suffix("").as_posix()


def write_png(path: Path, values: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", values)[1].tobytes())


def write_pngs(out_dir: Path, maps: Mapping[str, NDArray[Any]]) -> Path:
    for image, values in maps.items():
        write_png(out_dir / f"{stem(image)}.png", values)
    return out_dir


def write_npys(out_dir: Path, maps: Mapping[str, NDArray[Any]]) -> Path:
    for image, values in maps.items():
        (out_dir / stem(image)).parent.mkdir(parents=True, exist_ok=True)
        np.save(out_dir / f"{stem(image)}.npy", values)
    return out_dir


def halves(mask: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Return two overlapping masks whose union is the mask."""
    left, right = mask.copy(), mask.copy()
    left[:, mask.shape[1] * 2 // 3 :] = False
    right[:, : mask.shape[1] // 3] = False
    return [left, right]


def segmentation(mask: NDArray[np.bool_], compressed: bool) -> dict[str, Any]:
    return {
        "size": list(mask.shape),
        "counts": encode_coco(mask) if compressed else run_lengths(mask),
    }


def write_coco(path: Path, masks: Masks, compressed: bool = True) -> Path:
    """Write a data set with two annotations an image, none for an empty one."""
    images = [
        {"id": number, "file_name": f"train/{image}"} for number, image in enumerate(masks, 100)
    ]
    found = [
        {"image_id": number, "category_id": 1, "segmentation": segmentation(half, compressed)}
        for number, mask in enumerate(masks.values(), 100)
        for half in halves(mask)
        if half.any()
    ]
    return write_json(path, {"images": images, "annotations": found, "categories": []})


def write_results(path: Path, masks: Masks) -> Path:
    """Write a list of results; an empty image has an entry without segmentation."""
    results: list[dict[str, Any]] = []
    for image, mask in masks.items():
        runs = segmentation(mask, compressed=True) if mask.any() else None
        results.append({"image_id": stem(image), "category_id": 1, "segmentation": runs})
    return write_json(path, results)


def write_json(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def write_kaggle(path: Path, masks: Masks) -> Path:
    """Write two classes an image, and a row without runs for an empty one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["ImageId", "ClassId", "EncodedPixels"])
        for image, mask in masks.items():
            for class_id, half in zip((1, 3), halves(mask), strict=True):
                writer.writerow([image, class_id, encode_rle(half)])
    return path


def write_supervisely(root: Path, masks: Masks) -> Path:
    """Write two classes in a data set; the image files are empty."""
    titles = ("one", "two")
    write_json(root / "meta.json", project_meta(titles))
    for image, mask in masks.items():
        (root / "some" / "img").mkdir(parents=True, exist_ok=True)
        (root / "some" / "img" / image).touch()
        content = annotation(*mask.shape, zip(titles, halves(mask), strict=True))
        write_json(root / "some" / "ann" / f"{image}.json", content)
    return root
