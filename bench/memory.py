"""Peak memory of each command by the number of images: it must hardly grow.

Images are small and the network is tiny: what is held of each image is what could grow, and it
does not depend on their size.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from bench.params_file import write_params
from bench.process_tree import Usage, python_env, run
from steelcli.data.raw.kaggle_rle import encode_rle

IMAGES = (200, 1000, 5000)
HEIGHT, WIDTH = 64, 256
"""Of an image, pixels."""
CHANGES = {
    "data.root": "raw",
    "data.image_size": [WIDTH, HEIGHT],
    "model.encoder_name": "tu-test_efficientnet",
    "model.encoder_weights": None,
    "model.decoder_channels": [16, 8, 8, 8, 4],
    "train.epochs": 1,
    "train.restart_epochs": 1,
    "train.warmup_epochs": 0.0,
}
COMMANDS = {
    "prepare": ["prepare"],
    "train": ["train"],
    "tune-threshold": ["tune-threshold"],
    "evaluate": ["evaluate"],
    "report": ["report"],
    "predict": ["predict", "raw/train_images", "--out", "found"],
}

Table = dict[str, dict[int, Usage]]


def measure(folder: Path, images: Sequence[int] = IMAGES) -> Table:
    """Run each command once for each number of images, every time in a fresh process.

    Args:
        folder: an empty one; takes a project for each number of images, 40 kB an image.

    Returns:
        What each command took, by the number of images. About five minutes on two cores.
    """
    table: Table = {name: {} for name in COMMANDS}
    for count in images:
        project_dir = folder / str(count)
        draw_images(project_dir / "raw", count)
        write_params(project_dir / "params.yaml", CHANGES)
        for name, words in COMMANDS.items():
            command = [sys.executable, "-m", "steelcli", *words]
            usage = run(command, project_dir, python_env(), project_dir / "log")
            table[name][count] = usage
    return table


def draw_images(root: Path, count: int) -> None:
    """Write ``count`` grey images with noise and, on every second one, a bright ellipse.

    They lie as Kaggle's do: ``train.csv`` and ``train_images/``.
    """
    (root / "train_images").mkdir(parents=True)
    rng = np.random.default_rng(count)
    with (root / "train.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["ImageId", "ClassId", "EncodedPixels"])
        for index in range(count):
            grey = rng.integers(60, 120, (HEIGHT, WIDTH), np.uint8)
            if index % 2:
                at = int(rng.integers(30, WIDTH - 30)), int(rng.integers(20, HEIGHT - 20))
                mask = cv2.ellipse(np.zeros_like(grey), at, (24, 12), 0, 0, 360, 1, -1)
                grey += 100 * mask
                rows.writerow([f"{index:06d}.jpg", index // 2 % 4 + 1, encode_rle(mask > 0)])
            cv2.imwrite(str(root / "train_images" / f"{index:06d}.jpg"), grey)


def growth(by_images: dict[int, Usage]) -> float:
    """Return the peak at the most images by that at the number before; 1.0: it does not grow."""
    before, last = sorted(by_images)[-2:]
    return by_images[last].rss_mib / by_images[before].rss_mib
