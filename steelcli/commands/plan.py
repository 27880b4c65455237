"""`steelcli plan`: from raw data and this machine to a params.yaml that says why.

Its model is nnU-Net's fingerprint and plan (Isensee et al. 2021). What it does not decide stays as
in the config, and the head of the file names it.
"""

from __future__ import annotations

import os
import shlex
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import steelcli
from steelcli.commands.overrides import change_copies
from steelcli.commands.plan_batch import describe_machine, plan_batch, plan_precision, plan_workers
from steelcli.commands.plan_choices import Choices, find_names
from steelcli.commands.plan_data import Splits, plan_reading, plan_splits
from steelcli.commands.plan_file import annotate, set_values
from steelcli.commands.plan_network import plan_network
from steelcli.commands.plan_size import plan_areas, plan_size
from steelcli.commands.plan_time import (
    measure,
    plan_epochs,
    plan_minutes,
    plan_schedule,
)
from steelcli.common.errors import ParamsError, RunError
from steelcli.common.git import read_revision
from steelcli.common.outputs import staged_file
from steelcli.common.paths import PARAMS_PATH
from steelcli.common.progress import put, say
from steelcli.data.raw.survey import Survey
from steelcli.data.raw.suspicions import Finding, count_sizes
from steelcli.model.device import pick_device
from steelcli.params.all import load_params
from steelcli.reporting.table import MEANING, Table, show_tables

CONFIGS_DIR = Path("configs")
ON_CPU, ON_GPU = "fast-cpu", "strong"


@dataclass(frozen=True)
class Plan:
    """A parameter file and how it came about.

    Attributes:
        text: of the file.
        table: of the values that were chosen or given.
    """

    text: str
    table: Table


def plan(path: Path, config: str | None, given: Sequence[str], minutes: int | None) -> Plan:
    """Survey the raw data under ``path`` and this machine; decide what follows from them.

    Args:
        path: folder of raw data, relative to the working folder or absolute.
        config: name of a file of `CONFIGS_DIR`, or a file; None takes the machine's.
        given: changes as after ``-S``; they are kept.
        minutes: that the whole run may take; None takes the recipe's epochs.

    Raises:
        UserError: no such config, a wrong value, faulty data, or too few minutes.
    """
    config_path = find_config(config)
    names = find_names(given)
    if minutes is not None and "train.epochs" in names:
        raise ParamsError("train.epochs is given as well", "--minutes", "give one of the two")
    if "data.root" in names:
        raise ParamsError("it is the folder to plan for", "data.root", "give it as PATH alone")
    with closing(change_copies(given, False, config_path)) as copies:
        copy_path = next(copies)
        choices = Choices(load_params(copy_path), names)
        text = copy_path.read_text(encoding="utf-8-sig")
    before = load_params(config_path).train
    choices.choose("data.root", name_root(path), "given as PATH")
    started = time.perf_counter()
    found = plan_reading(choices)
    reading = time.perf_counter() - started
    plan_size(choices, found.results)
    splits = plan_splits(choices, found)
    plan_network(choices)
    plan_precision(choices)
    plan_batch(choices, splits.count("train"))
    plan_workers(choices)
    if minutes is None:
        plan_epochs(choices, splits)
    else:
        plan_minutes(choices, splits, measure(choices, found, splits, reading), minutes)
    plan_schedule(choices, before)
    plan_areas(choices, found.results)
    command = _write_command(path, config, given, minutes)
    head = _describe(choices, found, splits, config_path, command)
    return Plan(_format(text, choices, head, config_path), _build_table(choices, config_path))


def show_plan(plan: Plan, params_path: Path | None) -> None:
    """Print the values and reasons of a file that was written, or the file where none was."""
    if params_path is None:
        put(plan.text.rstrip("\n"))
        return
    show_tables([plan.table])
    where = "" if params_path == PARAMS_PATH else f", in the place of {PARAMS_PATH},"
    say(f"{params_path} is written; `steelcli run`{where} trains with it")


def write_plan(plan: Plan, params_path: Path) -> None:
    """Put the file into place in one step, once it is known to be read.

    Raises:
        RunError: it cannot be written.
    """
    with staged_file(params_path) as partial_path:
        partial_path.write_text(plan.text, encoding="utf-8", newline="\n")


def refuse_changed(params_path: Path) -> None:
    """Refuse to replace a parameter file that git could not bring back.

    Raises:
        RunError: it differs from the one committed, or none is.
    """
    if not os.path.lexists(params_path):
        return
    committed = read_revision("HEAD", params_path)
    if committed is None or not params_path.is_file() or params_path.read_bytes() != committed:
        what = "the file holds what git does not, such as an earlier plan, and would be replaced"
        raise RunError(what, params_path, "commit or move it, or add --force")


