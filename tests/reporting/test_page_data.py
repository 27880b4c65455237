"""What the script reads, and its arithmetic against Python's."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from closure import ROOT
from make_cards import HOSTILE, card
from random_maps import draw_map

from steelcli.reporting.charts import Chart, Line, draw_chart
from steelcli.reporting.misses import Cell
from steelcli.reporting.operating import (
    Points,
    arrange_points,
    compute_numbers,
    show_numbers,
)
from steelcli.reporting.page_data import describe_for_script, describe_points
from steelcli.reporting.stage_files import Columns
from steelcli.reporting.table import format_number
from steelcli.scores.columns import POINT_COLUMNS
from steelcli.scores.components import remove_small
from steelcli.scores.counts import OperatingPoint
from steelcli.scores.matching import Defects
from steelcli.scores.points import PointCounter


@pytest.fixture(scope="module")
def points() -> Points:
    """The counts of a few random maps, one clean and one with an empty map among them."""
    point = OperatingPoint(0.3337, 9)
    counter = PointCounter(point, [0, 4, 30], 0.1)
    for seed in range(8):
        levels, truth = draw_map(seed, 24, 40, 2.0, "soft")
        defects = Defects.of(truth & (seed not in (3, 4)))
        counter.add(levels * np.uint16(seed > 0), defects)
    rows = counter.rows()
    columns: Columns = {
        name: [float(row.get(name, "nan")) for row in rows] for name in POINT_COLUMNS
    }
    counts = {"images": 8, "defect_images": rows[0]["detected"], "defects": counter.defects}
    return arrange_points(columns, {"threshold": 0.3337, "min_area_px": 9, **counts})


def describe_rows(points: Points) -> list[dict[str, Any]]:
    rows = []
    for row in range(len(points.columns["tp"])):
        shown = show_numbers(points, row, 4)
        counts = {key: shown[key].counted for key in ("image_recall", "clean_false_alarm", "found")}
        rows.append({"numbers": compute_numbers(points, row), "counts": counts})
    return rows


def describe_costs(points: Points) -> list[dict[str, Any]]:
    described = []
    for miss, alarm, rate in ((500, 50, 0.05), (1, 3, 0.5), (0, 0, 0)):
        each = []
        for row in range(len(points.columns["tp"])):
            numbers = compute_numbers(points, row)
            caught, alarms = numbers["image_recall"], numbers["clean_false_alarm"]
            assert caught is not None
            assert alarms is not None
            missed = rate * (1 - caught) * miss
            each.append(1000 * (missed + (1 - rate) * alarms * alarm))
        costs = {"miss": miss, "alarm": alarm, "rate": rate}
        described.append({"costs": costs, "each": each})
    return described


def describe_texts() -> list[tuple[float, int, str]]:
    rng = random.Random(5)
    values = [0.0, 0.5, 0.125, 0.375, 2.5, 0.0625, 12.125, 10.0, 9.99996, 1234567.125, -0.375]
    values += [0.00004, 0.00005, 0.000049999, -1e-7, 5e-324, 1 / 3, 0.99995, 0.15, 1e15 + 0.5]
    values += [rng.random() * 10 ** rng.randint(-9, 9) for _ in range(200)]
    values += [rng.randint(-999, 999) / 2 ** rng.randint(0, 9) for _ in range(200)]
    pairs = [(value, decimals) for value in values for decimals in (1, 2, 4, 8)]
    return [(value, decimals, format_number(value, decimals)) for value, decimals in pairs]


def describe_cuts() -> list[dict[str, Any]]:
    cuts = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        height, width = (int(side) for side in rng.integers(1, 24, 2))
        levels, _ = draw_map(seed, height, width, 0.6, ("soft", "hard", "plateaus")[seed % 3])
        grey = np.rint(levels / 257).astype(np.uint8)
        threshold = float(rng.choice([0.01, 0.2, 0.5, 51 / 255, 0.97]))
        area = float(rng.choice([0, 1, 2, 2.5, 3, 4, 6.25]))
        mask = remove_small(grey / 255 >= threshold, int(np.ceil(area)))
        cut = {"map": grey.ravel().tolist(), "width": width, "height": height}
        cut |= {"threshold": threshold, "minArea": area}
        cuts.append(cut | {"mask": mask.astype(int).ravel().tolist()})
    return cuts


def describe_charts() -> list[dict[str, Any]]:
    """Return where single points were drawn, on both kinds of axes."""
    curve = Line("curve", [0.125, 0.25, 1, 8], [0.1, 0.4, 0.7, 1], 1)
    charts = []
    for x, y, kind in ((0.3, 0.8, "share"), (0.7, 0.25, "doubling"), (3.0, 0.9, "doubling")):
        lines = (curve, Line("point", [x], [y], 2, "s"))
        scale: Any = kind
        svg = str(draw_chart(Chart("T", "", "x", "y", lines, x_scale=scale, follows="froc")))
        frame = re.search('data-frame="([^"]*)" data-scale="([^"]*)"', svg)
        point = r'<g[^>]* stroke="var\(--line-2\)"[^>]*>\n<use href="#\w+" x="([^"]*)" y="([^"]*)"'
        spot = re.search(point, svg)
        assert frame
        assert spot
        chart = {"frame": [float(number) for number in frame[1].split()]}
        chart |= {"isLog": frame[2] == "log", "x": x, "y": y}
        charts.append(chart | {"drawn": [float(spot[1]), float(spot[2])]})
    return charts


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_the_arithmetic_of_the_script_is_that_of_python(points: Points, tmp_path: Path) -> None:
    fixture = {
        "texts": describe_texts(),
        "counts": [[count, f"{count:,}"] for count in (0, 12, 999, 1000, 123456, 1234567890)],
        "points": describe_points(points),
        "rows": describe_rows(points),
        "learned": points.learned,
        "fixed": points.fixed,
        "costs": describe_costs(points),
        "cuts": describe_cuts(),
        "charts": describe_charts(),
    }
    path = tmp_path / "fixture.json"
    path.write_text(json.dumps(fixture), encoding="utf-8")
    tests = sorted(map(str, (ROOT / "tests/web").glob("*.test.mjs")))
    environment = os.environ | {"STEELCLI_FIXTURE": str(path)}
    done = subprocess.run(
        ["node", "--test", *tests], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout


def test_the_data_holds_no_markup_and_names_the_cards_of_a_cell(points: Points) -> None:
    cards = [card(image="a.jpg"), card(image=HOSTILE), card(probability=None)]
    cell = Cell("scratch", "small", 1, 3, "0.3333", (HOSTILE, "not among the cards", "a.jpg"))
    text = describe_for_script(points, cards, [[cell]], 4)
    assert "<" not in text
    data = json.loads(text)
    assert data["cards"][1]["image"] == HOSTILE
    assert data["cards"][2]["probability"] is None
    assert data["misses"] == [[1, 0]]
    assert len(data["points"]["columns"]["tp"]) == 100 * 4


def test_what_has_nothing_to_divide_by_is_null() -> None:
    columns: Columns = {name: [0.0] for name in POINT_COLUMNS} | {"dice": [float("nan")]}
    columns["threshold"] = [0.5]
    described = describe_points(arrange_points(columns, {"threshold": 0.5}))
    assert described["columns"]["dice"] == [None]
    assert described["columns"]["iou"] == [0.0]
