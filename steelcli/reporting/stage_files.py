"""Read what the other stages wrote, for the report.

Every error names the file and the command that makes it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelcli.common import paths
from steelcli.common.errors import RunError, quote
from steelcli.common.inputs import MAX_CSV_BYTES, read_bytes, read_columns, read_json
from steelcli.common.metrics_file import Metrics, read_metrics
from steelcli.common.settings import flatten
from steelcli.reporting.other_models import read_others
from steelcli.scores.columns import (
    DEFECT_COLUMNS,
    FROC_COLUMNS,
    NUMBER_COLUMNS,
    POINT_COLUMNS,
    RELIABILITY_COLUMNS,
)

REMEDIES = {
    "data": paths.MAKE_STORE,
    "train": paths.MAKE_MODEL,
    "threshold": paths.MAKE_THRESHOLD,
    "test": paths.MAKE_TEST,
}
"""The command that makes each input."""
POINT = ("threshold", "min_area_px")
"""What `tune-threshold` froze."""
MAX_SHOWN_ROWS = 100
"""Of a csv file that is shown row by row; ours have 15 at most."""
EPOCHS_SHOWN = (
    "epoch",
    "train_loss",
    "val_loss",
    "val_dice_opt",
    "val_iou_opt",
    "val_dice_fixed",
    "val_iou_fixed",
    "val_dice_defect_opt",
    "val_f1_opt",
    "learning_rate",
    "grad_norm",
    "train_images_per_second",
)
CURVE_SHOWN = ("threshold", "dice", "dice_defect", "f1", "iou", "clean_false_alarm", "front")
"""Columns that charts draw."""
Columns = dict[str, list[float]]
"""A csv file by column; an empty cell is NaN."""


@dataclass(frozen=True)
class Results:
    """All that the other stages wrote.

    Attributes:
        data, training, threshold, test: json files as they are.
        settings: of the training, as text under dotted names.
        image_names, images: the test images and their numbers.
        defect_images, defect_classes, defects: of each true defect of the test images its image,
            its class, and its numbers.
        points: the counts of the test images at every threshold with every area.
        epochs, thresholds, pr_curve, froc, reliability: csv files.
        others: the json file of each other model, by its name.
    """

    data: dict[str, Any]
    training: dict[str, Any]
    threshold: dict[str, Any]
    test: dict[str, Any]
    settings: dict[str, str]
    image_names: list[str]
    images: Columns
    defect_images: list[str]
    defect_classes: list[str]
    defects: Columns
    points: Columns
    epochs: Columns
    thresholds: Columns
    pr_curve: Columns
    froc: Columns
    others: dict[str, Metrics]
    reliability: Columns


def read_results(metrics_dir: Path, models_dir: Path) -> Results:
    """Read every file the report shows.

    Raises:
        RunError: a file is missing, cannot be read, lacks a column, or belongs to other data or to
            another training than the models.
    """
    settings = _read_settings(models_dir / paths.ARGS_NAME)
    epochs_path = models_dir / paths.epochs_name(settings["train.seed"])
    images_path = metrics_dir / paths.TEST_IMAGES_NAME
    defects_path = metrics_dir / paths.TEST_DEFECTS_NAME

    def read(name: str, numbers: Sequence[str] = ()) -> Metrics:
        path = metrics_dir / f"{name}.json"
        metrics = read_metrics(path, REMEDIES[name], numbers)
        _refuse_other_run(path, metrics, settings, models_dir)
        return metrics

    data = read("data")
    training = read("train", ("best_epoch",))
    threshold = read("threshold", (*POINT, "clean_false_alarm"))
    test = read("test", (*POINT, "auprc_low", "auprc_high"))
    if any(test.values.get(name) != threshold.values.get(name) for name in POINT):
        what = "the test images were scored at another threshold or area than was learned last"
        raise RunError(what, metrics_dir / paths.TEST_NAME, paths.MAKE_TEST)
    defect_texts = _read_texts(defects_path, DEFECT_COLUMNS[:2], "test", test)
    return Results(
        data=data.values,
        training=training.values,
        threshold=threshold.values,
        test=test.values,
        settings=settings,
        image_names=_read_texts(images_path, ("image",), "test", test)["image"],
        images=_read_columns(images_path, NUMBER_COLUMNS, "test", test),
        defect_images=defect_texts["image"],
        defect_classes=defect_texts["class"],
        defects=_read_columns(defects_path, DEFECT_COLUMNS[2:], "test", test),
        points=_read_columns(metrics_dir / paths.TEST_POINTS_NAME, POINT_COLUMNS, "test", test),
        epochs=_read_columns(epochs_path, EPOCHS_SHOWN, "train"),
        thresholds=_read_columns(
            metrics_dir / paths.THRESHOLD_CURVE_NAME, CURVE_SHOWN, "threshold", threshold
        ),
        pr_curve=_read_columns(
            metrics_dir / paths.PR_CURVE_NAME, ("precision", "recall"), "test", test
        ),
        froc=_read_shown(metrics_dir / paths.FROC_NAME, FROC_COLUMNS, test),
        others=read_others(metrics_dir),
        reliability=_read_shown(metrics_dir / paths.RELIABILITY_NAME, RELIABILITY_COLUMNS, test),
    )


def _refuse_other_run(
    path: Path, metrics: Metrics, settings: Mapping[str, str], models_dir: Path
) -> None:
    """Raise where a file of metrics does not belong to the models that the report is about."""
    remedy = REMEDIES[path.stem]
    if metrics.data_key != settings["run.store"]:
        what = f"the file belongs to other data than {models_dir}"
        raise RunError(what, path, f"run `dvc repro`, or {remedy}")
    if path.name != paths.DATA_NAME and metrics.run_key != settings["run.run_key"]:
        what = f"the file belongs to another training than {models_dir}"
        raise RunError(what, path, f"run `dvc repro`, or {remedy}")


def _read_settings(path: Path) -> dict[str, str]:
    settings = format_settings(read_json(path, REMEDIES["train"]))
    if not re.fullmatch("[0-9]{1,10}", settings.get("train.seed", "")):
        raise RunError("the file holds no train.seed", path, REMEDIES["train"])
    for name in ("run.store", "run.run_key"):
        if name not in settings:
            raise RunError(f"the file holds no {name}", path, REMEDIES["train"])
    return settings


def format_settings(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return settings as text under dotted names; lists, null and booleans as YAML has them."""
    texts = {}
    for name, value in flatten(settings).items():
        is_text = isinstance(value, str)
        texts[name] = value if is_text else json.dumps(value, ensure_ascii=False)
    return texts


