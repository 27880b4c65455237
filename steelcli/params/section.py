"""Turn sections of ``params.yaml`` into frozen objects; every error names the dotted key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from steelcli.common.errors import ParamsError, quote
from steelcli.params.yaml_document import read_document

SECTIONS = ("data", "model", "train", "threshold", "evaluate", "report")


def _parse_number(value: Any) -> Any:
    """Take text such as ``1e-4`` for a number: other YAML readers and writers make it text."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value


def _refuse_control_characters(text: str) -> str:
    if any(ord(character) < 32 for character in text):
        raise ValueError("a control character stands in it")
    return text


Float = Annotated[float, BeforeValidator(_parse_number)]
"""A finite number; text such as ``1e-4`` counts as one."""
Whole = Annotated[int, Field(ge=0, le=2**53)]
"""A whole number, small enough to be exact as a float."""
Count = Annotated[Whole, Field(ge=1)]
Text = Annotated[str, AfterValidator(_refuse_control_characters)]


class Section(BaseModel):
    """One section of ``params.yaml``: frozen, no extra keys, strict types, finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


S = TypeVar("S", bound=Section)


def read_params(path: Path) -> dict[str, Any]:
    """Return the raw mapping of ``params.yaml``.

    Raises:
        ParamsError: see `read_document`; no mapping.
    """
    raw = read_document(path)
    remedy = f"write the sections {', '.join(SECTIONS)}"
    if raw is None:
        raise ParamsError("the parameter file is empty", path, remedy)
    if not isinstance(raw, dict):
        raise ParamsError("the parameters are no mapping of sections", path, remedy)
    return raw


def pick_section(raw: dict[str, Any], path: Path, name: str, kind: type[S]) -> S:
    """Return section ``name`` of what `read_params` read from ``path``, validated as ``kind``.

    Raises:
        ParamsError: a missing section; an unknown or missing key; a wrong type or range.
    """
    if name not in raw:
        raise ParamsError("missing section", name, f"add it to {path}")
    return parse_section(raw[name], name, kind)


def parse_section(raw: Any, name: str, kind: type[S]) -> S:
    """Validate the raw mapping of section ``name``; see `pick_section` for the errors."""
    try:
        text = json.dumps(raw, ensure_ascii=False, default=_name_type).encode()
    except (TypeError, ValueError, RecursionError) as error:  # a list as key, half a character
        what = f"a value is neither text, number, list nor mapping ({quote(error)})"
        raise ParamsError(what, name, "put it into quotes or correct it") from error
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise _explain(error, name, raw) from error


def _name_type(value: object) -> dict[str, str]:
    """Stand in for a value that JSON does not know, such as a date: no parameter takes it."""
    return {"type": type(value).__name__}


def _explain(error: ValidationError, name: str, raw: Any) -> ParamsError:
    """Turn one of pydantic's complaints into a sentence with the dotted key.

    Where a key takes values of two kinds, pydantic has a complaint of each kind.
    """
    errors = error.errors(include_url=False)
    first = errors[0]
    place, value = _find_place(first["loc"], raw), first["input"]
    messages = [each["msg"] for each in errors if _find_place(each["loc"], raw) == place]
    message = " or ".join(messages).removeprefix("Value error, ")
    where = ".".join([name, *(quote(part) for part in place)])
    if first["type"] == "extra_forbidden":
        return ParamsError("unknown parameter", where, "remove it")
    if first["type"] == "missing" and isinstance(place[-1], str):  # not a number of a list
        return ParamsError("missing parameter", where, "add it; params.yaml holds every parameter")
    shown = quote(json.dumps(value, default=str))
    return ParamsError(f"bad value {shown} ({quote(message, 200)})", where, "correct it")


def _find_place(loc: tuple[int | str, ...], raw: Any) -> list[int | str]:
    """Return pydantic's path to a value without the kinds in between, such as literal['auto']."""
    place: list[int | str] = []
    for part in loc:
        is_key = isinstance(raw, dict) and part in raw
        if isinstance(part, str) and "[" in part and not is_key:
            continue
        place.append(part)
        is_index = isinstance(raw, list) and isinstance(part, int) and part < len(raw)
        raw = raw[part] if is_key or is_index else None
    return place
