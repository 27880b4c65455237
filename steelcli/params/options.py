"""What to answer to `steelcli train --lr 1e-4`: parameters are set in another way."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from steelcli.params.all import Params
from steelcli.params.hints import find_meant, iter_names

_SECTIONS = {
    "prepare": "data",
    "check": "data",
    "tune-threshold": "threshold",
    "compare": "report",
}
"""Where a command's parameters stand, if not in the section of its own name."""
_NO_STAGES = ("check", "compare")


def explain_option(
    option: str, command: str, words: Sequence[str], misspelt: bool = True
) -> str | None:
    """Return how to set what an unknown option is called like, None where it is like nothing.

    Args:
        option: with its hyphens, such as ``--lr`` or ``--train.lr``.
        command: where it was given.
        words: all that was given there.
        misspelt: whether the option may be the slip of a parameter's name.
    """
    if option in ("-S", "--set-param"):
        return _call(words)
    names = list(iter_names(Params))
    leaves = [name for name in names if not any(other.startswith(f"{name}.") for other in names)]
    section, _, key = option.lstrip("-").rpartition(".")
    meant = find_meant(key, section or _SECTIONS.get(command, command), leaves, misspelt)
    if not meant:
        return None
    value = _find_value(option, words)
    if command in _NO_STAGES:
        return f"it is a parameter: set {meant[0]} to {value} in params.yaml"
    return f"it is a parameter: {_call(['-S', f'{meant[0]}={value}'])}"


def _call(arguments: Sequence[str]) -> str:
    return f"use `{shlex.join(['steelcli', 'run', *arguments])}`"


def _find_value(option: str, words: Sequence[str]) -> str:
    """Return what was given as ``--lr=1`` or ``--lr 1``."""
    for word, following in zip(words, [*words[1:], "VALUE"], strict=True):
        if word == option:
            return following
        if word.startswith(f"{option}="):
            return word.removeprefix(f"{option}=")
    return "VALUE"
