"""What looks at data, results and the machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from steelcli.cli.app import ParamsPath, app, load
from steelcli.commands.completion import complete_scored
from steelcli.common.paths import PARAMS_PATH
from steelcli.common.progress import say

SCORED = "NAME of metrics/NAME_images.csv, a DVC experiment or a git revision."
CONFIG = "Name of a file in configs/, or a file, to start from; else strong on a GPU, or fast-cpu."
GIVEN = "key=value to keep, as after `run -S`; may be repeated."
MINUTES = "What the whole run may take, by steps measured here."
Scored = Annotated[str, typer.Argument(help=SCORED, autocompletion=complete_scored)]


@app.command()
def plan(
    path: Annotated[Path, typer.Argument(readable=False, help="Folder of raw data.")],
    config: Annotated[str | None, typer.Option(help=CONFIG)] = None,
    given: Annotated[list[str] | None, typer.Option("--set", help=GIVEN)] = None,
    minutes: Annotated[int | None, typer.Option(min=1, max=100_000, help=MINUTES)] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a changed file too.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Print the file, write nothing.")] = False,
    params: ParamsPath = PARAMS_PATH,
) -> None:
    """Survey raw data and this machine; write a params.yaml for them that says why."""
    from steelcli.commands.plan import plan, refuse_changed, show_plan, write_plan

    if not (force or show):
        refuse_changed(params)
    planned = plan(path, config, given or [], minutes)
    if not show:
        write_plan(planned, params)
    show_plan(planned, None if show else params)


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
    data = load(params).data if has_params else None
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
    loaded = load(params).report
    from steelcli.commands.compare import compare
    from steelcli.reporting.comparison import build_comparison
    from steelcli.reporting.table import show_tables

    comparison = compare(a, b, loaded, plot_path=plot)
    show_tables(build_comparison(comparison, loaded.decimals))


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