def _read_texts(
    path: Path, names: Sequence[str], maker: str, metrics: Metrics | None
) -> dict[str, list[str]]:
    """Read a csv of a stage, written with ``metrics`` where that is given."""
    remedy = REMEDIES[maker]
    try:
        raw = read_bytes(path, MAX_CSV_BYTES)
        if metrics:
            metrics.refuse_other_table(path, raw, remedy)
        return read_columns(raw, names)
    except FileNotFoundError as error:
        raise RunError("a stage's input is missing", path, remedy) from error
    except KeyError as error:
        raise RunError(f"a stage's input lacks the column {error.args[0]}", path, remedy) from error
    except (OSError, ValueError) as error:
        what = f"a stage's input cannot be read ({quote(error, 120)})"
        raise RunError(what, path, remedy) from error


def _read_columns(
    path: Path, names: Sequence[str], maker: str, metrics: Metrics | None = None
) -> Columns:
    columns: Columns = {}
    for name, cells in _read_texts(path, names, maker, metrics).items():
        columns[name] = [_number(cell, name, path, REMEDIES[maker]) for cell in cells]
    return columns


def _read_shown(path: Path, names: Sequence[str], test: Metrics) -> Columns:
    """Read a csv of `evaluate` that the report shows row by row."""
    columns = _read_columns(path, names, "test", test)
    rows = len(columns[names[0]])
    if rows > MAX_SHOWN_ROWS:
        what = f"a stage's input has {rows:,} rows where {MAX_SHOWN_ROWS} are the most"
        raise RunError(what, path, REMEDIES["test"])
    return columns


def _number(cell: str, name: str, path: Path, remedy: str) -> float:
    """Return a cell's number, NaN where it is empty: what has no value is written so."""
    try:
        value = float(cell) if cell else math.nan
        if cell and not abs(value) < 1e300:
            raise ValueError("out of range")
    except ValueError as error:
        what = f"a stage's input holds no number where one belongs ({quote(cell)} under {name})"
        raise RunError(what, path, remedy) from error
    return value
