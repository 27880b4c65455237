"""The screen that `steelcli report` shows first, and its JSON."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from make_run import TEST, Run, images

from steelcli.reporting.screen import DIGITS, draw_sparkline, format_json, show_screen
from steelcli.reporting.stage_files import Results, read_results

LONG = "coil_20260711/line_3/strip_of_a_camera_top_left_exposure_140us_{:04d}_of_this_day.jpg"


@pytest.fixture
def results(run: Run) -> Results:
    return read_results(run.metrics_dir, run.models_dir)


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("name", ["{:04d}.jpg", LONG], ids=["short", "long"])
def test_one_screen_has_all_to_read_first(
    results: Results, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [name.format(number) for number in range(len(results.image_names))]
    show_screen(replace(results, image_names=names), "Steel", 4)
    out = capsys.readouterr().out
    lines = out.splitlines()
    # two lines are left: for where the page is, and for the prompt
    assert sum(1 + max(len(line) - 1, 0) // 80 for line in lines) <= 38
    assert max(len(line) for line in lines if line not in names) <= 80
    assert lines[0] == "Steel"
    assert "1,257 test images, 666 with a defect; unetplusplus resnet34, epoch 19 of 24" in lines
    assert "        of 591 clean sheets 127 are called defective" in lines
    rows = [line.rsplit(maxsplit=2) for line in lines]
    assert ["threshold", "0.5713", "0.5000"] in [[part.strip() for part in row] for row in rows]
    assert "Dice of defect images            0.6145   0.6044" in lines
    worst = sorted(enumerate(images()), key=lambda pair: pair[1]["dice"])[0][0]
    assert any(line.startswith(names[worst]) for line in lines)


def test_the_sparkline_follows_the_monitor(
    results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = results.settings | {"train.monitor": "f1"}
    show_screen(replace(results, settings=settings), "Steel", 4)
    *_, label, line = capsys.readouterr().out.splitlines()
    assert label.startswith("Validation, F1 of all pixels by epoch: 0.1450 to 0.79")
    assert len(line) == 24
    assert (line[0], line[-1]) == ("0", "9")


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([0.5], "0"),
        ([0.3, 0.3], "00"),
        ([0.0, math.nan, 1.0], "0 9"),
        ([math.nan], " "),
        ([0.0, 0.25, 0.5, 1.0], "0249"),
        ([*[0.0] * 10, *[1.0] * 10], "0000099999"),
    ],
)
def test_a_sparkline_spans_its_values(values: list[float], line: str) -> None:
    assert draw_sparkline(values, DIGITS, 10) == line


def test_json_holds_the_headline_and_every_number(results: Results) -> None:
    read = json.loads(format_json(results, 4))
    headline = read.pop("headline")
    assert read == TEST
    assert headline["clean_false_alarm"] == {
        "label": "clean sheets called defective",
        "value": 0.2154,
        "sentence": "of 591 clean sheets 127 are called defective",
    }
    assert headline["found"]["value"] == 692 / 1001
