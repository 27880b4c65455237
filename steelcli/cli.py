"""The command line: parse, call, show.

Nothing else knows Typer. Heavy imports happen inside the commands.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelcli.commands.completion import complete_scored
from steelcli.commands.usage import Commands, refuse_other_code, run_to_exit_code
from steelcli.common.errors import UserError
from steelcli.common.formats import Format
from steelcli.common.paths import EXPORTS_DIR, METRICS_DIR, PARAMS_PATH, REPORT_PATH, TEST_NAME
from steelcli.common.progress import say

if TYPE_CHECKING:
    from steelcli.params.all import Params


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Train and judge segmentation networks for defects on rolled steel.",
    epilog="Every stage reads params.yaml; "
    "change a value for one run with `steelcli run -S train.lr=1e-4`.",
)

ParamsPath = Annotated[
    Path, typer.Option("--params", help="The parameter file.", show_default=True)
]
Predictions = Annotated[
    Path | None, typer.Option(help="Test predictions of another model to judge.")
]
ModelName = Annotated[
    str | None, typer.Option(help="What that model is called: metrics/NAME.json.")
]
ValPredictions = Annotated[
    Path | None, typer.Option(help="Its validation predictions, for a threshold.")
]
SCORED = "NAME of metrics/NAME_images.csv, a DVC experiment or a git revision."
Scored = Annotated[str, typer.Argument(help=SCORED, autocompletion=complete_scored)]


def main() -> None:
    """Run the command line; a user's error becomes one sentence on stderr and exit code 1."""
    # the name is not `python -m steelcli`, which no shell completes
    run_to_exit_code(lambda: app(prog_name="steelcli"))


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the versions and exit.")] = False,
) -> None:
    """Train and judge segmentation networks for defects on rolled steel."""
    if show:
        from steelcli.commands.examine_packages import version_line

        say(version_line())
        raise typer.Exit
    refuse_other_code()


@app.command()
def prepare(params: ParamsPath = PARAMS_PATH) -> None:
    """Read raw images and annotations, split them, and write the prepared store."""
    loaded = _load(params)
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
    loaded = _load(params)
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
def check(
    path: Annotated[
        Path, typer.Argument(readable=False, help="Folder of raw data, read as data.root would be.")
    ],
    params: ParamsPath = PARAMS_PATH,
) -> None:
    """Read raw data as prepare does, write nothing, and say what is there, what is at fault and
    what looks odd."""
    has_params = params != PARAMS_PATH or os.path.lexists(params)
    data = _load(params).data if has_params else None
    from steelcli.commands.check import WITHOUT_PARAMS, check, describe
    from steelcli.data.raw.survey import refuse_problems
    from steelcli.reporting.problem_table import show_check

    if data is None:
        say(f"no {params} here, so the data is read with {describe(WITHOUT_PARAMS)}")
    update = {"root": str(path), "on_error": "fail"}
    strict = (data or WITHOUT_PARAMS).model_copy(update=update)
    found = check(strict)
    show_check(found, strict, judge_size=has_params)
    refuse_problems(found, strict, path)


@app.command()
def train(
    params: ParamsPath = PARAMS_PATH,
    restart: Annotated[
        bool, typer.Option("--restart", help="Forget an interrupted run and start afresh.")
    ] = False,
) -> None:
    """Train the network, or go on with an interrupted run; keep the best by Dice, by IoU and by the
    monitor."""
    loaded = _load(params)
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
    loaded = _load(params)
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
    loaded = _load(params)
    from steelcli.reporting.summary_table import build_summary
    from steelcli.reporting.table import show_tables

    if predictions is not None and name is not None:
        from steelcli.commands.judge import evaluate_foreign

        sections = loaded.data, loaded.threshold, loaded.evaluate
        metrics = evaluate_foreign(predictions, name, val_predictions, *sections)
        path = METRICS_DIR / f"{name}.json"
    else:
        from steelcli.commands.evaluate import evaluate

        metrics, path = evaluate(loaded.evaluate), METRICS_DIR / TEST_NAME
    show_tables([build_summary(metrics, path)])


@app.command()
def report(params: ParamsPath = PARAMS_PATH) -> None:
    """Show every table in the terminal and write reports/report.html."""
    loaded = _load(params)
    from steelcli.commands.report import report
    from steelcli.reporting.table import show_tables

    show_tables(report(loaded.report).tables)
    say(f"With curves: {REPORT_PATH}")


@app.command()
def compare(
    a: Scored,
    b: Scored,
    plot: Annotated[
        Path | None, typer.Option(help="Draw each image's Dice, A against B: a png or svg file.")
    ] = None,
    params: ParamsPath = PARAMS_PATH,
) -> None:
    """Compare two scored models on the same images: differences B - A, bootstrap intervals,
    p-values."""
    loaded = _load(params).report
    from steelcli.commands.compare import compare
    from steelcli.reporting.comparison import build_comparison
    from steelcli.reporting.table import show_tables

    comparison = compare(a, b, loaded, plot_path=plot)
    show_tables(build_comparison(comparison, loaded.decimals))


@app.command()
def predict(
    paths: Annotated[list[str], typer.Argument(help="Images, folders, patterns; - for stdin.")],
    out: Annotated[Path, typer.Option(help="Folder to write; a folder begun is gone on with.")],
    write: Annotated[
        str, typer.Option(help="masks,maps,overlays,supervisely,coco,kaggle")
    ] = "masks",
    threshold: Annotated[float | None, typer.Option(help="In place of the learned one.")] = None,
    min_area_px: Annotated[int | None, typer.Option(help="Likewise.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images a forward pass.")] = 8,
    params: ParamsPath = PARAMS_PATH,
) -> None:
    """Find defects in images with the trained model: masks, and a summary of their components."""
    data = _load(params).data
    from steelcli.commands.predict import predict
    from steelcli.data.raw.survey import ProblemsError
    from steelcli.reporting.problem_table import show_problems

    try:
        done = predict(paths, out, write.split(","), batch_size, data, threshold, min_area_px)
    except ProblemsError as error:
        show_problems(error.problems, ".")
        raise
    say(f"{done['images']} images, {done['defect_images']} with a defect: {out / 'summary.csv'}")


@app.command()
def export(
    wanted: Annotated[Format, typer.Option("--format", help="The runtime to write it for.")],
    params: ParamsPath = PARAMS_PATH,
) -> None:
    """Write the trained network for another runtime, if it gives the same on validation images."""
    loaded = _load(params)
    from steelcli.commands.export import export
    from steelcli.reporting.metric_tables import build_export
    from steelcli.reporting.table import show_tables

    metrics = export(wanted, loaded.threshold, loaded.evaluate.timing_images)
    show_tables([build_export(metrics, EXPORTS_DIR / wanted.value)])


@app.command()
def synthesize(
    out: Annotated[Path, typer.Argument(help="Folder to create; must not exist or be empty.")],
    images: Annotated[int, typer.Option(help="Number of images, at least 8.")],
    seed: Annotated[int, typer.Option(help="Seed; the same seed gives the same bytes.")],
) -> None:
    """Write synthetic rolled-steel strips with defects, as a Supervisely project."""
    from steelcli.commands.synthesize import synthesize

    synthesize(out, images, seed)
    say(f"{images} images in {out}")


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what is installed here, what fits together, what is in the way, and what to do."""
    from steelcli.commands.doctor import doctor, show_findings

    show_findings(doctor(), as_json)


def _load(path: Path) -> Params:
    """Read the parameters; called before the heavy imports, so that a mistake is told at once."""
    from steelcli.params.all import load_params

    return load_params(path)
