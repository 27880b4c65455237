"""Stage `report`: what the other stages wrote → the terminal and `reports/report.html`."""

from __future__ import annotations

from pathlib import Path

from steelcli.common.outputs import staged_file
from steelcli.common.paths import METRICS_DIR, MODELS_DIR, REPORTS_DIR
from steelcli.params.report import ReportParams
from steelcli.reporting.metric_tables import (
    Report,
)
from steelcli.reporting.page import _arrange, _headline, _page
from steelcli.reporting.stage_files import (
    read_results,
)


def report(
    params: ReportParams,
    metrics_dir: Path = METRICS_DIR,
    models_dir: Path = MODELS_DIR,
    reports_dir: Path = REPORTS_DIR,
) -> Report:
    """Write ``reports/report.html`` and return its tables.

    Raises:
        RunError: a file of another stage is missing or cannot be read.
    """
    results = read_results(metrics_dir, models_dir)
    sections = _arrange(results, params.decimals)
    page = _page(params.title, sections, _headline(results.test, params.decimals))
    path = reports_dir / "report.html"
    with staged_file(path) as partial_path:
        partial_path.write_text(page, encoding="utf-8", newline="\n")
    return Report(tuple(table for section in sections for table in section.tables), path)
