"""The gallery: filters, layers, live masks, and one image at full width, by mouse and by key."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import PIL.Image
import pytest
from noisy_run import NoisyRun
from numpy.typing import NDArray
from open_page import Watch, find_barriers
from playwright.sync_api import Browser, Page, expect

from steelcli.scores.components import label

FILL = """(card, width, height) => {
    const outline = card.querySelector("path.predicted").getAttribute("d");
    const context = new OffscreenCanvas(width, height).getContext("2d");
    context.fill(new Path2D(outline), "evenodd");
    const { data } = context.getImageData(0, 0, width, height);
    return data.filter((_, i) => i % 4 === 3).map((alpha) => (alpha > 127 ? 1 : 0)).join("");
}"""
"""Fills the outline of a card as the page does; returns its pixels as digits 0 and 1."""


@pytest.fixture(scope="module")
def opened(browser: Browser, noisy_run: NoisyRun) -> Iterator[Page]:
    watch = Watch(browser)
    page = watch.open(noisy_run.report_path)
    page.locator("#gallery").scroll_into_view_if_needed()
    yield page
    watch.close()


@pytest.fixture(scope="module")
def data(opened: Page) -> Any:
    """What the page's script reads."""
    return json.loads(opened.locator("#data").text_content() or "")


@pytest.fixture
def page(opened: Page) -> Iterator[Page]:
    """The page as it was when it opened."""
    yield opened
    opened.keyboard.press("Escape")
    opened.select_option("#sort", "chosen")
    if opened.is_visible("#clear-filter"):
        opened.click("#clear-filter")
    opened.click('[data-go="learned"]')


def names(page: Page) -> list[str]:
    """Return the images of the cards in sight, in their order."""
    cards = page.locator(".card:visible").all()
    return [card.get_attribute("data-image") or "" for card in cards]


def images(cards: list[dict[str, Any]]) -> list[str]:
    return [card["image"] for card in cards]


def test_each_kind_has_its_cards(page: Page, data: Any) -> None:
    cards = data["cards"]
    chips = page.locator("[data-kind]").all()
    kinds = [chip.get_attribute("data-kind") for chip in chips]
    assert {"", "worst", "best", "missed", "false alarm"} <= set(kinds)
    for chip, kind in zip(chips, kinds, strict=True):
        chip.click()
        wanted = [card for card in cards if not kind or kind in card["kinds"]]
        assert names(page) == images(wanted)
        assert wanted
        expect(page.locator("#shown")).to_have_text(f"{len(wanted)} of {len(cards)} cards")
        assert chip.get_attribute("aria-pressed") == "true"


def test_class_and_size_leave_out_the_rest(page: Page, data: Any) -> None:
    cards = data["cards"]
    title = next(card["classes"][0] for card in cards if card["classes"])
    size = next(card["sizes"][0] for card in cards if title in card["classes"])
    page.select_option("#class-filter", title)
    wanted = [card for card in cards if title in card["classes"]]
    assert names(page) == images(wanted)
    assert 0 < len(wanted) < len(cards)
    page.select_option("#size-filter", size)
    assert names(page) == images([card for card in wanted if size in card["sizes"]])
    page.click("#clear-filter")
    assert names(page) == images(cards)


def test_cards_are_sorted(page: Page, data: Any) -> None:
    dice = {card["image"]: card["dice"] for card in data["cards"]}
    page.select_option("#sort", "lowest")
    lowest = [dice[name] for name in names(page)]
    assert lowest == sorted(dice.values())
    assert len(set(lowest)) > 2
    page.select_option("#sort", "highest")
    assert [dice[name] for name in names(page)] == lowest[::-1]


def find_partial(data: Any) -> int:
    """Return the place of a card with truth and prediction."""
    return next(place for place, card in enumerate(data["cards"]) if 0 < card["dice"] < 1)


@pytest.mark.parametrize(
    ("layer", "selector"),
    [("image", ".image"), ("truth", "path.truth"), ("predicted", "path.predicted")],
)
def test_layers_go_and_come(page: Page, data: Any, layer: str, selector: str) -> None:
    part = page.locator(".card").nth(find_partial(data)).locator(selector)
    box = page.locator(f'#layers [data-layer="{layer}"]')
    expect(part).to_be_visible()
    box.uncheck()
    expect(part).to_be_hidden()
    box.check()
    expect(part).to_be_visible()


