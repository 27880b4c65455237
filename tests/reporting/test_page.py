"""The page as a whole."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from closure import ROOT
from make_run import DATA, SPLIT, Run
from parsed_page import ParsedPage

from steelcli.reporting.page import Page


def test_order_and_shape_of_the_tables(made: Page) -> None:
    assert [chapter.name for chapter in made.chapters] == [
        "operating",
        "gallery",
        "misses",
        "training",
        "splits",
        "repeat",
    ]
    assert [table.title for table in made.tables] == [
        "Threshold 0.5713, learned on the validation split",
        "Test split at threshold 0.5 and at the learned 0.5713",
        "Shares of test images",
        "Test split as a whole",
        "Share of defects found by false components allowed per image",
        "Probability and truth",
        "Speed, one image at a time",
        "Test images with the lowest Dice",
        "Recall by class at 0.5713",
        "Recall by size at 0.5713",
        "Result of training",
        "Images and pixels by split",
        "Raw data",
        "The run",
    ]
    for table in made.tables:
        assert {len(row) for row in table.rows} == {len(table.columns)}


def test_page_is_well_formed_and_asks_for_nothing(text: str) -> None:
    page = ParsedPage(text)
    assert not {"img", "iframe", "object", "image"} & set(page.tags)
    assert not re.search("<script[^>]* src", text)
    assert "http://" not in text
    assert "https://" not in text
    assert "@import" not in text
    assert all(link.startswith("#") or link == "data:," for link in page.links)
    targets = {link[1:] for link in page.links if link.startswith("#")} | set(
        re.findall(r"url\(#([^)]*)\)", text)
    )
    assert targets <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert text.count('<svg role="img"') == 10
    assert text.count("<style") == 1
    assert not re.search(r"#0000\d\d", text)


def test_page_escapes_what_users_name(text: str) -> None:
    assert "<title>Steel &lt;b&gt;defects&lt;/b&gt; &amp; more</title>" in text
    assert "<i>pit" not in text
    assert "Steel <b>defects</b> & more" in ParsedPage(text).text


def test_page_shows_every_number_and_setting(made: Page, text: str) -> None:
    shown = ParsedPage(text).text
    for table in made.tables:
        assert all(cell in shown for row in table.rows for cell in row)
    assert "train.batch_size" in shown
    assert "versions.torch" in shown


def test_report_needs_no_torch(run: Run) -> None:
    code = """
import json, sys
from pathlib import Path
import steelcli.reporting.table
light = set(sys.modules)
from steelcli.params.section import parse_section
from steelcli.params.report import ReportParams
from steelcli.commands.report import report
raw = {"title": "x", "decimals": 3, "bootstrap_resamples": 100, "bootstrap_seed": 0,
    "cards": 0, "baseline": None, "against": []}
params = parse_section(raw, "report", ReportParams)
steelcli.reporting.table.show_tables(report(params, *map(Path, sys.argv[1:]))[1].tables)
heavy = {"torch", "sklearn", "matplotlib.pyplot"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
assert not {"numpy", "matplotlib", "jinja2"} & light
"""
    paths = [str(path) for path in (run.metrics_dir, run.models_dir, run.report_path)]
    subprocess.run([sys.executable, "-c", code, *paths], check=True, cwd=ROOT)


def test_the_headline_says_how_many_images_a_share_rests_on(text: str) -> None:
    shown = ParsedPage(text).text
    assert "of 591 clean sheets 127 are called defective." in shown
    assert "95 % interval 0.1837 to 0.2498" in shown
    assert "Warning:" not in text


@pytest.mark.usefixtures("no_charts")
def test_small_splits_are_told_once_and_on_the_page(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run.write_metrics("data", DATA | {"test": SPLIT | {"defect_images": 3, "clean_images": 1}})
    page = run.page()
    said = capsys.readouterr().out
    assert said.startswith("warning: few images (test: 3 with a defect, 1 clean): under 20")
    assert said.count("\n") == 1
    assert "few images (test: 3 with a defect, 1 clean)" in page
