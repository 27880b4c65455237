"""Draw the pictures of the pages from the finished run in this folder: `make pictures`.

docs/images/strip.png: a test image with its truth, its prediction and its heat map.
docs/images/*.png: parts of reports/report.html, as headless Chromium shows them; see PARTS.
"""

from __future__ import annotations

import csv
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import sync_playwright

from steelcli.common.errors import UserError
from steelcli.common.paths import (
    METRICS_DIR,
    REPORT_PATH,
    STORE_DIR,
    TEST_IMAGES_NAME,
    TEST_PREDICTIONS_DIR,
)
from steelcli.data.images.decode import read_image_bytes
from steelcli.data.predictions.saved import SavedPredictions
from steelcli.data.store.reader import Store

IMAGES_DIR = Path("docs/images")
WIDTH = 830  # pixels; GitHub shows a page about that wide
PARTS = {
    "report": ("header", 900),
    "report-point": ("#operating-title", 900),
    "report-gallery": ("#gallery-title", 700),
    "report-misses": ("#misses-title", 600),
}  # name of the picture: where it begins, pixels high
SCROLL = "part => document.querySelector(part).closest('section, header').scrollIntoView()"
MAX_BYTES = 150_000  # as tests/project/test_docs.py
GREEN, RED = (60, 220, 80), (255, 80, 60)
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    """Write all pictures, or end with a sentence."""
    try:
        draw_strip(IMAGES_DIR / "strip.png")
        draw_report()
    except UserError as error:
        sys.exit(f"Error: {error}")
    except FileNotFoundError as error:
        sys.exit(f"Error: {error.filename} is missing; run `dvc repro` first.")


def draw_strip(path: Path) -> None:
    """Draw the defect image whose Dice is the median of them."""
    with (METRICS_DIR / TEST_IMAGES_NAME).open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if int(row["defect_pixels"])]
    saved, store = SavedPredictions(TEST_PREDICTIONS_DIR), Store(STORE_DIR)
    ranked = sorted(rows, key=lambda row: (float(row["dice"]), row["image"]))
    name = ranked[len(ranked) // 2]["image"]
    position = [record.image for record in store.records].index(name)
    image = read_image_bytes(store.original(position), store.color, name)
    truth = np.logical_or.reduce(store.class_masks(position), axis=0)
    probability = (saved.load_map(name) / 65535).astype(np.float32)
    save_small(stack_rows(image, truth, saved.load_mask(name), probability), path)


def stack_rows(
    image: NDArray[np.uint8],
    truth: NDArray[np.bool_],
    predicted: NDArray[np.bool_],
    probability: NDArray[np.float32],
) -> NDArray[np.uint8]:
    """Return truth, prediction and heat map below each other, uint8 [3 H' + 12, W', 3] RGB.

    Args:
        image: uint8 [H, W] grey or [H, W, 3] RGB.
        truth, predicted: bool [H, W].
        probability: float32 [H, W], 0..1.
    """
    height, width = image.shape[:2]
    size = (WIDTH, max(1, round(height * WIDTH / width)))
    photo = image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    photo = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    levels = np.rint(probability * 255).astype(np.uint8)
    heat = cv2.applyColorMap(cv2.resize(levels, size), cv2.COLORMAP_INFERNO)
    rows = [
        (outline(photo, truth, GREEN), "truth"),
        (outline(photo, predicted, RED), "prediction"),
        (cv2.cvtColor(heat, cv2.COLOR_BGR2RGB), "probability: black 0, yellow 1"),
    ]
    gap = np.full((6, WIDTH, 3), 255, np.uint8)
    parts = []
    for row, caption in rows:
        font, white = cv2.FONT_HERSHEY_SIMPLEX, (255,) * 3
        (text_width, _), _ = cv2.getTextSize(caption, font, 0.5, 1)
        cv2.rectangle(row, (0, 0), (text_width + 16, 24), (0,) * 3, cv2.FILLED)
        cv2.putText(row, caption, (8, 17), font, 0.5, white, 1, cv2.LINE_AA)
        parts += [row, gap]
    return np.vstack(parts[:-1])


def outline(
    photo: NDArray[np.uint8], mask: NDArray[np.bool_], color: tuple[int, int, int]
) -> NDArray[np.uint8]:
    """Return a copy of a picture, uint8 [H', W', 3], with the edges of a mask, bool [H, W]."""
    size = photo.shape[1::-1]
    small = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    edges, _ = cv2.findContours(small, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(photo.copy(), edges, -1, color, 2)


def draw_report() -> None:
    """Photograph the parts of the report."""
    REPORT_PATH.stat()  # chromium would photograph its own error
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        sys.exit("Error: no chromium on PATH; install it to draw the report.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        page = browser.new_page(viewport={"width": WIDTH, "height": 1000})
        page.goto(REPORT_PATH.resolve().as_uri())
        page.wait_for_selector("body[data-ready]")
        for name, (part, height) in PARTS.items():
            page.evaluate(SCROLL, part)
            page.wait_for_timeout(500)  # what follows the sliders is drawn a frame later
            box = page.locator(part).bounding_box()
            assert box
            top = max(0, box["y"])
            clip = {"x": 0, "y": top, "width": WIDTH, "height": min(height, 1000 - top)}
            shot = np.frombuffer(page.screenshot(clip=clip), np.uint8)
            picture = cv2.cvtColor(cv2.imdecode(shot, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
            save_small(picture, IMAGES_DIR / f"{name}.png")
        browser.close()


def save_small(picture: NDArray[np.uint8], path: Path) -> None:
    """Write a picture, uint8 [H, W, 3] RGB, with a palette; smaller where it is over MAX_BYTES."""
    while True:
        Image.fromarray(picture).quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size <= MAX_BYTES:
            return
        size = [round(0.95 * side) for side in picture.shape[1::-1]]
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


if __name__ == "__main__":
    main()
