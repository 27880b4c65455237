"""Write a plan: the config's own text, the chosen values in it, a comment with each reason.

`dvc exp run -S` writes the file anew and loses a comment that follows a list. So a reason stands
above its key, or above the group of keys where a list comes before it in the group.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from steelcli.common.errors import ParamsError, escape

WIDTH = 100
_KEY = re.compile(r"  ([a-z_]+):")
_SECTION = re.compile(r"([a-z]+):")
_NOTE = re.compile(r"\s*# (planned|given) [a-z_]+: ")
_MORE = re.compile(r"\s*#   ")
_FIRST_LINE = "# Planned by `steelcli plan`"
_LAST_LINE = "# What it started from"


def set_values(path: Path, values: Mapping[str, Any]) -> None:
    """Change parameters of a YAML file by dotted name, with the writer that `-S` uses."""
    from dvc.utils.serialize import modify_yaml

    with modify_yaml(path) as document:
        for name, value in values.items():
            section, _, key = name.partition(".")
            document[section][key] = value


def annotate(
    text: str, notes: Mapping[str, tuple[str, str]], head: Sequence[str], origin: str
) -> str:
    """Return the text with a new head and a note for each parameter; notes of old plans go.

    Args:
        text: of a whole parameter file.
        notes: by dotted name: the word planned or given, and the reason.
        head: paragraphs about the whole.
        origin: name of the config.

    Raises:
        ParamsError: a parameter that does not stand on a line of its own.
    """
    lines = _drop_notes(_drop_head(text.splitlines()))
    places = _find_keys(lines)
    for name in notes.keys() - places.keys():
        remedy = "write each parameter on a line of its own, as params.yaml does"
        raise ParamsError(
            "there is no line for it to give a reason on", f"{origin}, {name}", remedy
        )
    for name in sorted(notes, key=places.__getitem__, reverse=True):
        word, reason = notes[name]
        key = name.partition(".")[2]
        lines[(at := _find_place(lines, places[name])) : at] = _wrap(
            f"{word} {key}: {reason}", "  # ", "  #   "
        )
    above = _wrap(f"{_FIRST_LINE.removeprefix('# ')} {head[0]}", "# ", "#   ")
    for paragraph in head[1:]:
        above += ["#", *_wrap(paragraph, "# ", "#   ")]
    above += ["#", *_wrap(f"{_LAST_LINE.removeprefix('# ')}, {origin}, said:", "# ", "#   "), "#"]
    return "\n".join([*above, *lines]) + "\n"


def _drop_head(lines: list[str]) -> list[str]:
    """Leave out the head of an earlier plan, which ends with the line on its origin."""
    if not lines or not lines[0].startswith(_FIRST_LINE):
        return lines
    for number, line in enumerate(lines):
        if line.startswith(_LAST_LINE):
            start = lines.index("#", number) + 1 if "#" in lines[number:] else number + 1
            return lines[start:]
    return lines


def _drop_notes(lines: Sequence[str]) -> list[str]:
    kept: list[str] = []
    is_note = False
    for line in lines:
        is_note = bool(_NOTE.match(line)) or (is_note and bool(_MORE.match(line)))
        if not is_note:
            kept.append(line)
    return kept


def _find_keys(lines: Sequence[str]) -> dict[str, int]:
    """Return the line of every parameter of a section, by dotted name."""
    places: dict[str, int] = {}
    section = ""
    for number, line in enumerate(lines):
        if match := _SECTION.match(line):
            section = match[1]
        elif match := _KEY.match(line):
            places[f"{section}.{match[1]}"] = number
    return places


def _find_place(lines: Sequence[str], key: int) -> int:
    """Return where a comment on the key at line ``key`` goes, see the head of this module."""
    start = key
    while lines[start - 1].strip() and not re.match(r"\s*#|\S", lines[start - 1]):
        start -= 1
    between = lines[start:key]
    is_safe = all(_KEY.match(line) and not re.search(r"(:|\]|\})$", line) for line in between)
    return key if is_safe else start


def _wrap(text: str, first: str, other: str) -> list[str]:
    return textwrap.wrap(
        escape(text),
        WIDTH,
        initial_indent=first,
        subsequent_indent=other,
        break_on_hyphens=False,
        break_long_words=False,
    )
