"""The report as a web page: what its chapters hold, and the template that shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2

from steelcli.common.small_splits import describe_small_splits
from steelcli.reporting.cards import Card, Example
from steelcli.reporting.charts import Chart, draw_chart
from steelcli.reporting.comparison import Comparison
from steelcli.reporting.csv_tables import build_froc, build_lowest, build_reliability
from steelcli.reporting.metric_tables import (
    build_data,
    build_scores,
    build_settings,
    build_speed,
    build_threshold,
    build_training,
    pick_group,
)
from steelcli.reporting.other_models import build_others
from steelcli.reporting.shares import explain_share
from steelcli.reporting.stage_charts import (
    build_froc_chart,
    build_precision_chart,
    build_reliability_chart,
    build_threshold_charts,
    build_training_charts,
)
from steelcli.reporting.stage_files import Results
from steelcli.reporting.table import Table, format_number

RUN_SETTINGS = (
    "model.architecture",
    "model.encoder_name",
    "model.encoder_weights",
    "run.image_width",
    "run.image_height",
    "train.lr",
    "train.batch_size",
    "train.epochs",
    "train.patience",
    "train.monitor",
    "train.seed",
    "run.precision",
    "run.device",
    "run.code",
    "run.started",
)
"""The settings shown first; the page has all of them folded away."""


@dataclass(frozen=True)
class Chapter:
    """A titled part of the page; ``folded`` is a table that opens on a click."""

    title: str
    tables: list[Table]
    charts: tuple[Chart, ...] = ()
    folded: Table | None = None


@dataclass(frozen=True)
class Page:
    """What the page shows.

    Attributes:
        title: of the page.
        headline: label and value of the numbers to read first.
        warning: a sentence on small splits, or empty.
        chapters: in order.
    """

    title: str
    headline: list[tuple[str, str]]
    warning: str
    chapters: list[Chapter]

    @property
    def tables(self) -> list[Table]:
        """All tables in order, without the folded ones."""
        return [table for chapter in self.chapters for table in chapter.tables]


def build_page(
    results: Results,
    title: str,
    decimals: int,
    cards: Sequence[Card] = (),  # noqa: ARG001
    examples: Sequence[Example] = (),  # noqa: ARG001
    comparisons: Sequence[Comparison] = (),  # noqa: ARG001
) -> Page:
    """Put tables and charts in the order of the stages."""
    chapters = [
        _build_settings_chapter(results.settings),
        Chapter("Data", build_data(results.data, decimals)),
        Chapter(
            "Training",
            [build_training(results.training, decimals)],
            tuple(build_training_charts(results)),
        ),
        Chapter(
            "Threshold",
            [build_threshold(results.threshold, decimals)],
            tuple(build_threshold_charts(results)),
        ),
        _build_test_chapter(results, decimals),
    ]
    if results.others:
        data_key = results.settings["run.store"]
        others = build_others(results.test, results.others, data_key, decimals)
        chapters.append(Chapter("Comparison", others))
    chapters += [
        Chapter(
            "Calibration",
            [build_reliability(results.reliability, decimals)],
            (build_reliability_chart(results.reliability),),
        ),
        Chapter("Images", [build_lowest(results.image_names, results.images, decimals)]),
        Chapter("Speed", [build_speed(results.test, decimals)]),
    ]
    headline = _build_headline(results.test, decimals)
    return Page(title, headline, _describe_splits(results.data), chapters)


def _describe_splits(data: Mapping[str, Any]) -> str:
    """Return the sentence on small splits of ``data.json``."""
    images = {}
    for split in data:
        group = pick_group(data, split)
        defect, clean = group.get("defect_images"), group.get("clean_images")
        if isinstance(defect, int) and isinstance(clean, int):
            images[split] = defect, clean
    return describe_small_splits(images)


def _build_settings_chapter(settings: Mapping[str, str]) -> Chapter:
    run = build_settings("The run", settings, RUN_SETTINGS)
    everything = build_settings("Settings and versions of the training", settings, settings)
    return Chapter("Settings", [run], folded=everything)


def _build_test_chapter(results: Results, decimals: int) -> Chapter:
    prefix = "images_class."
    keys = pick_group(results.data, "test")
    classes = [key.removeprefix(prefix) for key in keys if key.startswith(prefix)]
    tables = [
        *build_scores(results.test, decimals, classes),
        build_froc(results.froc, results.test.get("defects"), decimals),
    ]
    charts = (build_precision_chart(results), build_froc_chart(results.froc))
    return Chapter("Test", tables, charts)


def _build_headline(test: Mapping[str, Any], decimals: int) -> list[tuple[str, str]]:
    optimal = pick_group(test, "optimal")
    values = {
        "Dice": optimal.get("dice"),
        "Dice of defect images": optimal.get("dice_defect"),
        "average precision": test.get("auprc"),
        "defect pixels found": optimal.get("recall"),
    }
    headline = [(label, format_number(value, decimals)) for label, value in values.items()]
    key = "clean_false_alarm"
    label = "clean images with a false alarm"
    label += explain_share(key, test, optimal, decimals)
    return [*headline, (label, format_number(optimal.get(key), decimals))]


def render_page(page: Page) -> str:
    """Return the page as HTML that needs no other file."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("steelcli.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    template = environment.get_template("report.html")
    return template.render(page=page, draw_chart=draw_chart)
