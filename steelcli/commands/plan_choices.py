"""What `steelcli plan` has chosen so far, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from steelcli.common.errors import ParamsError, quote
from steelcli.common.paths import PARAMS_PATH
from steelcli.params.all import Params


def find_names(given: Sequence[str]) -> frozenset[str]:
    """Return the parameters that changes written as after ``-S`` name, found as DVC does.

    Raises:
        ParamsError: a change of another file.
    """
    from dvc.utils.cli_parse import to_path_overrides

    overrides = to_path_overrides(given)
    for file in overrides:
        if file != PARAMS_PATH.name:
            what, remedy = "--set changes another file", f"name a parameter of {PARAMS_PATH}"
            raise ParamsError(what, quote(file, 200), remedy)
    texts = overrides.get(PARAMS_PATH.name, [])
    return frozenset(text.lstrip("+~").partition("=")[0] for text in texts)


class Choices:
    """Parameters on their way from a config to a plan.

    Attributes:
        params: all values, those chosen so far among them; not validated again.
        given: names set on the command line, which are never chosen.
        reasons: why each chosen value is what it is, a clause by dotted name.
    """

    def __init__(self, params: Params, given: frozenset[str]) -> None:
        self.params, self.given = params, given
        self.reasons: dict[str, str] = {}

    def is_given(self, name: str) -> bool:
        """Tell whether a parameter, a part of it or its section was set on the command line."""
        return any(f"{name}.".startswith(f"{given}.") for given in self.given) or any(
            given.startswith(f"{name}.") for given in self.given
        )

    def choose(self, name: str, value: Any, reason: str) -> None:
        """Set a parameter of a section, unless it was given."""
        if self.is_given(name):
            return
        section, _, key = name.partition(".")
        changed = getattr(self.params, section).model_copy(update={key: value})
        self.params = self.params.model_copy(update={section: changed})
        self.reasons[name] = reason

    def value(self, name: str) -> Any:
        """Return a parameter's value as YAML writes it."""
        section, _, key = name.partition(".")
        value = getattr(getattr(self.params, section), key)
        return list(value) if isinstance(value, tuple) else value
