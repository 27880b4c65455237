"""The charts of the page."""

from __future__ import annotations

import matplotlib
import pytest
from make_run import Run, epochs
from parsed_page import ParsedPage

from steelcli.common.outputs import write_csv


def test_page_is_the_same_for_the_same_numbers(
    run: Run, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(matplotlib.rcParams, "axes.labelsize", 20)
    assert run.page() == text


@pytest.mark.parametrize("lengths", [1, 200])
def test_any_number_of_epochs_draws(run: Run, lengths: int) -> None:
    rows = [epochs()[0] | {"epoch": epoch} for epoch in range(1, lengths + 1)]
    write_csv(run.models_dir / "metrics_seed42.csv", rows, list(rows[0]))
    assert ParsedPage(run.page()).tags.count("svg") == 6


def test_a_curve_of_endless_points_is_thinned(run: Run) -> None:
    """Tens of MB of csv became as large a page."""
    columns = ("threshold", "precision", "recall")
    rows = [dict.fromkeys(columns, (step % 997) / 997) for step in range(60_000)]
    write_csv(run.metrics_dir / "pr_curve.csv", rows, columns)
    assert len(run.page()) < 500_000
