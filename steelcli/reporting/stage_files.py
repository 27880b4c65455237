"""What the other stages wrote, read for the report; every refusal names the file and the command
that makes it."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelcli.common.errors import RunError, quote
from steelcli.common.inputs import read_bytes, read_json, read_metrics
from steelcli.reporting.metric_tables import flatten_settings
from steelcli.reporting.other_models import read_others
from steelcli.scores.columns import FROC_COLUMNS, NUMBER_COLUMNS, RELIABILITY_COLUMNS

REMEDIES = {
    "data": "run `dvc repro prepare` or `steelcli prepare`",
    "train": "run `dvc repro train` or `steelcli train`",
    "threshold": "run `dvc repro tune-threshold` or `steelcli tune-threshold`",
    "test": "run `dvc repro evaluate` or `steelcli evaluate`",
}
"""The command that makes each input."""
MOST_CSV_BYTES = 2**28
Columns = dict[str, list[float]]
"""A csv file by column; an empty cell is NaN."""


@dataclass(frozen=True)
class Results:
    """All that the other stages wrote: json files as they are, csv files by column, settings under
    dotted names."""

    data: dict[str, Any]
    training: dict[str, Any]
    threshold: dict[str, Any]
    test: dict[str, Any]
    settings: dict[str, str]
    image_names: list[str]
    images: Columns
    epochs: Columns
    thresholds: Columns
    pr_curve: Columns
    froc: Columns
    others: dict[str, dict[str, Any]]
    reliability: Columns


def read_results(metrics_dir: Path, models_dir: Path) -> Results:
    """Read every file the report shows.

    Raises:
        RunError: a file is missing, cannot be read, or lacks a column.
    """
    args_path = models_dir / "args.json"
    settings = flatten_settings(read_json(args_path, REMEDIES["train"]))
    seed = settings.get("train.seed", "")
    if not re.fullmatch("[0-9]{1,10}", seed):
        raise RunError("the file holds no train.seed", args_path, REMEDIES["train"])
    images_path = metrics_dir / "test_images.csv"
    curve_names = ("threshold", "dice", "dice_defect", "f1", "iou")
    epoch_names = (
        "train_loss",
        "val_loss",
        "val_dice_opt",
        "val_iou_opt",
        "val_dice_fixed",
        "val_iou_fixed",
    )
    return Results(
        data=read_metrics(metrics_dir / "data.json", REMEDIES["data"]),
        training=read_metrics(metrics_dir / "train.json", REMEDIES["train"], ("best_epoch",)),
        threshold=read_metrics(
            metrics_dir / "threshold.json", REMEDIES["threshold"], ("threshold",)
        ),
        test=read_metrics(
            metrics_dir / "test.json", REMEDIES["test"], ("threshold", "auprc_low", "auprc_high")
        ),
        settings=settings,
        image_names=[row["image"] for row in _read_rows(images_path, ("image",), "test")],
        images=_read_columns(images_path, NUMBER_COLUMNS, "test"),
        epochs=_read_columns(
            models_dir / f"metrics_seed{seed}.csv", ("epoch", *epoch_names), "train"
        ),
        thresholds=_read_columns(metrics_dir / "threshold_curve.csv", curve_names, "threshold"),
        pr_curve=_read_columns(metrics_dir / "pr_curve.csv", ("precision", "recall"), "test"),
        froc=_read_columns(metrics_dir / "froc.csv", FROC_COLUMNS, "test"),
        others=read_others(metrics_dir),
        reliability=_read_columns(metrics_dir / "reliability.csv", RELIABILITY_COLUMNS, "test"),
    )


def _read_rows(path: Path, names: Sequence[str], maker: str) -> list[dict[str, str]]:
    remedy = REMEDIES[maker]
    try:
        reader = csv.DictReader(
            io.StringIO(read_bytes(path, MOST_CSV_BYTES).decode("utf-8"), newline=""), restval=""
        )
        rows, found = list(reader), reader.fieldnames or ()
    except FileNotFoundError as error:
        raise RunError("a stage's input is missing", path, remedy) from error
    except (OSError, ValueError, csv.Error) as error:
        raise RunError(
            f"a stage's input cannot be read ({quote(error, 120)})", path, remedy
        ) from error
    if lacking := [name for name in names if name not in found]:
        raise RunError(f"a stage's input lacks the column {lacking[0]}", path, remedy)
    return rows


def _read_columns(path: Path, names: Sequence[str], maker: str) -> Columns:
    rows = _read_rows(path, names, maker)
    return {
        name: [_number(row[name], name, path, REMEDIES[maker]) for row in rows] for name in names
    }


def _number(cell: str, name: str, path: Path, remedy: str) -> float:
    """Return a cell's number, NaN where it is empty: what has no value is written so."""
    what = f"a stage's input holds no number where one belongs ({quote(cell)} under {name})"
    try:
        value = float(cell) if cell else math.nan
    except ValueError as error:
        raise RunError(what, path, remedy) from error
    if cell and not abs(value) < 1e300:
        raise RunError(what, path, remedy)
    return value
