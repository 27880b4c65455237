"""The strips of ``steelcli synthesize`` at half their size: a quarter of the pixels to score."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from steelcli.data.raw.supervisely_export import annotation, project_meta
from steelcli.data.synthetic.defects import CLASS_TITLES
from steelcli.data.synthetic.strip import draw_strip

HEIGHT, WIDTH = 128, 800


def write_small_project(project_dir: Path, images: int, seed: int) -> None:
    """Write strips of a seed as a Supervisely project."""
    (project_dir / "strips" / "img").mkdir(parents=True)
    (project_dir / "strips" / "ann").mkdir()
    (project_dir / "meta.json").write_text(json.dumps(project_meta(CLASS_TITLES)), "utf-8")
    for index in range(images):
        strip, name = draw_strip(seed, index), f"strip_{index + 1:04d}.jpg"
        masks = [
            (title, cv2.resize(mask.astype(np.uint8), (WIDTH, HEIGHT)) > 0)
            for title, mask in strip.outlines.items()
        ]
        grey = cv2.resize(strip.grey, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(project_dir / "strips" / "img" / name), grey)
        text = json.dumps(annotation(HEIGHT, WIDTH, masks))
        (project_dir / "strips" / "ann" / f"{name}.json").write_text(text, "utf-8")
