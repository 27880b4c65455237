"""Read the YAML of ``params.yaml`` with the reader DVC uses, under its YAML 1.2 rules.

ruamel.yaml refuses equal keys and tags that would run code. Anchors and great depth are refused
here: a few lines of aliases and merge keys can stand for billions of values.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import CollectionStartEvent

from steelcli.common.errors import ParamsError, quote
from steelcli.common.inputs import read_bytes

MAX_BYTES, MAX_DEPTH = 2**16, 16
"""Of the file; the committed one has 5 kB and four levels."""


def read_document(path: Path) -> Any:
    """Return the values of a YAML file; None where it is empty.

    Raises:
        ParamsError: the file is missing, no UTF-8, no YAML, or holds an anchor or an alias.
    """
    text = _read_text(path)
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = partial(_FlatComposer, path)  # type: ignore[assignment]
    try:
        return yaml.load(text)
    except YAMLError as error:
        raise _explain(error, path) from error
    except (ValueError, LookupError, OverflowError) as error:  # the 31st of February, 5,000 digits
        what = f"a value in the parameters makes no sense ({quote(error, 100)})"
        raise ParamsError(what, path, "write a plain number or put it into quotes") from error


class _FlatComposer(Composer):
    """Refuses anchors, and depths that ruamel.yaml would read for a minute."""

    def __init__(self, path: Path, loader: Any) -> None:
        super().__init__(loader)
        self.path, self.level = path, 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a scalar, or a collection with all in it."""
        event = self.parser.peek_event()
        if event.anchor is not None:
            what = f"an anchor or alias (& or *) in the parameters ({_place(event.start_mark)})"
            raise ParamsError(what, self.path, "write the value out")
        is_collection = isinstance(event, CollectionStartEvent)
        if is_collection and self.level == MAX_DEPTH:
            what = f"the parameters are nested deeper than {MAX_DEPTH} levels"
            raise ParamsError(what, self.path, "write them flat")
        self.level += is_collection
        node = super().compose_node(parent, index)
        self.level -= is_collection
        return node


def _read_text(path: Path) -> str:
    try:
        raw = read_bytes(path, MAX_BYTES)
    except FileNotFoundError as error:
        remedy = "run from the repository root, pass --params, or `git checkout params.yaml`"
        raise ParamsError("parameter file not found", path, remedy) from error
    except OSError as error:
        what = f"cannot read the parameters ({error.strerror})"
        raise ParamsError(what, path, "mend it or pass another with --params") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        what = f"the parameters are no UTF-8 (line {line})"
        raise ParamsError(what, path, "save the file as UTF-8") from error


def _explain(error: YAMLError, path: Path) -> ParamsError:
    """Put ruamel.yaml's complaint into one clause with the line and the column."""
    if not isinstance(error, MarkedYAMLError):  # a character that YAML does not allow
        reason = quote(getattr(error, "reason", error), 100)
        what = f"the parameters are no YAML ({reason})"
        return ParamsError(what, path, "remove control characters")
    problem = quote(error.problem or error.context or "unknown", 120)
    place = _place(error.problem_mark or error.context_mark)
    what = f"the parameters are no plain YAML ({problem}, {place})"
    return ParamsError(what, path, "mend that line")


def _place(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else "unknown line"
