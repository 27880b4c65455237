"""`steelcli synthesize`: rolled-steel strips with defects as a Supervisely project."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from steelcli.common.errors import UserError
from steelcli.common.outputs import staged_dir
from steelcli.data.raw.supervisely import annotation, project_meta
from steelcli.data.synthetic.defects import CLASS_TITLES
from steelcli.data.synthetic.strip import draw_strip
from steelcli.data.synthetic.texture import (
    HEIGHT,
    WIDTH,
)

MIN_IMAGES = 8
"""Fewer strips than this could not be split with each class on every side."""


DATASET = "strips"
"""Name of the one data set in the project."""


_JPEG_QUALITY = 95


def write_synthetic(
    out_dir: Path, images: int, seed: int, workers: int | None = None
) -> dict[str, Any]:
    """Write ``images`` strips of a seed as a Supervisely project to ``out_dir``, whole or not at
    all.

    Args:
        workers: threads that draw (OpenCV and NumPy let go of the interpreter); None takes one per
            core.

    Returns:
        ``images``, ``defect_images``, ``defect_share`` (mean share of annotated pixels over the
        defect images) and ``class_images`` (images that show each class).

    Raises:
        UserError: too few images, a negative seed, or an ``out_dir`` that already holds something.
    """
    if images < MIN_IMAGES:
        raise UserError(
            f"{images} images are too few to split", "--images", f"ask for {MIN_IMAGES} or more"
        )
    if seed < 0:
        raise UserError(f"the seed {seed} is negative", "--seed", "give 0 or more")
    out_dir = out_dir.resolve()
    if out_dir.exists() and (not out_dir.is_dir() or any(out_dir.iterdir())):
        raise UserError(
            "the output folder exists and is not empty", out_dir, "remove it or name another"
        )
    with staged_dir(out_dir) as partial_dir:
        _write_json(partial_dir / "meta.json", project_meta(CLASS_TITLES))
        for kind in ("img", "ann"):
            (partial_dir / DATASET / kind).mkdir(parents=True)
        with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
            strips = list(
                pool.map(partial(_write_strip, partial_dir / DATASET, seed), range(images))
            )
    return _summary(strips)


def _write_strip(dataset_dir: Path, seed: int, index: int) -> tuple[tuple[str, ...], float]:
    """Draw and write one strip; return its classes and the share of its pixels that is
    annotated."""
    strip = draw_strip(seed, index)
    name = f"strip_{index + 1:04d}.jpg"
    done, encoded = cv2.imencode(".jpg", strip.grey, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise RuntimeError(f"OpenCV could not encode {name}")
    (dataset_dir / "img" / name).write_bytes(encoded.tobytes())
    _write_json(
        dataset_dir / "ann" / f"{name}.json", annotation(HEIGHT, WIDTH, strip.outlines.items())
    )
    annotated = sum(
        int(np.count_nonzero(outline)) for outline in strip.outlines.values()
    )  # outlines never overlap
    return tuple(strip.outlines), annotated / strip.grey.size


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(
        json.dumps(values, separators=(",", ":")) + "\n", encoding="utf-8", newline="\n"
    )


def _summary(strips: Sequence[tuple[tuple[str, ...], float]]) -> dict[str, Any]:
    shares = [share for titles, share in strips if titles]
    counts = Counter(title for titles, _ in strips for title in titles)
    return {
        "images": len(strips),
        "defect_images": len(shares),
        "defect_share": float(np.mean(shares)),
        "class_images": {title: counts[title] for title in CLASS_TITLES},
    }
