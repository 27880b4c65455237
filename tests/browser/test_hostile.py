"""Names that hold markup, and splits that lack something: every page renders and stays inert."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from make_run import TEST, Run
from noisy_run import CODE, FILE_NAMES, PAGE_TITLE, TITLES, NoisyRun
from open_page import Watch, unfold
from playwright.sync_api import Page
from scored_run import score_run

from steelcli.data.levels import to_levels
from steelcli.scores.parallel import Scored


def check_inert(page: Page) -> None:
    """No name has become an element or an attribute, and none sticks out of the page."""
    assert page.title() == PAGE_TITLE
    assert page.locator("[onerror], [onload], img[src=x]").count() == 0
    for script in page.locator("script").all():
        assert not (script.text_content() or "").startswith(CODE)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def draw(name: str, *, truth: bool, found: bool) -> Scored:
    """Return an image of 64 × 16 with a square defect, or a prediction of one, or both."""
    square = np.zeros((1, 16, 64), bool)
    square[:, 4:10, 20:30] = True
    levels = to_levels(np.where(square[0] & found, 0.9, 0.1).astype(np.float32))
    return Scored(name, levels, square & truth)


SPLITS = {
    "all clean": [draw(name, truth=False, found=place == 1) for place, name in enumerate("abc")],
    "clean and quiet": [draw(name, truth=False, found=False) for name in "abc"],
    "all defective": [draw(name, truth=True, found=place == 1) for place, name in enumerate("abc")],
    "one image": [draw("a", truth=True, found=True)],
}


@pytest.mark.parametrize("name", list(SPLITS))
def test_an_odd_split_has_its_page(watch: Watch, tmp_path: Path, name: str) -> None:
    run = score_run(tmp_path, SPLITS[name], [name])
    run.report()
    page = watch.open(run.report_path)
    unfold(page)
    page.fill("#threshold", "0")
    page.fill("#area", "1")
    assert page.get_attribute("body", "data-ready") is not None
    assert not re.search("NaN|Infinity|undefined", page.locator("body").inner_text())
    assert page.locator("[d*=NaN], [x1*=NaN], [cx*=NaN], [cy*=NaN]").count() == 0


def test_ten_thousand_images(watch: Watch, tmp_path: Path) -> None:
    run = Run(tmp_path)
    rows = []
    for index in range(10_000):
        row = {"image": f"{FILE_NAMES[index % 4]}{index}", "defect_pixels": index % 7, "tp": 0}
        row |= {"fp": index % 3, "fn": index % 7, "iou": 0.0, "dice": 0.0, "detected": 1}
        rows.append(row)
    run.write("test_images.csv", rows)
    defects = [
        {
            "image": row["image"],
            "class": TITLES[place % 4],
            "area_px": 1 + place,
            "found": place % 2,
        }
        for place, row in enumerate(rows)
    ]
    run.write("test_defects.csv", defects)
    run.write_metrics("test", TEST | {"images": 10_000})
    run.report()
    page = watch.open(run.report_path)
    assert run.report_path.stat().st_size < 2_000_000
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("width", [400, 1280])
def test_names_stay_text(watch: Watch, noisy_run: NoisyRun, width: int) -> None:
    page = watch.open(noisy_run.report_path, viewport={"width": width, "height": 900})
    page.locator("[data-miss]").last.click()
    page.locator(".card:visible .open").first.click()
    check_inert(page)
    shown = page.locator("body").text_content() or ""
    assert all(title in shown for title in TITLES)
    assert all(name in shown for name in FILE_NAMES)
