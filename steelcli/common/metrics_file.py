"""The json files of ``metrics/``: numbers, and the data and the training that they belong to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelcli.common.errors import RunError, quote
from steelcli.common.inputs import read_json

DATA_KEY, RUN_KEY, TABLES = "data_key", "run_key", "tables"


@dataclass(frozen=True)
class Metrics:
    """The content of a file.

    Attributes:
        values: numbers, or groups of them.
        data_key: fingerprint of the prepared data, None where the file states none.
        run_key: fingerprint of the trained weights, see `Checkpoint.run_key`; None likewise.
        tables: digest of each csv file that was written with it, by name.
    """

    values: dict[str, Any]
    data_key: str | None
    run_key: str | None
    tables: dict[str, str]

    def refuse_other_table(self, path: Path, raw: bytes, remedy: str) -> None:
        """Refuse a csv file that was not written with this file, where this file names one.

        Raises:
            RunError: it holds other bytes.
        """
        if self.tables.get(path.name, _digest(raw)) != _digest(raw):
            what = "the table is not the one that was written with the json file beside it"
            raise RunError(what, path, remedy)


def format_metrics(
    values: Mapping[str, Any],
    data_key: str,
    run_key: str | None = None,
    tables: Mapping[Path, str] | None = None,
) -> str:
    """Return the text of a file: finite numbers, or groups of them, the keys and the csv files.

    DVC leaves lists out of metrics and their differences. Each key is a list of one text for that:
    plain text would be one more row of every `dvc metrics diff`.

    Args:
        values: numbers, or groups of them.
        data_key, run_key: see `Metrics`.
        tables: the text of each csv file that is written with it.

    Raises:
        ValueError: a value that is not finite, a bug of the caller.
    """
    keys: dict[str, Any] = {DATA_KEY: [data_key]}
    if run_key:
        keys[RUN_KEY] = [run_key]
    if tables:
        keys[TABLES] = {path.name: [_digest(text.encode())] for path, text in tables.items()}
    return json.dumps({**values, **keys}, indent=2, allow_nan=False) + "\n"


def _digest(raw: bytes) -> str:
    """Return the SHA-256 of a text file; git may have changed the ends of its lines."""
    return hashlib.sha256(raw.replace(b"\r\n", b"\n")).hexdigest()


def read_metrics(path: Path, remedy: str, numbers: Sequence[str] = ()) -> Metrics:
    """Read what `format_metrics` wrote.

    Raises:
        RunError: see `read_json`; a value is no number, a group stands under ``numbers``, or a key
            is no text.
    """
    values = read_json(path, remedy)
    data_key, run_key = (_take_key(values, name, path, remedy) for name in (DATA_KEY, RUN_KEY))
    tables = _take_tables(values, path, remedy)
    for name, value in values.items():
        is_group = isinstance(value, dict) and name not in numbers
        for key, number in value.items() if is_group else [(name, value)]:
            if not _is_number(number):
                what = f"a stage's input holds {quote(number)} for {quote(key)}, which is no number"
                raise RunError(what, path, remedy)
    return Metrics(values, data_key, run_key, tables)


def _take_key(values: dict[str, Any], name: str, path: Path, remedy: str) -> str | None:
    """Remove a key and return its text."""
    texts = values.pop(name, None)
    if texts is None:
        return None
    if not (isinstance(texts, list) and len(texts) == 1 and isinstance(texts[0], str)):
        what = f"a stage's input holds {quote(texts)} for {name}, which is no list of one text"
        raise RunError(what, path, remedy)
    return texts[0]


def _take_tables(values: dict[str, Any], path: Path, remedy: str) -> dict[str, str]:
    """Remove the digests of the csv files and return them."""
    tables = values.pop(TABLES, {})
    if not isinstance(tables, dict):
        what = f"a stage's input holds {quote(tables)} for {TABLES}, which is no mapping"
        raise RunError(what, path, remedy)
    digests = {name: _take_key(tables, name, path, remedy) for name in list(tables)}
    return {name: digest for name, digest in digests.items() if digest}


def _is_number(value: Any) -> bool:
    is_numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_numeric and abs(value) < 1e300
