"""The charts of the page."""

from __future__ import annotations

from dataclasses import replace

import matplotlib
import pytest
from make_run import Run, epochs

from steelcli.common.outputs import write_csv
from steelcli.reporting.stage_charts import (
    build_alarms_chart,
    build_threshold_chart,
    build_training_charts,
)
from steelcli.reporting.stage_files import read_results


def test_page_is_the_same_for_the_same_numbers(
    run: Run, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(matplotlib.rcParams, "axes.labelsize", 20)
    assert run.page() == text


@pytest.mark.parametrize("lengths", [1, 200])
def test_any_number_of_epochs_draws(run: Run, lengths: int) -> None:
    rows = [epochs()[0] | {"epoch": epoch} for epoch in range(1, lengths + 1)]
    write_csv(run.models_dir / "metrics_seed42.csv", rows, list(rows[0]))
    assert run.page().count('<svg role="img"') == 10


def test_pairs_on_the_front_are_a_chart_and_no_spike_in_the_other(run: Run) -> None:
    rows = [
        {"threshold": 0.25, "dice": 0.5, "clean_false_alarm": 0.75, "front": 0},
        {"threshold": 0.5, "dice": 0.8, "clean_false_alarm": 0.5, "front": 1},
        {"threshold": 0.5, "dice": 0.6, "clean_false_alarm": 0.0, "front": 1},
    ]
    for row in rows:
        row |= {"min_area_px": 0, "dice_defect": 0.1, "f1": 0.1, "iou": 0.1}
    run.write("threshold_curve.csv", rows)
    results = read_results(run.metrics_dir, run.models_dir)
    by_threshold, by_alarms = build_threshold_chart(results), build_alarms_chart(results)
    assert by_threshold.lines[0][1:3] == ([0.25, 0.5], [0.5, 0.8])
    assert by_alarms.lines[0][1:3] == ([0.5, 0.0], [0.8, 0.6])
    assert by_alarms.mark == ("learned", 0.1875)


def test_a_curve_of_endless_points_is_thinned(run: Run) -> None:
    """Tens of MB of csv became as large a page."""
    columns = ("threshold", "precision", "recall")
    rows = [dict.fromkeys(columns, (step % 997) / 997) for step in range(60_000)]
    write_csv(run.metrics_dir / "pr_curve.csv", rows, columns)
    assert len(run.page()) < 500_000


@pytest.mark.parametrize(
    ("monitor", "labels"),
    [("dice", []), ("dice_defect", ["Dice of defect images"]), ("f1", ["F1 of all pixels"])],
)
def test_the_monitored_score_is_among_the_curves(run: Run, monitor: str, labels: list[str]) -> None:
    results = read_results(run.metrics_dir, run.models_dir)
    watching = replace(results, settings={**results.settings, "train.monitor": monitor})
    chart = build_training_charts(watching)[1]
    assert [line.label for line in chart.lines[4:]] == labels