def test_the_heat_map_is_drawn_when_asked_for(page: Page, data: Any) -> None:
    heat = page.locator(".card").nth(find_partial(data)).locator("canvas")
    box = page.locator('#layers [data-layer="heat"]')
    box.check()
    expect(heat).to_be_visible()
    colours = heat.evaluate("""(canvas) => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return new Set(data).size;
    }""")
    assert colours > 10
    box.uncheck()
    expect(heat).to_be_hidden()


def read_map(uri: str) -> NDArray[np.uint8]:
    """Return the map of a card, 8-bit grey, uint8 [H, W]."""
    head, _, body = uri.partition(",")
    assert head == "data:image/png;base64"
    with PIL.Image.open(io.BytesIO(base64.b64decode(body))) as picture:
        assert picture.mode == "L"
        return np.asarray(picture)


def cut_map(grey: NDArray[np.uint8], threshold: float, min_area: float) -> NDArray[np.bool_]:
    """Return where a map reaches the threshold, without components under an area of the map."""
    mask = grey / 255 >= threshold
    labels, areas = label(mask)
    kept: NDArray[np.bool_] = mask & (areas >= min_area)[labels]
    return kept


@pytest.mark.parametrize(("threshold", "area"), [(0.2, 0), (0.41, 64), (0.75, 256)])
def test_the_live_mask_is_numpys(page: Page, data: Any, threshold: float, area: int) -> None:
    points = data["points"]
    page.fill("#threshold", str(points["thresholds"].index(threshold)))
    page.fill("#area", str(points["areas"].index(area)))
    expect(page.locator("#approximate")).to_be_visible()
    seen = 0
    for place, details in list(enumerate(data["cards"]))[:4]:
        card = page.locator(".card").nth(place)
        card.scroll_into_view_if_needed()
        grey = read_map(details["probability"])
        expected = cut_map(grey, threshold, area * details["scale"] ** 2)
        height, width = grey.shape
        digits = "".join(map(str, expected.astype(int).flat))
        for _ in range(50):
            filled = card.evaluate(f"card => ({FILL})(card, {width}, {height})")
            if filled == digits:
                break
            page.wait_for_timeout(50)
        assert filled == digits
        seen += int(expected.sum())
    assert seen > 0


def test_the_learned_outlines_come_back(page: Page) -> None:
    outlines = "[...document.querySelectorAll('.card .predicted')].map((p) => p.getAttribute('d'))"
    page.click('[data-go="learned"]')
    before = page.evaluate(outlines)
    page.fill("#threshold", "10")
    changed = f"before => JSON.stringify({outlines}) !== JSON.stringify(before)"
    page.wait_for_function(changed, arg=before)
    page.click('[data-go="learned"]')
    assert page.evaluate(outlines) == before


def test_one_image_at_full_width_by_key(page: Page, data: Any) -> None:
    dialog = page.locator("#open-card")
    title = page.locator("#open-figure strong")
    shown = images(data["cards"])
    page.locator(".card .open").first.focus()
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    expect(title).to_have_text(shown[0])
    expect(page.locator("#open-place")).to_have_text(f"1 of {len(shown)}")
    picture = page.locator("#open-figure .picture").bounding_box()
    assert picture
    assert picture["width"] > 1100
    page.keyboard.press("ArrowRight")
    expect(title).to_have_text(shown[1])
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(title).to_have_text(shown[-1])
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert find_barriers(page, part="#open-card") == []
    focused = "document.activeElement.closest('dialog') !== null"
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate(focused) or page.evaluate("document.activeElement === document.body")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    card = page.evaluate("document.activeElement.closest('.card')?.dataset.image")
    assert card == shown[-1]


def test_misses_list_their_images(page: Page, noisy_run: NoisyRun) -> None:
    path = noisy_run.metrics_dir / "test_defects.csv"
    with path.open(newline="", encoding="utf-8") as file:
        missed = {row["image"] for row in csv.DictReader(file) if row["found"] == "0"}
    button = page.locator("[data-miss]").last
    button.click()
    assert set(page.locator("#missed-names li").all_inner_texts()) == missed
    assert set(names(page)) <= missed
    assert names(page)
    button.click()
    expect(page.locator("#missed-names")).to_be_hidden()
