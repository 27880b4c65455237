"""Peak memory of each command by the number of images: it must hardly grow.

Images are small and the network is tiny: what is held of each image is what could grow, and it
does not depend on their size.
"""

from __future__ import annotations

import csv
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from bench.data import PARAMS_FILES, ROOT
from bench.figure import Figure
from bench.process_tree import Usage, python_env, run
from bench.timing import Spread
from steelcli.commands.plan_file import set_values
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


def measure(work_dir: Path) -> list[Figure]:
    """Return what each command's peak at the most images is by that at a fifth of them.

    A single run each, in a fresh process.
    """
    table = run_commands(work_dir, IMAGES)
    *_, before, last = IMAGES
    figures = []
    for name, by_images in table.items():
        value = by_images[last].rss_mib / by_images[before].rss_mib
        absolute = {f"MiB at {count:,}": by_images[count].rss_mib for count in IMAGES}
        figures.append(
            Figure(
                f"peak memory of {name}, {last:,} ÷ {before:,} images",
                Spread(value, value, value),
                target=1.05,
                sense="at most",
                absolute=absolute,
                note="resident memory of all its processes, one run each",
            )
        )
    return figures


def run_commands(
    folder: Path, images: Sequence[int], code_dir: Path = ROOT
) -> dict[str, dict[int, Usage]]:
    """Run each command once for each number of images, every time in a fresh process.

    Args:
        folder: an empty one; takes a project for each number of images, about 50 kB an image.
        code_dir: holds the code to run.

    Returns:
        What each command took, by the number of images.
    """
    table: dict[str, dict[int, Usage]] = {name: {} for name in COMMANDS}
    env = python_env(code_dir)
    for count in images:
        project_dir = folder / str(count)
        draw_images(project_dir / "raw", count)
        shutil.copy(PARAMS_FILES["default"], project_dir / "params.yaml")
        set_values(project_dir / "params.yaml", CHANGES)
        for name, words in COMMANDS.items():
            command = [sys.executable, "-m", "steelcli", *words]
            table[name][count] = run(command, project_dir, env, project_dir / "log")
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
