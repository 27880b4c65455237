"""Seconds of `make setup`, `make demo` and `make test` in a fresh clone, once each."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from bench.data import ROOT
from bench.figure import Figure
from bench.timing import spread
from steelcli.common.progress import say

TARGETS = ("setup", "demo", "test")


def measure(work_dir: Path) -> list[Figure]:
    """Return the seconds of each; what `make setup` downloads is in its own."""
    clone = work_dir / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    surroundings = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    figures = []
    for target in TARGETS:
        say(f"make {target}")
        started = time.perf_counter()
        with (work_dir / f"{target}.log").open("w") as log:
            done = subprocess.run(
                ["make", target], cwd=clone, env=surroundings, stdout=log, stderr=log, check=False
            )
        seconds = time.perf_counter() - started
        if done.returncode:
            tail = (work_dir / f"{target}.log").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"make {target} failed:\n{tail}")
        figures.append(Figure(f"make {target}", spread([seconds]), unit="s"))
    return figures
