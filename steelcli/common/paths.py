"""Every fixed path and file name, and the command that makes each, once.

Paths are relative to the folder a command runs in.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

PARAMS_PATH = Path("params.yaml")
LOCK_PATH = Path("dvc.lock")
STAGES_PATH = Path("dvc.yaml")

SYNTHETIC_DIR = Path("data/synthetic/project")
CHECKED_PATH = Path("data/params-checked")
"""What the stage `check-params` writes; DVC runs the other stages after it."""
STORE_DIR = Path("data/prepared")
WEIGHTS_DIR = Path("data/weights")
"""Files of encoder weights; dvc.yaml makes the stage `train` depend on the one that is used."""
MODELS_DIR = Path("models")
METRICS_DIR = Path("metrics")
PREDICTIONS_DIR = Path("predictions")
VAL_PREDICTIONS_DIR = PREDICTIONS_DIR / "val"
TEST_PREDICTIONS_DIR = PREDICTIONS_DIR / "test"
REPORT_PATH = Path("reports/report.html")
EXPORTS_DIR = Path("exports")
TRACKERS_DIR = Path("trackers")

# in METRICS_DIR
DATA_NAME = "data.json"
PROBLEMS_NAME = "data_problems.csv"
TRAIN_NAME = "train.json"
THRESHOLD_NAME = "threshold.json"
THRESHOLD_CURVE_NAME = "threshold_curve.csv"
TEST_NAME = "test.json"
TEST_IMAGES_NAME = "test_images.csv"
TEST_DEFECTS_NAME = "test_defects.csv"
TEST_POINTS_NAME = "test_points.csv"
PR_CURVE_NAME = "pr_curve.csv"
FROC_NAME = "froc.csv"
RELIABILITY_NAME = "reliability.csv"
EXPORT_NAME = "export.json"

OWN_NAMES = ("data", "train", "threshold", "test", "export")
"""The commands' own json files in METRICS_DIR, without suffix; other models have other names."""

DATA_METRICS_PATH = METRICS_DIR / DATA_NAME
TRAIN_METRICS_PATH = METRICS_DIR / TRAIN_NAME
THRESHOLD_PATH = METRICS_DIR / THRESHOLD_NAME
THRESHOLD_CURVE_PATH = METRICS_DIR / THRESHOLD_CURVE_NAME

ARGS_NAME = "args.json"
"""In `MODELS_DIR`: the parameters and facts of the run."""
STATES_NAME = ".steelcli/train"
"""Beside `MODELS_DIR`: the states of interrupted trainings, ignored by git and no output of DVC."""
STATES_VARIABLE = "STEELCLI_STATE_DIR"
"""Of the environment: a folder that outlives that of an experiment, and holds these states then.

Experiments of a queue share it, so that no run removes another one's, see `StateDir`."""
FORMER_DIR = Path(".steelcli/before")
"""What stood before the `steelcli run` that is at work."""

MAKE_STORE = "run `dvc repro prepare` or `steelcli prepare`"
MAKE_MODEL = "run `dvc repro train` or `steelcli train`"
MAKE_THRESHOLD = "run `dvc repro tune-threshold` or `steelcli tune-threshold`"
MAKE_TEST = "run `dvc repro evaluate` or `steelcli evaluate`"
RESTART_TRAINING = "run `steelcli train --restart` to start the training afresh"


def find_states(models_dir: Path) -> Path:
    """Return the folder of the states of interrupted trainings."""
    given = os.environ.get(STATES_VARIABLE)
    return (Path(given) if given else models_dir.parent) / STATES_NAME


def overlay_name(image: str, kind: str, rank: int) -> str:
    """Return the name of an overlay, in the folder ``overlays`` of `TEST_PREDICTIONS_DIR`.

    Args:
        image: name of the image, with folders.
        kind: worst, median or best.
        rank: from 1 on.
    """
    stem = str(PurePosixPath(image).with_suffix("")).replace("/", "_")
    return f"{kind}_{rank}_{stem}.png"


def epochs_name(seed: int | str) -> str:
    """Return the name, in `MODELS_DIR`, of the csv with a row per epoch."""
    return f"metrics_seed{seed}.csv"
