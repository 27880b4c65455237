"""The stages, and what runs them."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from steelcli.cli.app import ParamsPath, app, load
from steelcli.common.errors import UserError
from steelcli.common.paths import METRICS_DIR, PARAMS_PATH, REPORT_PATH, TEST_NAME
from steelcli.common.progress import put, say

Predictions = Annotated[
    Path | None, typer.Option(help="Test predictions of another model to judge.")
]
ModelName = Annotated[
    str | None, typer.Option(help="What that model is called: metrics/NAME.json.")
]
ValPredictions = Annotated[
    Path | None, typer.Option(help="Its validation predictions, for a threshold.")
]


@app.command()
def prepare(params: ParamsPath = PARAMS_PATH) -> None:
    """Read raw images and annotations, split them, and write the prepared store."""
    loaded = load(params)
    from steelcli.commands.prepare import prepare
    from steelcli.data.raw.survey import ProblemsError
    from steelcli.reporting.metric_tables import build_data
    from steelcli.reporting.problem_table import show_problems
    from steelcli.reporting.table import show_tables

    try:
        show_tables(build_data(prepare(loaded.data)))
    except ProblemsError as error:
        show_problems(error.problems, loaded.data.root)
        raise


@app.command()
def check_params(params: ParamsPath = PARAMS_PATH) -> None:
    """Refuse parameters that no stage could work with, before any stage runs."""
    loaded = load(params)
    from steelcli.commands.check_params import check_params

    check_params(loaded)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    options_metavar="[OPTIONS of dvc exp run]",
)
def run(context: typer.Context) -> None:
    """Run the stages that are out of date, as `dvc exp run` does and with its options.

    Such as -n NAME and -S train.lr=1e-4, once for each change. What cannot work is refused before
    anything is touched; when a stage fails, parameters and results are brought back as they were.
    """
    from steelcli.commands.run import run

    run(context.args)


@app.command()
def train(
    params: ParamsPath = PARAMS_PATH,
    restart: Annotated[
        bool, typer.Option("--restart", help="Forget an interrupted run and start afresh.")
    ] = False,
) -> None:
    """Train the network, or go on with an interrupted run; keep the best by Dice, by IoU and by the
    monitor."""
    loaded = load(params)
    from steelcli.commands.train import train
    from steelcli.reporting.metric_tables import build_training
    from steelcli.reporting.table import show_tables
    from steelcli.training.distributed import is_first_process
    from steelcli.training.peers import is_first_to_tell

    try:
        metrics = train(loaded.model, loaded.train, restart=restart)
    except UserError as error:
        if not is_first_to_tell():
            raise typer.Exit(1) from error
        raise
    if is_first_process():
        show_tables([build_training(metrics)])


@app.command()
def tune_threshold(params: ParamsPath = PARAMS_PATH) -> None:
    """Learn the probability threshold on the validation split."""
    loaded = load(params)
    from steelcli.commands.tune_threshold import tune_threshold
    from steelcli.reporting.metric_tables import build_threshold
    from steelcli.reporting.table import show_tables

    show_tables([build_threshold(tune_threshold(loaded.threshold, loaded.evaluate.save_maps))])


@app.command()
def evaluate(
    params: ParamsPath = PARAMS_PATH,
    predictions: Predictions = None,
    name: ModelName = None,
    val_predictions: ValPredictions = None,
) -> None:
    """Score the test split at the frozen threshold and at 0.5, of the trained model or of another's
    predictions."""
    if (predictions is None) != (name is None) or (val_predictions and not predictions):
        what = "--predictions and --name belong together, --val-predictions to both"
        raise typer.BadParameter(what)
    loaded = load(params)
    from steelcli.reporting.summary_table import build_summary
    from steelcli.reporting.table import show_tables

    if predictions is not None and name is not None:
        from steelcli.commands.judge import evaluate_foreign

        sections = loaded.data, loaded.threshold, loaded.evaluate
        metrics = evaluate_foreign(predictions, name, val_predictions, *sections)
        path = METRICS_DIR / f"{name}.json"
    else:
        from steelcli.commands.evaluate import evaluate

        metrics = evaluate(loaded.evaluate, loaded.threshold.min_areas_px)
        path = METRICS_DIR / TEST_NAME
    show_tables([build_summary(metrics, path)])


@app.command()
def report(
    params: ParamsPath = PARAMS_PATH,
    show_all: Annotated[bool, typer.Option("--all", help="Show every table.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the headline and metrics/test.json as JSON.")
    ] = False,
) -> None:
    """Show the numbers to read first, on one screen, and write reports/report.html."""
    if show_all and as_json:
        raise typer.BadParameter("--all and --json exclude each other")
    loaded = load(params).report
    from steelcli.commands.report import report
    from steelcli.reporting.screen import format_json, show_screen
    from steelcli.reporting.table import show_tables

    with redirect_stdout(sys.stderr if as_json else sys.stdout):  # what it says on the way
        results, page = report(loaded)
    if as_json:
        put(format_json(results, loaded.decimals))
        return
    if show_all:
        show_tables(page.tables)
        say(f"With curves: {REPORT_PATH}")
    else:
        show_screen(results, loaded.title, loaded.decimals)
        say(f"With curves: {REPORT_PATH}; every table: `steelcli report --all`")
