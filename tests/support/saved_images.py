"""Saved maps and masks of the test images, and their truth straight from the raw annotations."""

from __future__ import annotations

import base64
import io
import json
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL.Image
from numpy.typing import NDArray


class Image(NamedTuple):
    """One test image: ``probs`` float32 [H, W], ``masks`` bool [C, H, W]."""

    probs: NDArray[np.float32]
    masks: NDArray[np.bool_]

    @property
    def truth(self) -> NDArray[np.bool_]:
        union: NDArray[np.bool_] = self.masks.any(axis=0)
        return union


def read_image(map_path: Path, project_dir: Path, titles: tuple[str, ...]) -> Image:
    """Read a saved map, 16-bit grey, and the annotation of the image of its name."""
    with PIL.Image.open(map_path) as picture:
        assert picture.mode == "I;16"
        levels = np.asarray(picture)
    (path,) = project_dir.glob(f"*/ann/{map_path.stem}.*.json")
    return Image((levels / np.float32(65535)).astype(np.float32), read_annotation(path, titles))


def read_annotation(path: Path, titles: tuple[str, ...]) -> NDArray[np.bool_]:
    """Return the masks bool [C, H, W] of a Supervisely annotation, which holds bitmaps only."""
    annotation = json.loads(path.read_text(encoding="utf-8"))
    size = annotation["size"]
    masks = np.zeros((len(titles), size["height"], size["width"]), np.bool_)
    for item in annotation["objects"]:
        assert item["geometryType"] == "bitmap"
        png = zlib.decompress(base64.b64decode(item["bitmap"]["data"]))
        with PIL.Image.open(io.BytesIO(png)) as picture:
            box = np.asarray(picture.convert("RGBA"))[:, :, 3] > 0
        x, y = item["bitmap"]["origin"]
        mask = masks[titles.index(item["classTitle"])]
        mask[y : y + box.shape[0], x : x + box.shape[1]] |= box
    return masks


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Read a saved mask, of 1 bit."""
    with PIL.Image.open(path) as picture:
        assert picture.mode == "1"
        return np.asarray(picture)
