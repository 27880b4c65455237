"""How to repeat a run, and what each of its numbers means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from steelcli.reporting.metric_meanings import (
    DATA_MEANINGS,
    GROUP_MEANINGS,
    SHARE_MEANINGS,
    SPEED_MEANINGS,
    TEST_MEANINGS,
    TRAINING_MEANINGS,
)

_COMMIT = re.compile("[0-9a-f]{40}")


class Term(NamedTuple):
    """A number of a json file by its key, and what it means."""

    key: str
    meaning: str


def list_commands(settings: Mapping[str, str]) -> list[str]:
    """Return the commands that make this run again, and what stands in the way."""
    code = settings.get("run.code", "")
    commit = code.rstrip("+")
    commands = ["dvc repro", "steelcli report"]
    if not _COMMIT.fullmatch(commit):
        return ["# the commit of the code is not known", *commands]
    if code != commit:
        commands.insert(
            0,
            "# files differed, such as params.yaml after -S: see `dvc exp apply`",
        )
    return [f"git checkout {commit}", *commands]


def build_terms() -> list[Term]:
    """Return every number with its meaning, in the words of the tables."""
    meanings: dict[str, str] = {}
    for part in (GROUP_MEANINGS, SHARE_MEANINGS, TEST_MEANINGS, SPEED_MEANINGS):
        meanings |= part
    for part in (TRAINING_MEANINGS, DATA_MEANINGS):
        meanings = part | meanings
    return [Term(key, meanings[key]) for key in sorted(meanings)]
