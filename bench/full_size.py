"""Run the whole pipeline on a data set of Severstal's size: ``python -m bench.full_size DIR``.

Draws the images, clones this repository's commit beside them, runs each stage under DVC with the
default parameters but for ``data.root`` and ``train.epochs``, and writes ``full_size.json`` and
``full_size.md`` into DIR: wall time, peak memory and disk by stage, and what ``dvc status`` takes
afterwards. What is done is not measured again: the same command goes on.
"""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.data import ROOT
from bench.machine import describe_machine
from bench.process_tree import MIB, Usage, python_env, run
from bench.severstal import IMAGES, draw_severstal
from steelcli.commands.plan_file import set_values
from steelcli.common.outputs import staged_file
from steelcli.common.progress import say

OUTPUTS = {
    "check-params": ("data/params-checked",),
    "prepare": ("data/prepared",),
    "train": ("models",),
    "tune-threshold": ("predictions/val",),
    "evaluate": ("predictions/test",),
    "report": ("reports",),
}
"""The folders that each stage writes."""
DEFAULT_EPOCHS = 8
"""Of the committed parameters."""
COLUMNS = ("step", "s", "of it DVC", "peak MiB", "of it own", "files", "MiB written")
HEADER = f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n"


@dataclass(frozen=True)
class Step:
    """What one command took; see `Usage` for the rest.

    Attributes:
        dvc_seconds: its wall time before and after the stage itself, which DVC takes to compare
            and to keep files.
        files, written_mib: what it wrote, DVC's copy left out.
    """

    seconds: float
    dvc_seconds: float
    rss_mib: float
    own_mib: float
    files: int
    written_mib: float


def main(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Takes the data and the project.")],
    images: Annotated[int, typer.Option(min=100, help="Images to draw.")] = IMAGES,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs to train.")] = 2,
    draw_only: Annotated[bool, typer.Option("--draw-only", help="Stop after drawing.")] = False,
) -> None:
    """Draw Severstal at its true size, and measure every stage on it."""
    folder = folder.resolve()
    raw_dir, project_dir, log_path = folder / "raw", folder / "project", folder / "log"
    if draw_only:
        draw_severstal(raw_dir, images)
        return
    folder.mkdir(parents=True, exist_ok=True)
    results_path = folder / "full_size.json"
    asked = {"images": images, "epochs": epochs}
    results = _read_results(results_path, asked)
    steps: dict[str, Any] = results["steps"]

    def take(name: str, command: list[str], place: Path, outputs: list[Path]) -> None:
        if name not in steps:
            say(name)
            usage = run(command, place, python_env(place), log_path)
            steps[name] = asdict(_describe(usage, outputs))
            _write(results_path, json.dumps(results, indent=2) + "\n")

    if "draw" not in steps:
        shutil.rmtree(raw_dir, ignore_errors=True)
    draw = [sys.executable, "-m", "bench.full_size", str(folder), f"--images={images}"]
    take("draw", [*draw, "--draw-only"], ROOT, [raw_dir])
    if not project_dir.exists() or not steps.keys() & OUTPUTS.keys():  # or half a clone
        results["steps"] = steps = {"draw": steps["draw"]}
        shutil.rmtree(project_dir, ignore_errors=True)
        make_project(project_dir, raw_dir, epochs)
    for stage, names in OUTPUTS.items():
        outputs = [project_dir / name for name in names]
        take(stage, ["dvc", "repro", "--single-item", stage], project_dir, outputs)
    take("dvc status", ["dvc", "status"], project_dir, [])
    results["epoch_seconds"] = _read_epochs(project_dir)
    results["cache_mib"] = _measure([project_dir / ".dvc" / "cache"])[1]
    _write(results_path, json.dumps(results, indent=2) + "\n")
    table = format_results(results)
    _write(folder / "full_size.md", table)
    say(table)


def make_project(project_dir: Path, raw_dir: Path, epochs: int) -> None:
    """Clone the commit of this repository, to train on a folder of raw data."""

    def git(*words: str) -> None:
        subprocess.run(["git", *words], check=True, stdout=subprocess.DEVNULL)

    git("clone", "--quiet", str(ROOT), str(project_dir))
    set_values(project_dir / "params.yaml", {"data.root": str(raw_dir), "train.epochs": epochs})
    who = ["-c", "user.name=bench", "-c", "user.email=bench@example.org"]
    git("-C", str(project_dir), *who, "commit", "--quiet", "-am", "Take the data of full size")


def format_results(results: dict[str, Any]) -> str:
    """Return the table in Markdown, and under it what the default number of epochs would take."""
    rows = []
    for name, step in results["steps"].items():
        files = f"{step['files']:,}" if step["files"] else "–"
        numbers = [step["seconds"], step["dvc_seconds"], step["rss_mib"], step["own_mib"]]
        cells = [*(f"{number:,.0f}" for number in numbers), files, f"{step['written_mib']:,.0f}"]
        rows.append(f"| {' | '.join([name, *cells])} |\n")
    seconds = results["epoch_seconds"]
    total = sum(step["seconds"] for name, step in results["steps"].items() if name != "draw")
    epoch = sum(seconds) / len(seconds)
    whole = total + (DEFAULT_EPOCHS - len(seconds)) * epoch
    taken = f"An epoch with its validation took {epoch:,.0f} s"
    plan = f"with {DEFAULT_EPOCHS} epochs the stages would take {whole / 60:,.0f} minutes"
    cache = f"DVC's cache holds {results['cache_mib']:,.0f} MiB."
    head = f"{results['images']:,} images, commit {results['commit']}, {results['date']}\n\n"
    return f"{head}{HEADER}{''.join(rows)}\n{taken}; {plan}. {cache}\n"


def _read_results(path: Path, asked: dict[str, int]) -> dict[str, Any]:
    """Return what an interrupted call has measured of the same, else nothing yet."""
    machine = describe_machine()
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        same = {**asked, "commit": machine["commit"]}
        if all(found[name] == value for name, value in same.items()):
            return found
    return {**machine, **asked, "steps": {}}


def _describe(usage: Usage, outputs: list[Path]) -> Step:
    files, written = _measure(outputs)
    dvc_seconds = usage.seconds - usage.inner_seconds if usage.inner_seconds else 0.0
    return Step(usage.seconds, dvc_seconds, usage.rss_mib, usage.own_mib, files, written)


def _measure(folders: list[Path]) -> tuple[int, float]:
    """Return the files below, or those that the paths are, and their MiB."""
    paths = [path for folder in folders for path in (folder, *folder.rglob("*"))]
    sizes = [path.stat().st_size for path in paths if path.is_file()]
    return len(sizes), sum(sizes) / MIB


def _read_epochs(project_dir: Path) -> list[float]:
    """Return the seconds of each epoch, its validation included."""
    (path,) = (project_dir / "models").glob("metrics_seed*.csv")
    with path.open(newline="", encoding="utf-8") as file:
        return [float(row["epoch_time"]) for row in csv.DictReader(file)]


def _write(path: Path, text: str) -> None:
    with staged_file(path) as partial_path:
        partial_path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
