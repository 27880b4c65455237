"""The report as a web page: what its chapters hold, and the templates that show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from steelcli.common.small_splits import describe_small_splits
from steelcli.reporting.cards import Card, Example
from steelcli.reporting.charts import Chart
from steelcli.reporting.comparison import Comparison, build_comparison
from steelcli.reporting.csv_tables import build_froc, build_lowest, build_reliability
from steelcli.reporting.headline import Headline, build_headline
from steelcli.reporting.metric_tables import (
    build_by_class,
    build_by_size,
    build_data,
    build_groups,
    build_settings,
    build_shares,
    build_speed,
    build_threshold,
    build_training,
    build_whole,
    pick_group,
)
from steelcli.reporting.misses import Cell, count_misses
from steelcli.reporting.operating import NAMES, Points, Shown, arrange_points, show_numbers
from steelcli.reporting.other_models import build_others
from steelcli.reporting.page_data import describe_for_script
from steelcli.reporting.repeat import Term, build_terms, list_commands
from steelcli.reporting.scatter import build_scatter
from steelcli.reporting.stage_charts import (
    build_alarms_chart,
    build_froc_chart,
    build_precision_chart,
    build_reliability_chart,
    build_threshold_chart,
    build_training_charts,
)
from steelcli.reporting.stage_files import Results
from steelcli.reporting.table import Table
from steelcli.reporting.verdict import Judgement, describe_run, judge

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
    """A titled part of the page.

    Attributes:
        name: its id, and the template of what it has beside tables and charts: ``NAME.html``.
        tables: in sight; ``folded`` ones open on a click.
    """

    name: str
    title: str
    tables: Sequence[Table] = ()
    charts: Sequence[Chart] = ()
    folded: Sequence[Table] = ()


@dataclass(frozen=True)
class Page:
    """What the page shows.

    Attributes:
        title: of the page.
        headline: the numbers to read first; ``run`` is the run in one line.
        baseline: the name of what the run is judged against, or empty; ``verdict`` how it fares.
        warning: a sentence on small splits, or empty.
        chapters: in order; the sliders belong to the first two.
        points: the test split at every pair of threshold and area.
        numbers: key, name, and the text at the learned pair and at 0.5.
        cards, examples: pictures of test and training images.
        misses: a row of cells per class.
        settings: all of them.
        commands, terms: how to repeat the run, and what each number means.
        data: what the script reads, as JSON.
    """

    title: str
    headline: list[Headline]
    run: str
    baseline: str
    verdict: list[Judgement]
    warning: str
    chapters: list[Chapter]
    points: Points
    numbers: list[tuple[str, str, Shown, Shown]]
    cards: Sequence[Card]
    misses: list[list[Cell]]
    examples: Sequence[Example]
    settings: Table
    commands: list[str]
    terms: list[Term]
    data: str

    @property
    def tables(self) -> list[Table]:
        """All tables in order, without all the settings."""
        return [table for part in self.chapters for table in (*part.tables, *part.folded)]


def build_page(
    results: Results,
    title: str,
    decimals: int,
    cards: Sequence[Card] = (),
    examples: Sequence[Example] = (),
    comparisons: Sequence[Comparison] = (),
    baseline: Comparison | None = None,
) -> Page:
    """Put numbers, tables, charts and pictures in order.

    Args:
        results: what the stages wrote.
        title: of the page.
        decimals: digits after the point.
        cards: test images for the gallery.
        examples: training images.
        comparisons: of this run (B) with others (A).
        baseline: the one of them that the run is judged by.
    """
    test, settings = results.test, results.settings
    points = arrange_points(results.points, test)
    misses = count_misses(results, decimals)
    learned, fixed = (show_numbers(points, row, decimals) for row in (points.learned, points.fixed))
    return Page(
        title=title,
        headline=build_headline(test, decimals),
        run=describe_run(settings, test, decimals),
        baseline=baseline.a.name if baseline else "",
        verdict=judge(baseline, decimals) if baseline else [],
        warning=_describe_splits(results.data),
        chapters=_build_chapters(results, comparisons, points, decimals),
        points=points,
        numbers=[(key, name, learned[key], fixed[key]) for key, name in NAMES.items()],
        cards=cards,
        misses=misses,
        examples=examples,
        settings=build_settings("Settings and versions of the training", settings, settings),
        commands=list_commands(settings),
        terms=build_terms(),
        data=describe_for_script(points, cards, misses, decimals),
    )


def _describe_splits(data: Mapping[str, Any]) -> str:
    """Return the sentence on small splits of ``data.json``."""
    images = {}
    for split in data:
        group = pick_group(data, split)
        defect, clean = group.get("defect_images"), group.get("clean_images")
        if isinstance(defect, int) and isinstance(clean, int):
            images[split] = defect, clean
    return describe_small_splits(images)


def _build_chapters(
    results: Results, comparisons: Sequence[Comparison], points: Points, decimals: int
) -> list[Chapter]:
    test = results.test
    lowest = build_lowest(results.image_names, results.images, decimals)
    by_class = build_by_class(test, decimals, _list_classes(results.data))
    training = build_training(results.training, decimals)
    chapters = [
        _build_operating(results, points, decimals),
        Chapter("gallery", "Gallery", folded=[lowest]),
        Chapter("misses", "What it misses", folded=[by_class, build_by_size(test, decimals)]),
        Chapter("training", "Training", [training], build_training_charts(results)),
        Chapter("splits", "Data", build_data(results.data, decimals)),
    ]
    if results.others or comparisons:
        chapters.append(_build_against(results, comparisons, decimals))
    run = build_settings("The run", results.settings, RUN_SETTINGS)
    return [*chapters, Chapter("repeat", "How to repeat it", [run])]


def _build_operating(results: Results, points: Points, decimals: int) -> Chapter:
    test = results.test
    charts = [
        build_precision_chart(results),
        build_froc_chart(results.froc, points),
        build_threshold_chart(results),
        build_reliability_chart(results),
        build_alarms_chart(results),
    ]
    folded = [
        build_threshold(results.threshold, decimals),
        build_groups(test, decimals),
        build_shares(test, decimals),
        build_whole(test, decimals),
        build_froc(results.froc, test.get("defects"), decimals),
        build_reliability(results.reliability, decimals),
        build_speed(test, decimals),
    ]
    return Chapter("operating", "Operating point", charts=charts, folded=folded)


def _list_classes(data: Mapping[str, Any]) -> list[str]:
    prefix = "images_class."
    keys = pick_group(data, "test")
    return [key.removeprefix(prefix) for key in keys if key.startswith(prefix)]


def _build_against(results: Results, comparisons: Sequence[Comparison], decimals: int) -> Chapter:
    differences = [build_comparison(comparison, decimals) for comparison in comparisons]
    tables = differences[0] if differences else []
    folded = [table for pair in differences[1:] for table in pair]
    if results.others:
        data_key = results.settings["run.store"]
        folded += build_others(results.test, results.others, data_key, decimals)
    charts = [build_scatter(comparison) for comparison in comparisons]
    return Chapter("against", "Against others", tables, charts, folded)
