"""Read sections of ``params.yaml`` into frozen, validated objects; every refusal names the dotted
key."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from steelcli.common.errors import ParamsError, quote
from steelcli.params.yaml_document import read_document

SECTIONS = ("data", "model", "train", "threshold", "evaluate", "report")


def _number(value: Any) -> Any:
    """Take ``1e-4`` for a number: YAML 1.1 readers hand it over as text for want of a dot."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


Float = Annotated[float, BeforeValidator(_number)]
"""A finite number; text such as ``1e-4`` counts as one."""


class Section(BaseModel):
    """One section of ``params.yaml``: frozen, no defaults, no extra keys, strict types, finite
    numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


S = TypeVar("S", bound=Section)


def read_params(path: Path) -> dict[str, Any]:
    """Return the raw mapping of ``params.yaml``.

    Raises:
        ParamsError: see `read_document`; no mapping, or an unknown section.
    """
    raw = read_document(path)
    if not isinstance(raw, dict):
        what = (
            "the parameter file is empty"
            if raw is None
            else "the parameters are no mapping of sections"
        )
        raise ParamsError(what, path, f"write the sections {', '.join(SECTIONS)}")
    for key in raw:
        if key not in SECTIONS:
            raise ParamsError("unknown section", quote(key), _advice(key, SECTIONS))
    return raw


def pick_section(raw: dict[str, Any], path: Path, name: str, kind: type[S]) -> S:
    """Return section ``name`` of what `read_params` read from ``path``, validated as ``kind``.

    Raises:
        ParamsError: a missing section, an unknown or missing key, a wrong type or a value out of
            range.
    """
    if name not in raw:
        raise ParamsError("missing section", name, f"add it to {path}")
    return parse_section(raw[name], name, kind)


def parse_section(raw: Any, name: str, kind: type[S]) -> S:
    """Validate the raw mapping of section ``name``; see `pick_section` for the errors."""
    try:
        text = json.dumps(raw)
    except (TypeError, ValueError, RecursionError) as error:
        what = f"a value is neither text, number, list nor mapping ({quote(error)})"
        raise ParamsError(what, name, "put it into quotes") from error
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise _explain(error, name, kind) from error


def _explain(error: ValidationError, name: str, kind: type[Section]) -> ParamsError:
    """Turn one of pydantic's complaints into a sentence with the dotted key."""
    complaints = error.errors(include_url=False)
    first = next(
        (one for one in complaints if one["type"] == "extra_forbidden"), complaints[0]
    )  # a slip of the key
    message, place, value = (
        first["msg"].removeprefix("Value error, "),
        list(first["loc"]),
        first["input"],
    )
    if not place and isinstance(
        value, dict
    ):  # a check of the whole section begins with the key it is about
        place = [key for key in value if message.startswith(f"{key} ")]
        value = value[place[0]] if place else value
    where = ".".join([name, *(quote(part) for part in place)])
    if first["type"] == "extra_forbidden":
        return ParamsError(
            "unknown parameter", where, _advice(str(place[-1]), _known(kind, place[:-1]))
        )
    if first["type"] == "missing":
        return ParamsError("missing parameter", where, "add it; params.yaml holds every parameter")
    shown = quote(json.dumps(value, default=str))
    return ParamsError(f"bad value {shown} ({quote(message, 200)})", where, "correct it")


def _known(kind: type[BaseModel], place: Sequence[object]) -> list[str]:
    """Return the parameters of the section, or of the section in it that ``place`` leads to."""
    for part in place:
        inner = kind.model_fields[str(part)].annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            kind = inner
    return list(kind.model_fields)


def _advice(key: str, known: tuple[str, ...] | list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {close[0]}" if close else f"known here: {', '.join(known)}"
