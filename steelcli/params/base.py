"""Read sections of ``params.yaml`` into frozen, validated objects; every refusal names the dotted key."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from steelcli.errors import ParamsError

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
    """One section of ``params.yaml``: frozen, no defaults, no extra keys, strict types, finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


S = TypeVar("S", bound=Section)


def read_params(path: Path) -> dict[str, Any]:
    """Return the raw mapping of ``params.yaml``.

    Raises:
        ParamsError: the file is missing, no YAML, no mapping, or has an unknown section.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ParamsError("parameter file not found", path, "run from the repository root or pass --params") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ParamsError(f"cannot read the parameters ({reason})", path, "mend the YAML") from error
    if not isinstance(raw, dict):
        raise ParamsError(
            "the parameters are no mapping of sections", path, f"write the sections {', '.join(SECTIONS)}"
        )
    for key in raw:
        if key not in SECTIONS:
            raise ParamsError("unknown section", key, _advice(str(key), SECTIONS))
    return raw


def load_section(path: Path, name: str, kind: type[S]) -> S:
    """Return section ``name`` of the file ``path``, validated as ``kind``.

    Raises:
        ParamsError: a missing section, an unknown or missing key, a wrong type or a value out of range.
    """
    raw = read_params(path)
    if name not in raw:
        raise ParamsError("missing section", name, f"add it to {path}")
    return parse_section(raw[name], name, kind)


def parse_section(raw: Any, name: str, kind: type[S]) -> S:
    """Validate the raw mapping of section ``name``; see `load_section` for the errors."""
    try:
        text = json.dumps(raw)
    except (TypeError, ValueError) as error:
        raise ParamsError(f"a value is neither text, number, list nor mapping ({error})", name, "quote it") from error
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise _explain(error, name, kind) from error


def _explain(error: ValidationError, name: str, kind: type[Section]) -> ParamsError:
    """Turn pydantic's first complaint into one sentence with the dotted key."""
    first = error.errors(include_url=False)[0]
    where = ".".join([name, *(str(part) for part in first["loc"])])
    if first["type"] == "extra_forbidden":
        return ParamsError("unknown parameter", where, _advice(str(first["loc"][-1]), list(kind.model_fields)))
    if first["type"] == "missing":
        return ParamsError("missing parameter", where, "add it; params.yaml holds every parameter")
    message = first["msg"].removeprefix("Value error, ")
    shown = json.dumps(first["input"], default=str)
    return ParamsError(f"bad value {shown if len(shown) < 60 else shown[:57] + '...'} ({message})", where, "correct it")


def _advice(key: str, known: tuple[str, ...] | list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {close[0]}" if close else f"known here: {', '.join(known)}"
