"""Draw a data set with the size, the form and the share of classes of Severstal's.

The steel is synthetic (`steelcli.data.synthetic`). The counts are those of Kaggle's
``train.csv`` of the competition severstal-steel-defect-detection: 12,568 images of 1600×256
pixels, 5,902 of them clean.
"""

from __future__ import annotations

import csv
from collections import Counter
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from steelcli.common.cores import over_cores
from steelcli.data.images.decode import use_one_thread
from steelcli.data.raw.kaggle_rle import encode_rle
from steelcli.data.synthetic.defects import CLASS_TITLES, paint_defect
from steelcli.data.synthetic.texture import (
    HEIGHT,
    WIDTH,
    add_harmless_marks,
    build_steel,
    expose,
    pick_sheet,
)

ClassIds = tuple[int, ...]

CLASS_SETS: dict[ClassIds, int] = {
    (): 5902,
    (1,): 769,
    (1, 2): 35,
    (1, 2, 3): 2,
    (1, 3): 91,
    (2,): 195,
    (2, 3): 14,
    (2, 4): 1,
    (3,): 4759,
    (3, 4): 284,
    (4,): 516,
}
"""Images by the set of their classes, as counted in Kaggle's ``train.csv``."""
IMAGES = sum(CLASS_SETS.values())
_JPEG_QUALITY = 95


def choose_classes(images: int, seed: int) -> list[ClassIds]:
    """Return the classes of each image, in an order drawn from the seed.

    Their shares are those of CLASS_SETS, to the image; what rounding leaves goes to the sets that
    lost most by it.
    """
    exact = {classes: images * count / IMAGES for classes, count in CLASS_SETS.items()}
    counts = Counter({classes: int(share) for classes, share in exact.items()})
    by_loss = sorted(exact, key=lambda classes: counts[classes] - exact[classes])
    counts.update(by_loss[: images - counts.total()])
    listed = [classes for classes in CLASS_SETS for _ in range(counts[classes])]
    order = np.random.default_rng(seed).permutation(images)
    return [listed[place] for place in order]


def draw_image(
    seed: int, index: int, class_ids: ClassIds
) -> tuple[NDArray[np.uint8], dict[int, NDArray[np.bool_]]]:
    """Draw an image, grey uint8 [256, 1600], and the mask of each class, bool [256, 1600]."""
    rng = np.random.default_rng([seed, index])
    sheet = pick_sheet(rng)
    steel = add_harmless_marks(rng, build_steel(rng))
    taken = np.zeros((HEIGHT, WIDTH), np.bool_)
    masks = {}
    for class_id in class_ids:
        damage = paint_defect(rng, CLASS_TITLES[class_id - 1], sheet, taken)
        steel *= np.exp(damage.log_gain)
        masks[class_id] = damage.outline
        taken |= damage.outline
    return expose(rng, steel, sheet), masks


def draw_severstal(root: Path, images: int, seed: int = 42) -> None:
    """Write ``train.csv`` and ``train_images/`` in a folder, drawn on all cores.

    The bytes depend on ``images`` and ``seed`` alone.
    """
    folder = root / "train_images"
    folder.mkdir(parents=True)
    items = list(enumerate(choose_classes(images, seed)))
    with (root / "train.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["ImageId", "ClassId", "EncodedPixels"])
        write = partial(_write_image, folder, seed)
        for found in over_cores(write, items, "drawing", use_one_thread):
            rows.writerows(found)


def _write_image(folder: Path, seed: int, item: tuple[int, ClassIds]) -> list[tuple[str, int, str]]:
    """Write an image; return its rows of the csv."""
    index, class_ids = item
    grey, masks = draw_image(seed, index, class_ids)
    name = f"{index:06x}.jpg"
    done, encoded = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise RuntimeError(f"OpenCV could not encode {name}")
    (folder / name).write_bytes(encoded.tobytes())
    return [(name, class_id, encode_rle(mask)) for class_id, mask in masks.items()]
