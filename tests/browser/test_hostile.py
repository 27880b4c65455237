"""Names that hold markup, and splits that lack something: every page renders and stays inert."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from make_run import TEST, Run
from noisy_run import NoisyRun
from open_page import Watch
from playwright.sync_api import Page
from scored_run import score_run

from steelcli.data.levels import to_levels
from steelcli.scores.parallel import Scored

RUN = 'document.title="ran"'
NAMES = (
    f"</script><script>{RUN}</script>",
    f"\"'><img src=x onerror={RUN}><svg onload={RUN}>",
    "عيب على السطح \"'`${7*7}{{7*7}}%s\\u003c&lt;",
    "long" * 50,
    "<b>nothing</b>",
)
"""Of classes, the last of which has no pixel; a file name has no slash, and at most 200 bytes."""
FILE_NAMES = [name.replace("/", "_")[:180] for name in NAMES]
TITLE = f"</title><!--<script>{RUN}</script> \u202e]]> {'wide' * 50}"


def check_inert(page: Page) -> None:
    """No name has become an element or an attribute, and none sticks out of the page."""
    assert page.title() == TITLE
    assert page.locator("[onerror], [onload], img[src=x]").count() == 0
    for script in page.locator("script").all():
        assert not (script.text_content() or "").startswith(RUN)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.fixture(scope="module")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> NoisyRun:
    """A run on images and classes of hostile names; the last class has no pixel."""
    run = NoisyRun(tmp_path_factory.mktemp("hostile"))
    run.synthesize(16)
    (meta_path,) = run.project_dir.glob("meta.json")
    meta = json.loads(meta_path.read_text(encoding="utf-8"))
    titles = [entry["title"] for entry in meta["classes"]]
    *names, empty = NAMES
    for entry, name in zip(meta["classes"], names, strict=True):
        entry["title"] = name
    meta["classes"].append(meta["classes"][0] | {"id": 99, "title": empty})
    meta_path.write_text(json.dumps(meta), encoding="utf-8")
    for index, path in enumerate(sorted(run.project_dir.glob("*/ann/*.json"))):
        text = path.read_text(encoding="utf-8")
        for title, name in zip(titles, names, strict=True):
            text = text.replace(json.dumps(title), json.dumps(name))
        image_path = path.parent.with_name("img") / path.stem
        file_name = f"{FILE_NAMES[index % len(NAMES)]}{index}.jpg"
        image_path.rename(image_path.with_name(file_name))
        path.unlink()
        path.with_name(f"{file_name}.json").write_text(text, encoding="utf-8")
    run.run()
    run.report(title=TITLE)
    return run


@pytest.mark.parametrize("width", [400, 1280])
def test_names_stay_text(watch: Watch, hostile_run: NoisyRun, width: int) -> None:
    page = watch.open(hostile_run.report_path, viewport={"width": width, "height": 900})
    check_inert(page)
    shown = page.locator("body").text_content() or ""
    assert all(name in shown for name in NAMES)
    assert sum(name in shown for name in FILE_NAMES) > 1


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
    assert "NaN" not in (page.locator("body").text_content() or "")


def test_ten_thousand_images(watch: Watch, tmp_path: Path) -> None:
    run = Run(tmp_path)
    rows = []
    for index in range(10_000):
        row = {"image": f"{FILE_NAMES[index % 4]}{index}", "defect_pixels": index % 7, "tp": 0}
        row |= {"fp": index % 3, "fn": index % 7, "iou": 0.0, "dice": 0.0, "detected": 1}
        rows.append(row)
    run.write("test_images.csv", rows)
    defects = [
        {"image": row["image"], "class": NAMES[place % 4], "area_px": 1 + place, "found": place % 2}
        for place, row in enumerate(rows)
    ]
    run.write("test_defects.csv", defects)
    run.write_metrics("test", TEST | {"images": 10_000})
    run.report()
    page = watch.open(run.report_path)
    assert run.report_path.stat().st_size < 2_000_000
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
