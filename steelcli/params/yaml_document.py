"""The YAML that ``params.yaml`` may be: plain mappings, lists and scalars, from a stranger too.

PyYAML's safe loader runs no code, but it takes the last of two equal keys, follows aliases that
stand for billions of values, and fails with a traceback on dates, numbers and depths that make no
sense. Here each of these is refused.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from steelcli.common.errors import ParamsError, quote
from steelcli.common.inputs import read_bytes

MOST_BYTES, MOST_DEPTH, MOST_SCALAR, MOST_NUMBER = 2**16, 16, 4096, 2**53
"""A parameter file's bytes, levels, characters a value, and the largest number that is exact as a
float."""


_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_AMBIGUOUS = re.compile(r":|^[-+]?0\d")  # sixties, and octal numbers without an o


class _Fault(yaml.MarkedYAMLError):
    """Something that YAML allows and a parameter file does not; ``note`` is the remedy."""

    def __init__(self, problem: str, mark: Any, remedy: str) -> None:
        super().__init__(problem=problem, problem_mark=mark, note=remedy)


class _Loader(yaml.SafeLoader):
    """Refuses anchors, aliases, tags, merge keys, equal keys, depth and length while it reads."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _Fault("an anchor or alias (& or *)", event.start_mark, "write the value out")
        if getattr(event, "tag", None) is not None:
            raise _Fault(
                f"the tag {quote(event.tag)}",
                event.start_mark,
                "remove it; nothing is run from this file",
            )
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > MOST_SCALAR:
            what = f"a value of {len(event.value):,} characters, at most {MOST_SCALAR:,} are read"
            raise _Fault(what, event.start_mark, "shorten it")
        if self.depth > MOST_DEPTH:
            raise _Fault(
                f"values nested deeper than {MOST_DEPTH} levels",
                event.start_mark,
                "write them flat",
            )
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _Fault(
                    "a list or mapping as key",
                    key_node.start_mark,
                    "name the parameter in plain text",
                )
            if key_node.tag == "tag:yaml.org,2002:merge":
                raise _Fault("a merge key (<<)", key_node.start_mark, "write the values out")
            if key_node.value in seen:
                raise _Fault(
                    f"the key {quote(key_node.value)} twice",
                    key_node.start_mark,
                    "remove one of the two",
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        if (
            node.tag in _NUMBERS
            and isinstance(node, yaml.ScalarNode)
            and _AMBIGUOUS.search(node.value)
        ):
            what = f"{quote(node.value)}, which some readers of YAML take for another number"
            raise _Fault(
                what, node.start_mark, "write it as a plain decimal number or put it into quotes"
            )
        return super().construct_scalar(node)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:  # a number of 5,000 digits, a 31st of February
            what = f"a value that makes no sense ({quote(error, 100)})"
            raise _Fault(
                what, node.start_mark, "write a plain number or put it into quotes"
            ) from error


def read_document(path: Path) -> Any:
    """Return the values of a YAML file: None, text, numbers, lists and mappings with text as keys.

    Raises:
        ParamsError: the file is missing, no UTF-8, no YAML, or holds what `_Loader` or `_check`
            refuses.
    """
    remedy = "run from the repository root, pass --params, or restore the file with `git checkout params.yaml`"
    try:
        raw = read_bytes(path, MOST_BYTES)
        text = raw.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise ParamsError("parameter file not found", path, remedy) from error
    except OSError as error:
        raise ParamsError(f"cannot read the parameters ({error.strerror})", path, remedy) from error
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ParamsError(
            f"the parameters are no UTF-8 (line {line})", path, "save the file as UTF-8"
        ) from error
    try:
        values = yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        raise _explain(error, path) from error
    except yaml.YAMLError as error:  # a character that YAML does not allow
        reason = quote(getattr(error, "reason", error), 100)
        raise ParamsError(
            f"the parameters are no YAML ({reason})", path, "remove control characters"
        ) from error
    _check(values, (), path)
    return values


def _explain(error: yaml.MarkedYAMLError, path: Path) -> ParamsError:
    """Put the parser's complaint into one clause with the line and the column."""
    problem = quote(error.problem or error.context or "unknown", 120)
    mark = error.problem_mark or error.context_mark
    place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "unknown line"
    if isinstance(error, _Fault):
        return ParamsError(f"{problem} in the parameters ({place})", path, str(error.note))
    if "\\t" in problem:
        return ParamsError(f"a tab where spaces belong ({place})", path, "indent with spaces")
    return ParamsError(f"the parameters are no YAML ({problem}, {place})", path, "mend that line")


def _check(value: Any, keys: tuple[str, ...], path: Path) -> None:
    """Refuse what no parameter can be, naming its dotted key: the sections say what each has to
    be."""
    where = ".".join(keys) or path
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise ParamsError(f"the key {quote(key)} is no text", where, "put it into quotes")
            _check(inner, (*keys, quote(key)), path)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check(inner, (*keys, str(index)), path)
    elif isinstance(value, str):
        if any(ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in value):
            raise ParamsError(f"a control character in {quote(value)}", where, "remove it")
    elif isinstance(value, int):
        if abs(value) > MOST_NUMBER:
            raise ParamsError(f"a whole number beyond ±{MOST_NUMBER}", where, "write a smaller one")
    elif value is not None and not isinstance(value, float):
        raise ParamsError(
            f"a value is read as {type(value).__name__}, not text or number",
            where,
            "put it into quotes",
        )
