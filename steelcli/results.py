"""What the other stages wrote, read for the report; every refusal names the file and the command that makes it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelcli.errors import RunError
from steelcli.files import read_json
from steelcli.other_models import read_others
from steelcli.tables import flatten_settings

REMEDY = "run `dvc repro`"
IMAGE_COLUMNS = ("defect_pixels", "tp", "fp", "fn", "iou", "dice")
RELIABILITY_COLUMNS = ("probability_low", "probability_high", "mean_probability", "defect_share", "pixels")
Columns = dict[str, list[float]]
"""A csv file by column; an empty cell is NaN."""


@dataclass(frozen=True)
class Results:
    """All that the other stages wrote: json files as they are, csv files by column, settings under dotted names."""

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
    settings = flatten_settings(read_json(args_path, REMEDY))
    if "train.seed" not in settings:
        raise RunError("the file holds no train.seed", args_path, REMEDY)
    images_path = metrics_dir / "test_images.csv"
    curve_names = ("threshold", "dice", "dice_defect", "f1", "iou")
    epoch_names = ("train_loss", "val_loss", "val_dice_opt", "val_iou_opt", "val_dice_fixed", "val_iou_fixed")
    return Results(
        data=read_json(metrics_dir / "data.json", REMEDY),
        training=read_json(metrics_dir / "train.json", REMEDY),
        threshold=read_json(metrics_dir / "threshold.json", REMEDY),
        test=read_json(metrics_dir / "test.json", REMEDY),
        settings=settings,
        image_names=[row["image"] for row in _read_rows(images_path, ("image",))],
        images=_read_columns(images_path, IMAGE_COLUMNS),
        epochs=_read_columns(models_dir / f"metrics_seed{settings['train.seed']}.csv", ("epoch", *epoch_names)),
        thresholds=_read_columns(metrics_dir / "threshold_curve.csv", curve_names),
        pr_curve=_read_columns(metrics_dir / "pr_curve.csv", ("precision", "recall")),
        froc=_read_columns(metrics_dir / "froc.csv", ("max_fp_per_image", "recall", "threshold", "fp_per_image")),
        others=read_others(metrics_dir),
        reliability=_read_columns(metrics_dir / "reliability.csv", RELIABILITY_COLUMNS),
    )


def _read_rows(path: Path, names: Sequence[str]) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, restval="")
            rows, found = list(reader), reader.fieldnames or ()
    except FileNotFoundError as error:
        raise RunError("a stage's input is missing", path, REMEDY) from error
    except (OSError, ValueError, csv.Error) as error:
        raise RunError("a stage's input cannot be read", path, REMEDY) from error
    if lacking := [name for name in names if name not in found]:
        raise RunError(f"a stage's input lacks the column {lacking[0]}", path, REMEDY)
    return rows


def _read_columns(path: Path, names: Sequence[str]) -> Columns:
    rows = _read_rows(path, names)
    try:
        return {name: [float(row[name] or "nan") for row in rows] for name in names}
    except ValueError as error:
        raise RunError(f"a stage's input holds no number where one belongs ({error})", path, REMEDY) from error
