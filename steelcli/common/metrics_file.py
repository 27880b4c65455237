"""The json files of ``metrics/``: numbers, and the data and the training that they belong to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelcli.common.errors import RunError, quote
from steelcli.common.inputs import read_json

DATA_KEY, RUN_KEY = "data_key", "run_key"


@dataclass(frozen=True)
class Metrics:
    """The content of a file.

    Attributes:
        values: numbers, or groups of them.
        data_key: fingerprint of the prepared data, None where the file states none.
        run_key: fingerprint of the trained weights, see `Checkpoint.run_key`; None likewise.
    """

    values: dict[str, Any]
    data_key: str | None
    run_key: str | None


def format_metrics(values: Mapping[str, Any], data_key: str, run_key: str | None = None) -> str:
    """Return the text of a file: finite numbers, or groups of them, and the keys.

    DVC leaves lists out of metrics and their differences. Each key is a list of one text for that:
    plain text would be one more row of every `dvc metrics diff`.

    Raises:
        ValueError: a value that is not finite, a bug of the caller.
    """
    keys = {DATA_KEY: [data_key]} | ({RUN_KEY: [run_key]} if run_key else {})
    return json.dumps({**values, **keys}, indent=2, allow_nan=False) + "\n"


def read_metrics(path: Path, remedy: str, numbers: Sequence[str] = ()) -> Metrics:
    """Read what `format_metrics` wrote.

    Raises:
        RunError: see `read_json`; a value is no number, a group stands under ``numbers``, or a key
            is no text.
    """
    values = read_json(path, remedy)
    keys = [_take_key(values, name, path, remedy) for name in (DATA_KEY, RUN_KEY)]
    for name, value in values.items():
        is_group = isinstance(value, dict) and name not in numbers
        for key, number in value.items() if is_group else [(name, value)]:
            if not _is_number(number):
                what = f"a stage's input holds {quote(number)} for {quote(key)}, which is no number"
                raise RunError(what, path, remedy)
    return Metrics(values, *keys)


def _take_key(values: dict[str, Any], name: str, path: Path, remedy: str) -> str | None:
    """Remove a key and return its text."""
    texts = values.pop(name, None)
    if texts is None:
        return None
    if not (isinstance(texts, list) and len(texts) == 1 and isinstance(texts[0], str)):
        what = f"a stage's input holds {quote(texts)} for {name}, which is no list of one text"
        raise RunError(what, path, remedy)
    return texts[0]


def _is_number(value: Any) -> bool:
    is_numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_numeric and abs(value) < 1e300
