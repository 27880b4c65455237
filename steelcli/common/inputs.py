"""Read the files of this project with bounds on size and depth; every refusal names the file and the remedy."""

from __future__ import annotations

import errno
import json
import math
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from steelcli.common.errors import RunError, quote

MOST_JSON_BYTES, MOST_JSON_DEPTH = 2**26, 32
"""What a stage's json file may take at most; those written here are far smaller."""


def read_bytes(path: Path, most: int) -> bytes:
    """Return the content of a regular file of at most ``most`` bytes.

    Raises:
        OSError: it cannot be read, is larger, or is a folder, a pipe or a device, which might never
            end.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device", str(path))
    with path.open("rb") as file:
        raw = file.read(most + 1)
    if len(raw) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most:,} bytes", str(path))
    return raw


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """Return a JSON object that another stage wrote: finite numbers, bounded in size and depth.

    Raises:
        RunError: the file is missing or broken; ``remedy`` says which command makes it.
    """
    try:
        text = read_bytes(path, MOST_JSON_BYTES).decode("utf-8-sig")
        values = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
        json.dumps(values, ensure_ascii=False).encode(
            "utf-8"
        )  # half a character could not be written again
    except FileNotFoundError as error:
        raise RunError("a stage's input is missing", path, remedy) from error
    except OSError as error:
        raise RunError(
            f"a stage's input cannot be read ({error.strerror})", path, remedy
        ) from error
    except (ValueError, RecursionError) as error:
        raise RunError(
            f"a stage's input cannot be read ({quote(error, 120)})", path, remedy
        ) from error
    if not isinstance(values, dict):
        raise RunError("a stage's input is no JSON object", path, remedy)
    if not is_shallow(values, MOST_JSON_DEPTH):
        raise RunError(
            f"a stage's input is nested deeper than {MOST_JSON_DEPTH} levels", path, remedy
        )
    return values


def read_metrics(path: Path, remedy: str, numbers: Sequence[str] = ()) -> dict[str, Any]:
    """Return metrics that `write_json` wrote: finite numbers, or groups of them, but numbers alone
    under ``numbers``.

    Raises:
        RunError: see `read_json`, or a value that is no number.
    """
    values = read_json(path, remedy)
    for name, value in values.items():
        is_group = isinstance(value, dict) and name not in numbers
        for key, number in value.items() if is_group else [(name, value)]:
            if (
                isinstance(number, bool)
                or not isinstance(number, (int, float))
                or not abs(number) < 1e300
            ):
                what = f"a stage's input holds {quote(number)} for {quote(key)}, which is no number"
                raise RunError(what, path, remedy)
    return values


def is_shallow(value: Any, most: int, items: int = 1_000_000) -> bool:
    """Tell whether lists and mappings stand in each other at most ``most`` levels deep and hold few
    items in all.

    A circle is endlessly deep, and a list that holds one list many times counts it as often.
    """
    level = [value]
    for _ in range(most + 1):
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
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{quote(text)} is too large")
    return value
