"""What grows on the disk with every run, how large it is, and how to clean it."""

from __future__ import annotations

import configparser
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from steelcli.common import paths
from steelcli.common.git import count_experiments
from steelcli.reporting.table import ABSENT, Table

FREE_CACHE = "`dvc gc --workspace --all-commits --all-experiments`"
"""Removes the outputs of experiments that were removed; no commit and no other experiment loses."""


@dataclass(frozen=True)
class Stored:
    """One thing that takes space.

    Attributes:
        what: it holds.
        path: where it lies.
        size: bytes on the disk, those of a file with several names once; None where it has none of
            its own.
        clean: the command that frees them, and what is lost by it.
    """

    what: str
    path: Path
    size: int | None
    clean: str


def measure_storage() -> list[Stored]:
    """Return what takes space in the working folder, as far as it is there.

    DVC may link the outputs to its cache: the bytes count where they are met first, in the cache.
    """
    experiments, states = Path(".dvc/tmp/exps"), paths.find_states(paths.MODELS_DIR)
    finished = "`dvc queue remove --success --failed`"
    killed = f"`rm -r {experiments}/standalone/tmp*` while no experiment runs"
    places = [
        ("every version of every output", _find_cache(), FREE_CACHE),
        ("queued, temporary and killed experiments", experiments, f"{finished}; {killed}"),
        ("states of interrupted trainings", states, f"`rm -r {states}`; they start afresh then"),
        ("the prepared data", paths.STORE_DIR, f"to have it again, {paths.MAKE_STORE}"),
        ("the trained model", paths.MODELS_DIR, "keep it: it is the result"),
        (
            "maps, masks and overlays",
            paths.PREDICTIONS_DIR,
            f"to have them again, {paths.MAKE_THRESHOLD}, then {paths.MAKE_TEST}",
        ),
        (
            "networks for other runtimes",
            paths.EXPORTS_DIR,
            "`steelcli export --format FORMAT` makes them again",
        ),
        ("runs of the trackers", paths.TRACKERS_DIR, f"`rm -r {paths.TRACKERS_DIR}`"),
    ]
    seen: set[tuple[int, int]] = set()
    rows = [
        Stored(what, path, _measure(path, seen), clean)
        for what, path, clean in places
        if path.is_dir()
    ]
    if count := count_experiments():
        noun = "experiment" if count == 1 else "experiments"
        what = f"{count} {noun}, with the outputs in the cache"
        remedy = f"`dvc exp remove NAME`, then {FREE_CACHE}"
        rows.insert(1, Stored(what, Path(".git/refs/exps"), None, remedy))
    return rows


def build_storage(rows: Sequence[Stored]) -> Table:
    """Return a row for each thing, and its size in mebibytes."""
    cells = []
    for row in rows:
        size = ABSENT if row.size is None else f"{row.size / 2**20:,.1f}"
        cells.append((str(row.path), size, f"{row.what}. {row.clean}"))
    return Table("What takes space here", ("folder", "MiB", "meaning"), tuple(cells))


def _find_cache() -> Path:
    """Return the folder of DVC's cache, which its configuration may put elsewhere."""
    config = configparser.ConfigParser(interpolation=None)
    config.read([".dvc/config", ".dvc/config.local"], encoding="utf-8")
    return Path(".dvc") / config.get("cache", "dir", fallback="cache")


def _measure(folder: Path, seen: set[tuple[int, int]]) -> int:
    """Return the bytes on the disk of the files not ``seen`` before; links are not followed."""
    total = 0
    for path in _iter_files(folder):
        try:
            status = path.lstat()
        except FileNotFoundError:  # removed meanwhile, by a run that goes on beside this one
            continue
        if (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            total += status.st_blocks * 512
    return total


def _iter_files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        yield from (Path(parent) / name for name in names)
