"""What later stages use of a training's ``args.json``, checked when it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from steelcli.common.errors import ModelError, ParamsError
from steelcli.common.inputs import read_json
from steelcli.common.paths import MAKE_MODEL
from steelcli.params.section import Section, parse_section
from steelcli.params.train import Monitor, Tracker


class _Part(Section):
    """Some keys of a mapping; the others are for the reader."""

    model_config = ConfigDict(extra="ignore")


class TrackedRun(Section):
    """What a run is called by its trackers, see `Trackers`; safe as names of folders."""

    key: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    name: Annotated[str, Field(pattern=r"^[^./\\][^/\\]{0,199}$")]
    mlflow: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None


class _TrainPart(_Part):
    monitor: Monitor
    trackers: tuple[Tracker, ...]


class _RunPart(_Part):
    trackers: TrackedRun | None = None


class RunSettings(_Part):
    """How a training ended up: its monitor and its trackers."""

    train: _TrainPart
    run: _RunPart


def read_settings(path: Path) -> tuple[dict[str, Any], RunSettings]:
    """Return the whole content of ``args.json``, and what of it later stages act on.

    Raises:
        RunError: the file is missing or broken.
        ModelError: settings that no training wrote.
    """
    values = read_json(path, MAKE_MODEL)
    try:
        return values, parse_section(values, "args.json", RunSettings)
    except ParamsError as error:
        key = error.where.removeprefix("args.json.")
        what = f"the run's settings are wrong at {key}: {error.what}"
        raise ModelError(what, path, MAKE_MODEL) from error
