"""How do git and DVC stand in this folder?"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from steelcli.commands.finding import Finding
from steelcli.common.errors import quote
from steelcli.common.git import SET_IDENTITY, explain_no_git, has_changes, has_identity
from steelcli.common.paths import LOCK_PATH, STAGES_PATH

MAX_STATUS_SECONDS = 60
"""To wait for DVC, which reads data that it has not seen before."""
MAX_NAMED = 3
"""Changes named of a stage."""


def examine_git() -> Iterator[Finding]:
    """Say whether `steelcli run` can make the commits that experiments are."""
    if reason := explain_no_git():
        remedy = "`steelcli run` needs one: clone with git, or run `git init` and commit"
        yield Finding("git", "note", reason, remedy)
        return
    if has_changes():
        remedy = "commit, or let `steelcli run` keep the changes in its experiment"
        yield Finding("git", "note", "files differ from the current commit", remedy)
    else:
        yield Finding("git", "ok", "the files are those of the current commit")
    if has_identity():
        yield Finding("git identity", "ok", "a name and an address are set")
    else:
        says = "no name and address for the commits of experiments"
        yield Finding("git identity", "note", says, SET_IDENTITY)


def examine_dvc() -> Iterator[Finding]:
    """Say whether this is a DVC repository, and which stages are out of date."""
    if not (Path(".dvc").is_dir() and STAGES_PATH.is_file()):
        says = f"this is not the root of a DVC repository: no .dvc or no {STAGES_PATH}"
        remedy = "`steelcli run` needs one: change to the folder that holds both"
        yield Finding("dvc repository", "note", says, remedy)
        return
    yield Finding("dvc repository", "ok", "initialised")
    if not LOCK_PATH.exists():
        yield Finding("dvc.lock", "note", "there is none: no stage has run", "run `steelcli run`")
        return
    command = [sys.executable, "-m", "dvc", "status", "--json"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=MAX_STATUS_SECONDS
        )
    except subprocess.TimeoutExpired:
        says = f"`dvc status` takes more than {MAX_STATUS_SECONDS} s: it reads new data"
        yield Finding("dvc.lock", "note", says, "run `dvc status` and wait")
        return
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it says nothing"]
        says = f"`dvc status` fails ({quote(lines[0], 160)})"
        yield Finding("dvc.lock", "note", says, "run `dvc status` and mend what it says")
        return
    stages = json.loads(done.stdout)
    if not stages:
        yield Finding("dvc.lock", "ok", "in step: no stage is out of date")
    for name, changes in stages.items():
        says = f"stage {name} is out of date: {_describe_changes(changes)}"
        yield Finding("dvc.lock", "note", says, _find_remedy(name))


def _describe_changes(changes: list[Any]) -> str:
    """Name what changed of a stage.

    Args:
        changes: as DVC prints them: texts, and mappings of a kind of change to what changed.
    """
    names: list[str] = []
    for change in changes:
        if isinstance(change, str):
            names.append(change)
            continue
        for paths in change.values():
            names += [f"{path} {_describe_change(state)}" for path, state in paths.items()]
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more


def _describe_change(state: Any) -> str:
    """Return one word, or for a file of parameters the names that differ."""
    return f"({', '.join(state)})" if isinstance(state, Mapping) else str(state)


def _find_remedy(stage: str) -> str:
    """Return the command that runs a stage; those of other files are no part of `steelcli run`."""
    return f"run `dvc repro {stage}`" if ":" in stage else "run `steelcli run`"
