"""The page as a whole, in a browser: quiet, closed, readable at any width and without script."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from noisy_run import NoisyRun
from open_page import Watch, find_barriers, unfold
from playwright.sync_api import Page


@pytest.fixture
def path(noisy_run: NoisyRun) -> Path:
    return noisy_run.report_path


def test_everyone_can_use_it(watch: Watch, path: Path) -> None:
    page = watch.open(path)
    unfold(page)
    assert find_barriers(page) == []


def test_colours_have_contrast_in_the_dark(watch: Watch, path: Path) -> None:
    page = watch.open(path, color_scheme="dark")
    unfold(page)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert find_barriers(page, ["color-contrast"]) == []


@pytest.mark.parametrize("width", [400, 1280, 1600])
def test_nothing_sticks_out_to_the_side(watch: Watch, path: Path, width: int) -> None:
    page = watch.open(path, viewport={"width": width, "height": 900})
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_no_foreign_script_runs(watch: Watch, path: Path) -> None:
    page = watch.open(path)
    page.evaluate("""() => {
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.body.append(script);
        document.body.setAttribute("onclick", "window.ran = true");
        document.body.click();
    }""")
    assert page.evaluate("window.ran") is None
    assert len(watch.faults) >= 1
    assert all("Content Security Policy" in fault for fault in watch.faults)
    watch.faults.clear()
    policy = page.get_attribute("meta[http-equiv=Content-Security-Policy]", "content") or ""
    assert "default-src 'none'" in policy
    assert not re.search(r"script-src[^;]*(unsafe|\*|https?:|data:)", policy)


def read_headline(page: Page) -> str:
    return page.locator("header").inner_text()


def test_the_headline_needs_no_script(watch: Watch, path: Path) -> None:
    silent = read_headline(watch.open(path, java_script_enabled=False))
    assert re.search(r"[0-9]\.[0-9]{4}|[0-9]%", silent)
    assert read_headline(watch.open(path)) == silent


def test_print_shows_every_table(watch: Watch, path: Path) -> None:
    page = watch.open(path, viewport={"width": 720, "height": 1000})
    page.emulate_media(media="print")
    tables = page.locator("table:not(.cost *)")
    assert tables.count() > 5
    for index in range(tables.count()):
        assert tables.nth(index).is_visible(), tables.nth(index).inner_text()
    cut = page.evaluate("""[...document.querySelectorAll("table:not(.cost *)")].filter(
        (table) => table.getBoundingClientRect().right > innerWidth).map((t) => t.textContent)""")
    assert cut == []
