"""The sliders: every number they show is Python's."""

from __future__ import annotations

import csv
import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from noisy_run import MIN_AREAS_PX, NoisyRun
from open_page import Watch
from playwright.sync_api import Browser, Locator, Page

from steelcli.data.predictions.saved import SavedPredictions
from steelcli.data.store.reader import open_store
from steelcli.reporting.table import format_number
from steelcli.scores.components import label
from steelcli.scores.counts import OperatingPoint, cut
from steelcli.scores.scorer import SplitScorer

DECIMALS = 4
GROUP_KEYS = (
    "dice",
    "dice_defect",
    "iou",
    "precision",
    "recall",
    "f1",
    "image_recall",
    "clean_false_alarm",
)
"""Those of a group of metrics/test.json that follow the sliders."""
THRESHOLDS = [step / 100 for step in range(1, 100)]


@pytest.fixture(scope="module")
def page(browser: Browser, noisy_run: NoisyRun) -> Iterator[Page]:
    watch = Watch(browser)
    yield watch.open(noisy_run.report_path)
    watch.close()


@pytest.fixture(scope="module")
def scored(noisy_run: NoisyRun) -> Any:
    """metrics/test.json."""
    return read(noisy_run.metrics_dir / "test.json")


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def points(noisy_run: NoisyRun) -> list[dict[str, float]]:
    """Every row of test_points.csv."""
    path = noisy_run.metrics_dir / "test_points.csv"
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {key: float(cell) for key, cell in row.items() if cell} for row in csv.DictReader(file)
        ]


def places(points: list[dict[str, float]], name: str) -> list[float]:
    return sorted({row[name] for row in points})


def move(page: Page, points: list[dict[str, float]], threshold: float, area: float) -> None:
    """Move the sliders to a pair."""
    page.fill("#threshold", str(places(points, "threshold").index(threshold)))
    page.fill("#area", str(places(points, "min_area_px").index(area)))


def shown(page: Page, key: str) -> str:
    return page.locator(f'[data-value="{key}"]').inner_text()


def check_group(page: Page, group: dict[str, float]) -> None:
    for key in GROUP_KEYS:
        assert shown(page, key) == format_number(group.get(key), DECIMALS), key


def test_the_learned_point_is_that_of_the_metrics(
    page: Page, points: list[dict[str, float]], scored: Any
) -> None:
    move(page, points, 0.01, 0)
    assert shown(page, "recall") != format_number(scored["optimal"]["recall"], DECIMALS)
    move(page, points, scored["threshold"], scored["min_area_px"])
    check_group(page, scored["optimal"])
    assert page.get_attribute('[data-go="learned"]', "aria-pressed") == "true"
    threshold = format_number(scored["threshold"], DECIMALS)
    assert page.inner_text("#threshold-value") == threshold
    assert page.inner_text("#area-value") == f"{scored['min_area_px']} px"


def test_one_half_is_that_of_the_metrics(
    page: Page, points: list[dict[str, float]], scored: Any
) -> None:
    move(page, points, 0.5, 0)
    check_group(page, scored["fixed"])
    move(page, points, 0.99, 0)
    page.click('[data-go="fixed"]')
    check_group(page, scored["fixed"])


def read_marker(chart: Locator) -> tuple[float, float | None]:
    """Return where a chart's marker stands, in the units of its axes; no y of a line across."""
    frame = list(map(float, (chart.get_attribute("data-frame") or "").split()))
    left, top, right, bottom, x0, x1, y0, y1 = frame
    kind = chart.locator(".marker > *").evaluate("(mark) => mark.tagName")
    names = ("x1", None) if kind == "line" else ("cx", "cy")
    x, y = (
        float(chart.locator(".marker > *").get_attribute(name) or "") if name else None
        for name in names
    )
    assert x is not None
    along = (x - left) / (right - left)
    is_log = chart.get_attribute("data-scale") == "log"
    place = x0 * (x1 / x0) ** along if is_log else x0 + along * (x1 - x0)
    return place, None if y is None else y0 + (bottom - y) / (bottom - top) * (y1 - y0)


