"""Read files with bounds on size and depth."""

from __future__ import annotations

import errno
import io
import json
import math
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from steelcli.common.csv_cells import restore
from steelcli.common.errors import RunError, quote

MAX_JSON_BYTES, MAX_JSON_DEPTH = 2**26, 32
"""Bounds of a stage's json file; those written here are far smaller."""
MAX_CSV_BYTES, MAX_CSV_COLUMNS = 2**26, 1000
"""Bounds of a stage's csv file: a table of half a million images, read in seconds. Columns are what
pandas is slowest at: a minute for half a million of them."""


def check_file(path: Path, max_bytes: int | None = None) -> None:
    """Refuse what is better not opened: a pipe or a device might never end.

    Raises:
        OSError: it is missing, no regular file, or larger than ``max_bytes``.
    """
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "no regular file: it is a folder", str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "no regular file: it is a pipe or a device", str(path))
    if max_bytes is not None and status.st_size > max_bytes:
        raise OSError(errno.EFBIG, f"it is larger than {max_bytes:,} bytes", str(path))


def read_bytes(path: Path, max_bytes: int | None) -> bytes:
    """Return the content of a regular file of at most ``max_bytes``; see `check_file`."""
    check_file(path, max_bytes)
    with path.open("rb") as file:
        raw = file.read(-1 if max_bytes is None else max_bytes + 1)
    if max_bytes is not None and len(raw) > max_bytes:  # it grew, or stated no size
        raise OSError(errno.EFBIG, f"it is larger than {max_bytes:,} bytes", str(path))
    return raw


def read_columns(
    raw: bytes, names: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, list[str]]:
    """Return the named columns of a csv that `write_csv` wrote, as the text it was given.

    A cell that a short row lacks is empty.

    Columns of ``optional`` may be missing.

    Raises:
        KeyError: a column is missing.
        ValueError: the bytes are no csv in UTF-8, a row has more cells than the head, or the head
            has more than `MAX_CSV_COLUMNS`.
    """
    head = re.split(rb"[\r\n]", raw, maxsplit=1)[0]
    if head.count(b",") >= MAX_CSV_COLUMNS:
        raise ValueError(f"it has more than {MAX_CSV_COLUMNS:,} columns")
    import pandas  # a quarter of a second, which only the commands that read tables pay

    # the head is read as a row: told of a head, pandas drops what the first row has beyond it
    table = pandas.read_csv(io.BytesIO(raw), header=None, dtype=str, keep_default_na=False)
    columns = {}
    for index in table:  # by column: transposing 20 MB of text took ten seconds
        name, *cells = table[index].fillna("").tolist()
        columns[name] = cells
    present = [name for name in optional if name in columns]
    return {name: [restore(cell) for cell in columns[name]] for name in (*names, *present)}


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """Return a JSON object that another stage wrote: finite numbers, bounded in size and depth.

    Raises:
        RunError: the file is missing or broken; ``remedy`` says which command makes it.
    """
    try:
        text = read_bytes(path, MAX_JSON_BYTES).decode("utf-8-sig")
        values = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
        json.dumps(values, ensure_ascii=False).encode()  # half a character raises here
    except FileNotFoundError as error:
        raise RunError("a stage's input is missing", path, remedy) from error
    except OSError as error:
        what = f"a stage's input cannot be read ({error.strerror})"
        raise RunError(what, path, remedy) from error
    except (ValueError, RecursionError) as error:
        what = f"a stage's input cannot be read ({quote(error, 120)})"
        raise RunError(what, path, remedy) from error
    if not isinstance(values, dict):
        raise RunError("a stage's input is no JSON object", path, remedy)
    if not is_shallow(values, MAX_JSON_DEPTH):
        what = f"a stage's input is nested deeper than {MAX_JSON_DEPTH} levels"
        raise RunError(what, path, remedy)
    return values


def is_shallow(value: Any, max_depth: int, items: int = 1_000_000) -> bool:
    """Tell whether nested lists and mappings have few levels and at most ``items`` items in all.

    A circle is endlessly deep, and a list that holds one list many times counts it as often.
    """
    level = [value]
    for _ in range(max_depth + 1):
        inner: list[Any] = []
        for outer in level:
            if isinstance(outer, (dict, list, tuple)):
                items -= len(outer)
                if items < 0:
                    return False
                inner += dict.values(outer) if isinstance(outer, dict) else outer
        if not inner:
            return True
        level = inner
    return False


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{quote(text)} is too large")
    return value
