"""Stage `report`: what the other stages wrote → the terminal and `reports/report.html`."""

from __future__ import annotations

from pathlib import Path

from steelcli.common.errors import RunError
from steelcli.common.outputs import staged_file
from steelcli.common.paths import (
    MAKE_STORE,
    METRICS_DIR,
    MODELS_DIR,
    REPORT_PATH,
    STORE_DIR,
    TEST_NAME,
    TEST_PREDICTIONS_DIR,
)
from steelcli.common.progress import say
from steelcli.data.predictions.saved import SavedPredictions
from steelcli.data.store.reader import Store
from steelcli.params.report import ReportParams
from steelcli.reporting.cards import Card, Example, build_cards, build_examples
from steelcli.reporting.comparison import Comparison, compare_images, load_images
from steelcli.reporting.page import Page, build_page
from steelcli.reporting.render import render_page
from steelcli.reporting.stage_files import Results, read_results


def report(
    params: ReportParams,
    metrics_dir: Path = METRICS_DIR,
    models_dir: Path = MODELS_DIR,
    report_path: Path = REPORT_PATH,
    store_dir: Path = STORE_DIR,
    predictions_dir: Path = TEST_PREDICTIONS_DIR,
) -> tuple[Results, Page]:
    """Write the page; return what the other stages wrote, and what the page shows.

    Raises:
        RunError: a file of another stage is missing or cannot be read, or a model to compare with
            is nothing or was judged on other images.
    """
    results = read_results(metrics_dir, models_dir)
    cards, examples = _draw_images(params, results, store_dir, predictions_dir)
    comparisons = _compare(params, results, metrics_dir, models_dir)
    baseline = comparisons[0] if params.baseline else None
    page = build_page(
        results, params.title, params.decimals, cards, examples, comparisons, baseline
    )
    with staged_file(report_path) as partial_path:
        html = render_page(page, params.decimals)
        partial_path.write_text(html, encoding="utf-8", newline="\n")
    if page.warning:
        say(f"warning: {page.warning}")
    return results, page


def _draw_images(
    params: ReportParams, results: Results, store_dir: Path, predictions_dir: Path
) -> tuple[list[Card], list[Example]]:
    if not params.cards:
        return [], []
    store = Store(store_dir)
    if store.fingerprint != results.settings["run.store"]:
        raise RunError("the prepared store holds other data than the run", store_dir, MAKE_STORE)
    saved = SavedPredictions(predictions_dir)
    # whoever removed the predictions for room has a page without them, which says so
    cards = build_cards(results, store, saved, params.cards) if saved.masks_dir.is_dir() else []
    return cards, build_examples(store)


def _compare(
    params: ReportParams, results: Results, metrics_dir: Path, models_dir: Path
) -> list[Comparison]:
    """Compare this run with the baseline first, then those named, then all models judged here."""
    data_key = results.settings["run.store"]
    foreign = [
        name
        for name, metrics in results.others.items()
        if metrics.data_key == data_key and (metrics_dir / f"{name}_images.csv").is_file()
    ]
    named = [*([params.baseline] if params.baseline else []), *params.against, *foreign]
    if not named:
        return []
    own = load_images(Path(TEST_NAME).stem, metrics_dir, models_dir)
    return [
        compare_images(
            load_images(name, metrics_dir, models_dir),
            own,
            params.bootstrap_resamples,
            params.bootstrap_seed,
        )
        for name in dict.fromkeys(named)
    ]
