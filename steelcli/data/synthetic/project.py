"""Write synthetic strips as a Supervisely project."""

from __future__ import annotations

import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from steelcli.data.raw.supervisely_export import annotation, project_meta
from steelcli.data.synthetic.defects import CLASS_TITLES
from steelcli.data.synthetic.strip import draw_strip
from steelcli.data.synthetic.texture import HEIGHT, WIDTH

MIN_IMAGES = 8
"""Fewer strips could not be split with each class on every side."""
DATASET = "strips"
"""Name of the one data set in the project."""
_JPEG_QUALITY = 95


def write_project(project_dir: Path, images: int, seed: int, workers: int | None) -> dict[str, Any]:
    """Write ``images`` strips of a seed to an empty folder.

    Args:
        workers: threads that draw (OpenCV and NumPy release the interpreter lock); None takes one
            per core.

    Returns:
        ``images``, ``defect_images``, ``defect_share`` (mean share of annotated pixels over the
        defect images) and ``class_images`` (images that show each class).
    """
    _write_json(project_dir / "meta.json", project_meta(CLASS_TITLES))
    dataset_dir = project_dir / DATASET
    for kind in ("img", "ann"):
        (dataset_dir / kind).mkdir(parents=True)
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        strips = list(pool.map(partial(_write_strip, dataset_dir, seed), range(images)))
    shares = [share for titles, share in strips if titles]
    counts = Counter(title for titles, _ in strips for title in titles)
    return {
        "images": images,
        "defect_images": len(shares),
        "defect_share": float(np.mean(shares)),
        "class_images": {title: counts[title] for title in CLASS_TITLES},
    }


def _write_strip(dataset_dir: Path, seed: int, index: int) -> tuple[tuple[str, ...], float]:
    """Draw and write one strip; return its classes and the share of its pixels in a defect."""
    strip = draw_strip(seed, index)
    name = f"strip_{index + 1:04d}.jpg"
    done, encoded = cv2.imencode(".jpg", strip.grey, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise RuntimeError(f"OpenCV could not encode {name}")
    (dataset_dir / "img" / name).write_bytes(encoded.tobytes())
    content = annotation(HEIGHT, WIDTH, strip.outlines.items())
    _write_json(dataset_dir / "ann" / f"{name}.json", content)
    pixels = 0
    for outline in strip.outlines.values():  # outlines never overlap
        pixels += int(np.count_nonzero(outline))
    return tuple(strip.outlines), pixels / strip.grey.size


def _write_json(path: Path, values: dict[str, Any]) -> None:
    text = json.dumps(values, separators=(",", ":")) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")
