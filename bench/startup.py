"""How long each command takes to show its help, and to refuse missing inputs, ÷ importing torch."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import typer.main

from bench.data import PARAMS_FILES
from bench.figure import Figure
from bench.timing import interleave, ratio, spread
from steelcli.cli import app

ROUNDS = 5
WITHOUT_INPUTS = ("prepare", "tune-threshold", "evaluate", "report")
"""Stages run in an empty folder: they must refuse at once."""


def measure(work_dir: Path) -> list[Figure]:
    """Return a figure for each command's help and for each refusal."""
    shutil.copy(PARAMS_FILES["default"], work_dir / "params.yaml")
    python = sys.executable
    lines = {"import torch": ([python, "-c", "import torch"], 0)}
    for command in typer.main.get_group(app).list_commands(None):  # type: ignore[arg-type]
        lines[f"{command} --help"] = ([python, "-m", "steelcli", command, "--help"], 0)
    for stage in WITHOUT_INPUTS:
        lines[f"{stage} without inputs"] = ([python, "-m", "steelcli", stage], 1)
    ways = {name: partial(_call, *line, work_dir) for name, line in lines.items()}
    seconds = interleave(ways, ROUNDS)
    reference = seconds.pop("import torch")
    base = spread(reference).median
    return [
        Figure(
            f"start-up: {name} ÷ import torch",
            ratio(taken, reference),
            absolute={"s": spread(taken).median, "import torch s": base},
        )
        for name, taken in seconds.items()
    ]


def _call(line: list[str], code: int, work_dir: Path) -> None:
    """Run a command line, which must end with this exit code."""
    done = subprocess.run(line, cwd=work_dir, capture_output=True, text=True, check=False)
    if done.returncode != code:
        raise RuntimeError(f"{' '.join(line)} ended with {done.returncode}: {done.stderr[-500:]}")
