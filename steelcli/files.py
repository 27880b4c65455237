"""Write outputs to a temporary name and move them into place, so that a killed command leaves nothing half-written."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from steelcli.errors import RunError


@contextmanager
def staged_dir(final_dir: Path, outdates: Sequence[Path] = ()) -> Iterator[Path]:
    """Yield an empty folder beside ``final_dir`` that takes its place, whole, when the block ends without an error.

    Args:
        final_dir: where the folder goes; where this is a link, its target is replaced.
        outdates: files that describe the old folder, removed just before it is replaced.
    """
    final_dir = final_dir.resolve()
    partial_dir = final_dir.with_name(f".{final_dir.name}.partial")
    _remove(partial_dir)
    with _told(final_dir):
        partial_dir.mkdir(parents=True)
    try:
        with _told(final_dir):
            yield partial_dir
    except BaseException:
        _remove(partial_dir)
        raise
    old_dir = final_dir.with_name(f".{final_dir.name}.old")
    with _told(final_dir):
        _remove(old_dir)
        for path in outdates:
            path.unlink(missing_ok=True)
        if final_dir.exists():
            final_dir.replace(old_dir)
        partial_dir.replace(final_dir)
        _remove(old_dir)


@contextmanager
def staged_file(final_path: Path) -> Iterator[Path]:
    """Yield a name beside ``final_path`` to write to; it is renamed to ``final_path`` when the block ends well."""
    partial_path = final_path.with_name(f".{final_path.name}.partial")
    try:
        with _told(final_path):
            final_path.parent.mkdir(parents=True, exist_ok=True)
            yield partial_path
            partial_path.replace(final_path)
    finally:
        partial_path.unlink(missing_ok=True)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a mapping of finite scalars, or of such mappings, as DVC metrics want it.

    Raises:
        ValueError: a value that is not finite, a bug of the caller.
    """
    with staged_file(path) as partial_path:
        partial_path.write_text(json.dumps(values, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write rows under the given columns; an absent, None or non-finite value becomes an empty cell."""
    with staged_file(path) as partial_path, partial_path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: "" if _is_blank(row.get(key)) else row[key] for key in columns})


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """Return a JSON object that another stage wrote.

    Raises:
        RunError: the file is missing or broken; ``remedy`` says which command makes it.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError("a stage's input is missing", path, remedy) from error
    except (OSError, ValueError) as error:
        raise RunError("a stage's input cannot be read", path, remedy) from error
    if not isinstance(values, dict):
        raise RunError("a stage's input is no JSON object", path, remedy)
    return values


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn the file system's refusal to write ``path`` into one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        reason = error.strerror or str(error)
        raise RunError(f"cannot write ({reason})", path, "free space or mend the permissions") from error
