"""Experiment trackers beside the csv, through Accelerate.

Each keeps one run, from the first epoch to the test scores.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from accelerate import PartialState
from accelerate.tracking import (
    DVCLiveTracker,
    GeneralTracker,
    MLflowTracker,
    TensorBoardTracker,
    WandBTracker,
)

from steelcli.common.errors import ParamsError, RunError
from steelcli.common.paths import TRACKERS_DIR
from steelcli.common.progress import say
from steelcli.common.settings import flatten

PROJECT = "steelcli"


def check_trackers(names: Sequence[str]) -> None:
    """Raise a ParamsError for a tracker whose package is not installed."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            remedy = f"run `pip install {name}` or remove it"
            raise ParamsError(f"{name} is not installed", "train.trackers", remedy)


class Trackers:
    """Started trackers; one that fails later is reported once and dropped.

    Args:
        names: packages, see ``train.trackers``.
        run: the trackers' entry of ``args.json``; empty for a new run, and filled here: ``key``
            stands for the run and ``mlflow`` is MLflow's own identifier. A later stage that passes
            it logs into the same run.

    Raises:
        RunError: a tracker cannot be started, because its server cannot be reached, for instance.
    """

    def __init__(self, names: Sequence[str], run: dict[str, str]) -> None:
        self._started: dict[str, GeneralTracker] = {}
        if names:
            PartialState()  # Accelerate's trackers ask it which process they are in
        for name in names:
            try:
                tracker = _BUILDERS[name](run)
                tracker.start()
                if name == "mlflow":
                    run["mlflow"] = tracker.tracker.info.run_id
            except Exception as error:  # each package raises errors of its own
                what = f"{name} cannot be started ({_first_line(error)})"
                remedy = "mend its settings or its connection, or remove it"
                raise RunError(what, "train.trackers", remedy) from error
            self._started[name] = tracker

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Send parameters and facts of the run; nested ones under dotted names."""
        self._each(lambda tracker: tracker.store_init_configuration(_flatten(settings)))

    def log(self, values: Mapping[str, Any], step: int | None = None) -> None:
        """Send numbers; None is left out."""
        flat = _flatten(values)
        numbers = {key: value for key, value in flat.items() if isinstance(value, (int, float))}
        self._each(lambda tracker: tracker.log(numbers, step=step))

    def finish(self) -> None:
        """Close the runs, so that all is written."""
        self._each(lambda tracker: tracker.finish())
        self._started.clear()

    def _each(self, action: Callable[[GeneralTracker], None]) -> None:
        for name, tracker in list(self._started.items()):
            try:
                action(tracker)
            except Exception as error:  # each package raises errors of its own
                del self._started[name]
                reason = f"{name} takes no more values ({_first_line(error)})"
                say(f"{reason}; they are in the csv all the same")


def name_run(settings: Mapping[str, Any]) -> str:
    """Return what the trackers call a run, fit for the name of a folder.

    It is the DVC experiment's name, else it is made of network, rate and seed.
    """
    model, train = settings["model"], settings["train"]
    name = f"{model['architecture']}-{model['encoder_name']}-lr{train['lr']:g}-seed{train['seed']}"
    return re.sub(r"^\.|[/\\]", "-", os.environ.get("DVC_EXP_NAME", name))[:200]


def _wandb(run: Mapping[str, str]) -> GeneralTracker:
    TRACKERS_DIR.mkdir(exist_ok=True)
    return WandBTracker(
        PROJECT, id=run["key"], name=run["name"], resume="allow", dir=str(TRACKERS_DIR)
    )


def _mlflow(run: Mapping[str, str]) -> GeneralTracker:
    import mlflow

    artifacts = None
    if "MLFLOW_TRACKING_URI" not in os.environ:
        TRACKERS_DIR.mkdir(exist_ok=True)
        mlflow.set_tracking_uri(f"sqlite:///{TRACKERS_DIR.resolve() / 'mlflow.db'}")
        artifacts = (TRACKERS_DIR / "mlflow").resolve().as_uri()
    return MLflowTracker(
        PROJECT, logging_dir=artifacts, run_id=run.get("mlflow"), run_name=run["name"]
    )


def _tensorboard(run: Mapping[str, str]) -> GeneralTracker:
    return TensorBoardTracker(f"{run['name']}-{run['key']}", TRACKERS_DIR / "tensorboard")


def _dvclive(run: Mapping[str, str]) -> GeneralTracker:
    folder = TRACKERS_DIR / "dvclive" / f"{run['name']}-{run['key']}"
    return DVCLiveTracker(dir=str(folder), resume=True, save_dvc_exp=False, dvcyaml=None)


_BUILDERS: dict[str, Callable[[Mapping[str, str]], GeneralTracker]] = {
    "wandb": _wandb,
    "mlflow": _mlflow,
    "tensorboard": _tensorboard,
    "dvclive": _dvclive,
}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _flatten(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings under dotted names, lists as text: what every tracker takes."""
    flat = flatten(settings)
    for key, value in flat.items():
        if not isinstance(value, (int, float, str, bool)):
            flat[key] = str(value)
    return flat