def find_config(config: str | None) -> Path:
    """Return the file that a plan starts from.

    Raises:
        ParamsError: there is none of this name.
    """
    name = config or (ON_GPU if pick_device().type == "cuda" else ON_CPU)
    if config and Path(config).is_file():
        return Path(config)
    package_dir = Path(steelcli.__file__).parent
    folders = (CONFIGS_DIR, package_dir.parent / CONFIGS_DIR)
    for folder in folders:
        if (folder / f"{name}.yaml").is_file():
            return folder / f"{name}.yaml"
    known = sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})
    if not known:
        remedy = "stand in the clone or give --config FILE"
        raise ParamsError("configs/ is not here", f"{name}.yaml", remedy)
    remedy = f"name a file, or one of {', '.join(known)}"
    raise ParamsError("there is no such config", f"--config {name}", remedy)


def name_root(path: Path) -> str:
    """Return ``data.root`` for a folder: relative within the working folder, else absolute.

    DVC runs some experiments in another folder, where a way out of this one leads elsewhere.
    """
    here = Path.cwd()
    whole = Path(os.path.normpath(here / path))  # a link stays the name of what it leads to
    return (whole.relative_to(here) if whole.is_relative_to(here) else whole).as_posix()


def _write_command(
    path: Path, config: str | None, given: Sequence[str], minutes: int | None
) -> str:
    words = ["steelcli", "plan", str(path), *(["--config", config] if config else [])]
    for text in given:
        words += ["--set", text]
    return shlex.join(words + ([f"--minutes={minutes}"] if minutes else []))


def _describe(
    choices: Choices, found: Survey[Finding], splits: Splits, config_path: Path, command: str
) -> list[str]:
    """Return the paragraphs of the file's head."""
    sizes = count_sizes(found)
    shown = ", ".join(f"{count} {kind} of {size}" for kind, size, count in sizes[:3])
    more = f" and {len(sizes) - 3} more" if len(sizes) > 3 else ""
    left_out = f"; {found.left_out} with a fault are left out" if found.left_out else ""
    counts = " / ".join(str(splits.count(name)) for name in ("train", "val", "test"))
    versions = f"steelcli {steelcli.__version__}, torch {torch.__version__}"
    return [
        f"from {config_path.as_posix()}: {command}",
        f"Data: {found.source.format}, {shown}{more}{left_out}; train / val / test {counts}.",
        f"Machine: {describe_machine()}; {versions}.",
        f"Not decided, as in {config_path.as_posix()}: {_list_undecided(choices)}.",
    ]


def _list_undecided(choices: Choices) -> str:
    """Return the names of what was neither chosen nor given, section by section."""
    sections: dict[str, list[str]] = {}
    for name in _list_names(choices):
        section, _, key = name.partition(".")
        if name not in choices.reasons and not choices.is_given(name):
            sections.setdefault(section, []).append(key)
    return "; ".join(f"{section} {', '.join(keys)}" for section, keys in sections.items())


def _list_names(choices: Choices) -> list[str]:
    """Return the dotted name of every key of a section."""
    dumped = choices.params.model_dump()
    return [f"{section}.{key}" for section, values in dumped.items() for key in values]


def _format(text: str, choices: Choices, head: Sequence[str], config_path: Path) -> str:
    """Return the config's text with the values and their reasons, known to load."""
    notes = {name: ("planned", reason) for name, reason in choices.reasons.items()}
    notes |= dict.fromkeys(_given_names(choices), ("given", "with --set"))
    values = {name: choices.value(name) for name in choices.reasons}
    with tempfile.TemporaryDirectory() as folder:
        copy_path = Path(folder) / PARAMS_PATH.name
        copy_path.write_text(text, encoding="utf-8")
        set_values(copy_path, values)
        planned = annotate(copy_path.read_text(encoding="utf-8"), notes, head, config_path.name)
        copy_path.write_text(planned, encoding="utf-8")
        load_params(copy_path)
    return planned


def _given_names(choices: Choices) -> list[str]:
    """Return the names of a section's keys that were given, whole or in part."""
    return [name for name in _list_names(choices) if choices.is_given(name)]


def _build_table(choices: Choices, config_path: Path) -> Table:
    names = dict.fromkeys(_given_names(choices), "given with --set") | choices.reasons
    rows = [
        (name, _show(choices.value(name)), names[name])
        for name in _list_names(choices)
        if name in names
    ]
    note = f"All else is as in {config_path.as_posix()}; the head of the file names it."
    return Table("Planned", ("parameter", "value", MEANING), tuple(rows), note)


def _show(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
