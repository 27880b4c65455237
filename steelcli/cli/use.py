"""What puts a trained network to use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steelcli.cli.app import ParamsPath, app, load
from steelcli.common.errors import UserError
from steelcli.common.formats import Format
from steelcli.common.paths import EXPORTS_DIR, PARAMS_PATH
from steelcli.common.progress import say


@app.command()
def predict(
    paths: Annotated[list[str], typer.Argument(help="Images, folders, patterns; - for stdin.")],
    out: Annotated[Path, typer.Option(help="Folder to write; a folder begun is gone on with.")],
    write: Annotated[
        str, typer.Option(help="masks,maps,overlays,supervisely,coco,kaggle,labelstudio")
    ] = "masks",
    threshold: Annotated[
        float | None,
        typer.Option(help="Probability from which a pixel is defect, in place of the learned one."),
    ] = None,
    min_area_px: Annotated[
        int | None, typer.Option(help="Smaller spots are left out, likewise.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images a forward pass.")] = 8,
    model: Annotated[
        Path | None, typer.Option(help="Checkpoint, .onnx, .xml or .pt2 in place of models/.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on with images that appear, until Ctrl-C.")
    ] = False,
    params: ParamsPath = PARAMS_PATH,
) -> None:
    """Find defects in images with the trained model: masks, and a summary of their components."""
    # an export says itself what a run's parameters would
    is_needed = model is None or params != PARAMS_PATH or params.exists()
    data = load(params).data if is_needed else None
    from steelcli.commands.predict import predict
    from steelcli.commands.predict_summary import describe_counts
    from steelcli.data.raw.survey import ProblemsError
    from steelcli.reporting.problem_table import show_problems
    from steelcli.training.distributed import is_first_process
    from steelcli.training.peers import is_first_to_tell

    try:
        done = predict(
            paths,
            out,
            write.split(","),
            batch_size,
            data,
            threshold,
            min_area_px,
            model_path=model,
            watch=watch,
        )
    except UserError as error:
        if not is_first_to_tell():
            raise typer.Exit(1) from error
        if isinstance(error, ProblemsError):
            show_problems(error.problems, ".")
        raise
    if done is None:
        raise typer.Exit(1)  # the first process tells why
    if is_first_process():
        say(f"{describe_counts(done)}: {out / 'summary.csv'}")


@app.command()
def export(
    wanted: Annotated[Format, typer.Option("--format", help="The runtime to write it for.")],
    int8: Annotated[
        bool, typer.Option("--int8", help="Convolutions in 8 bits, if that costs little; onnx.")
    ] = False,
    params: ParamsPath = PARAMS_PATH,
) -> None:
    """Write the trained network for another runtime, if it gives the same on validation images."""
    loaded = load(params)
    from steelcli.commands.export import export, group_name
    from steelcli.reporting.metric_tables import build_export
    from steelcli.reporting.table import show_tables

    metrics = export(wanted, loaded.threshold, loaded.evaluate.timing_images, int8=int8)
    show_tables([build_export(metrics, EXPORTS_DIR / group_name(wanted, int8))])
