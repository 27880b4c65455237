"""``python -m bench [--only NAME]``: measure, show a table, write ``bench/results.json``."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.figure import Figure, build_table, write_results
from bench.machine import describe_machine
from bench.running import measure_apart
from steelcli.common.errors import UserError
from steelcli.common.progress import say
from steelcli.reporting.table import show_tables

DEFAULT = ("training", "epoch", "prepare", "scoring", "inference", "roofline", "startup", "memory")
"""Modules of this folder that `make bench` runs."""
OTHERS = ("make",)
"""Those that take longer: by name alone."""
RESULTS_PATH = Path(__file__).with_name("results.json")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is asked for; a target that is not kept shows in the table alone."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", choices=(*DEFAULT, *OTHERS), action="append", metavar="NAME")
    parser.add_argument("--out", type=Path, default=RESULTS_PATH, help="the json to write")
    options = parser.parse_args(arguments)
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the command line does
    machine, started = describe_machine(), time.perf_counter()
    groups: dict[str, list[Figure]] = {}
    for name in options.only or DEFAULT:
        say(f"measuring {name}")
        begun = time.perf_counter()
        groups[name] = measure_apart(name)
        say(f"{name} took {time.perf_counter() - begun:.0f} s")
    seconds = time.perf_counter() - started
    write_results(options.out, machine, groups, seconds)
    show_tables([build_table([figure for group in groups.values() for figure in group])])
    say(f"{seconds:.0f} s; {options.out}")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"Error: {error}")
