"""Stage `report`: what the other stages wrote → the terminal and `reports/report.html`."""

from __future__ import annotations

from pathlib import Path

from steelcli.common.outputs import staged_file
from steelcli.common.paths import METRICS_DIR, MODELS_DIR, REPORT_PATH
from steelcli.common.progress import say
from steelcli.params.report import ReportParams
from steelcli.reporting.page import Page, build_page
from steelcli.reporting.render import render_page
from steelcli.reporting.stage_files import read_results


def report(
    params: ReportParams,
    metrics_dir: Path = METRICS_DIR,
    models_dir: Path = MODELS_DIR,
    report_path: Path = REPORT_PATH,
) -> Page:
    """Write the page and return what it shows.

    Raises:
        RunError: a file of another stage is missing or cannot be read.
    """
    results = read_results(metrics_dir, models_dir)
    page = build_page(results, params.title, params.decimals)
    with staged_file(report_path) as partial_path:
        html = render_page(page, params.decimals)
        partial_path.write_text(html, encoding="utf-8", newline="\n")
    if page.warning:
        say(f"warning: {page.warning}")
    return page
