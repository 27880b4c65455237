"""Every fixed path, once, relative to the folder a command runs in."""

from __future__ import annotations

from pathlib import Path

PARAMS_PATH = Path("params.yaml")

STORE_DIR = Path("data/prepared")
MODELS_DIR = Path("models")
METRICS_DIR = Path("metrics")
PREDICTIONS_DIR = Path("predictions/test")
REPORT_PATH = Path("reports/report.html")
TRACKERS_DIR = Path("trackers")

DATA_METRICS_PATH = METRICS_DIR / "data.json"
TRAIN_METRICS_PATH = METRICS_DIR / "train.json"
THRESHOLD_PATH = METRICS_DIR / "threshold.json"
THRESHOLD_CURVE_PATH = METRICS_DIR / "threshold_curve.csv"

PROBLEMS_NAME = "data_problems.csv"
"""Beside `DATA_METRICS_PATH`: every fault of the raw data."""
STATES_NAME = ".steelcli/train"
"""Beside `MODELS_DIR`: the states of interrupted trainings, ignored by git and no output of DVC."""