def test_the_charts_are_marked_at_the_point(
    page: Page, points: list[dict[str, float]], scored: Any, noisy_run: NoisyRun
) -> None:
    threshold_json = read(noisy_run.metrics_dir / "threshold.json")
    page.click('[data-go="learned"]')
    x, y = read_marker(page.locator('svg[data-follows="threshold"]').first)
    assert x == pytest.approx(threshold_json["threshold"], abs=1e-3)
    assert y is None
    for name, group in (("learned", "optimal"), ("fixed", "fixed")):
        page.click(f'[data-go="{name}"]')
        x, y = read_marker(page.locator('svg[data-follows="precision"]'))
        assert x == pytest.approx(scored[group]["recall"], abs=1e-3)
        assert y == pytest.approx(scored[group]["precision"], abs=1e-3)
    (row,) = (row for row in points if (row["threshold"], row["min_area_px"]) == (0.5, 0))
    x, y = read_marker(page.locator('svg[data-follows="froc"]'))
    assert x == pytest.approx(row["false_components"] / scored["images"], rel=1e-2)
    assert y == pytest.approx(row["found"] / scored["defects"], abs=1e-3)


def draw_pairs(threshold: float) -> list[OperatingPoint]:
    """Return ten random pairs, the learned threshold among them."""
    pairs = list(itertools.product([*THRESHOLDS, threshold], MIN_AREAS_PX))
    drawn = random.Random(5).sample(pairs, 9)
    return [OperatingPoint(*pair) for pair in [*drawn, (threshold, MIN_AREAS_PX[-1])]]


def test_ten_pairs_are_those_of_the_saved_maps(
    page: Page, points: list[dict[str, float]], scored: Any, noisy_run: NoisyRun
) -> None:
    pairs = draw_pairs(scored["threshold"])
    store, saved = open_store(noisy_run.store_dir), SavedPredictions(noisy_run.test_dir)
    scorer = SplitScorer(["any"], pairs, 0.1)
    false_components = dict.fromkeys(pairs, 0)
    for position in store.positions("test"):
        image = store.records[position].image
        levels, truth = saved.load_map(image), store.class_masks(position).any(axis=0)
        scorer.update(image, levels, truth[None])
        for pair in pairs:
            labels, areas = label(cut(levels, pair))
            hits = np.bincount(labels[truth], minlength=areas.size)
            false_components[pair] += int((hits[1:] < 0.1 * areas[1:]).sum())
    for pair in pairs:
        move(page, points, *pair)
        check_group(page, scorer.group(pair))
        rows = scorer.defect_rows(pair)
        found = sum(int(row["found"]) for row in rows)
        assert shown(page, "found") == format_number(found / len(rows), DECIMALS)
        assert shown(page, "found_count") == f"{found} of {len(rows)}"
        per_image = false_components[pair] / scored["images"]
        assert shown(page, "false_per_image") == format_number(per_image, DECIMALS)


def cost(row: dict[str, float], test: Any, miss: float, alarm: float, rate: float) -> float:
    """Return euro per 1,000 sheets at a row of test_points.csv."""
    defective = test["defect_images"]
    missed = 1 - row["detected"] / defective
    alarms = row["false_alarms"] / (test["images"] - defective)
    return 1000 * (rate * missed * miss + (1 - rate) * alarms * alarm)


@pytest.mark.parametrize(("miss", "alarm", "percent"), [(900, 20, 3), (10, 300, 40)])
def test_costs_are_those_of_the_formula(
    page: Page,
    points: list[dict[str, float]],
    scored: Any,
    miss: float,
    alarm: float,
    percent: float,
) -> None:
    page.fill("#cost-miss", str(miss))
    page.fill("#cost-alarm", str(alarm))
    page.fill("#defect-rate", str(percent))
    move(page, points, 0.3, 64)
    costs = {
        (row["threshold"], row["min_area_px"]): cost(row, scored, miss, alarm, percent / 100)
        for row in points
    }
    learned = (scored["threshold"], scored["min_area_px"])
    best = min(costs.values())
    expected = {"now": costs[0.3, 64], "learned": costs[learned], "fixed": costs[0.5, 0]}
    for name, value in (expected | {"cheapest": best}).items():
        assert page.inner_text(f'[data-cost="{name}"]') == format_number(value, 2), name
    page.click("#go-cheapest")
    chosen = (
        places(points, "threshold")[int(page.input_value("#threshold"))],
        places(points, "min_area_px")[int(page.input_value("#area"))],
    )
    assert costs[chosen] == pytest.approx(best)


def test_the_sliders_move_by_key(page: Page) -> None:
    page.click('[data-go="learned"]')
    for slider in ("#threshold", "#area"):
        page.focus(slider)
        page.keyboard.press("Home")
        assert page.input_value(slider) == "0"
        page.keyboard.press("ArrowRight")
        assert page.input_value(slider) == "1"
    assert page.inner_text("#threshold-value") == "0.0200"
    assert page.get_attribute("#threshold", "aria-valuetext") == "0.0200"
