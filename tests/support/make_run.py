"""The files of a finished run, made without one, for the report."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from make_params import report_params

from steelcli.commands.report import report
from steelcli.common.metrics_file import format_metrics
from steelcli.common.outputs import write_csv, write_json, write_together
from steelcli.params.report import ReportParams
from steelcli.reporting.page import Page
from steelcli.reporting.table import Table

DATA_KEY, RUN_KEY = "ab" * 32, "cd" * 32
PARAMS = report_params(title="Steel <b>defects</b> & more")
GROUP = {
    "iou": 0.7012,
    "dice": 0.7623,
    "iou_defect": 0.4934,
    "dice_defect": 0.6145,
    "iou_pooled": 0.5356,
    "precision": 0.7167,
    "recall": 0.6878,
    "f1": 0.7019,
    "iou_50": 0.5521,
    "iou_75": 0.1932,
    "iou_90": 0.0243,
    "clean_false_alarm": 0.2154,
    "image_recall": 0.9234,
    "image_precision": 0.8288,
}
TEST = {
    "images": 1257,
    "defect_images": 666,
    "defects": 1001,
    "auprc": 0.78451,
    "auprc_low": 0.7845012,
    "auprc_high": 0.7845189,
    "recall_at_1_fp": 0.8765,
    "image_auroc": 0.9512,
    "image_auprc": 0.9423,
    "iou_prob_50": 0.4811,
    "iou_prob_75": 0.4422,
    "iou_prob_90": 0.3933,
    "threshold": 0.5713,
    "min_area_px": 0,
    "optimal": GROUP,
    "fixed": {key: round(value - 0.0101, 4) for key, value in GROUP.items()},
    "recall_class": {"scratch": 0.6611, "patch": 0.7722, "<i>pit</i>": 0.0033},
    "found_class": {"scratch": 0.8044, "patch": 0.9011, "<i>pit</i>": 0.0},
    "found_size": {"small": 0.4321, "medium": 0.6543, "large": 0.9876},
    "recall_size": {"small": 0.3211, "medium": 0.5433, "large": 0.8766},
    "size_bounds_px": {"small_max": 120, "medium_max": 3456},
    "defects_class": {"scratch": 700, "patch": 272, "<i>pit</i>": 30},
    "defects_size": {"small": 334, "medium": 334, "large": 333},
    "brier": 0.0123,
    "ece": 0.0045,
    "ms_per_image": 5.4321,
    "ms_per_image_end_to_end": 17.654,
}
TRAINING = {
    "epochs": 24,
    "best_epoch": 19,
    "best_dice": 0.8234,
    "best_iou": 0.7891,
    "train_loss": 0.1512,
    "val_loss": 0.1823,
    "parameters": 14321937,
    "seconds_per_epoch": 81.26,
    "train_images_per_second": 104.5,
}
THRESHOLD = {
    "threshold": 0.5713,
    "min_area_px": 0,
    "flip_tta": 1,
    "dice_threshold": 0.5713,
    "dice_score": 0.8311,
    "dice_min_area_px": 0,
    "dice_defect_threshold": 0.4102,
    "dice_defect_score": 0.6422,
    "dice_defect_min_area_px": 64,
    "f1_threshold": 0.3804,
    "f1_score": 0.7133,
    "f1_min_area_px": 32,
    "clean_false_alarm": 0.1875,
}
SPLIT = {
    "images": 1257,
    "defect_images": 666,
    "clean_images": 591,
    "images_class.scratch": 501,
    "pixel_share_class.scratch": 0.023456,
    "images_class.patch": 144,
    "pixel_share_class.patch": 0.0123,
    "images_class.<i>pit</i>": 21,
    "pixel_share_class.<i>pit</i>": 0.0000001234,
    "images_class.crack": 0,
    "pixel_share_class.crack": 0.0,
}
DATA = {
    "images_found": 12568,
    "duplicates_dropped": 3,
    "duplicates_within_a_split": 11,
    "train": SPLIT | {"images": 10054},
    "val": SPLIT,
    "test": SPLIT,
}
SETTINGS = {
    "model": {"architecture": "unetplusplus", "encoder_name": "resnet34", "encoder_weights": None},
    "train": {
        "lr": 0.0001,
        "epochs": 100,
        "batch_size": 8,
        "patience": 7,
        "monitor": "dice",
        "seed": 42,
    },
    "run": {
        "store": DATA_KEY,
        "run_key": RUN_KEY,
        "image_width": 1024,
        "image_height": 256,
        "precision": "bf16",
        "device": "NVIDIA H100",
        "code": "3f1e" * 10,
    },
    "versions": {"python": "3.11.9", "torch": "2.8.0"},
}


OTHER = {
    "images": 3,
    "auprc": 0.4321,
    "fixed": GROUP | {"dice": 0.3456},
}


class Run:
    """The files the other stages leave, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.metrics_dir = folder / "metrics"
        self.models_dir = folder / "models"
        self.report_path = folder / "reports" / "report.html"
        for name, values in (
            ("data", DATA),
            ("train", TRAINING),
            ("threshold", THRESHOLD),
            ("test", TEST),
        ):
            self.write_metrics(name, values)
        write_json(self.models_dir / "args.json", SETTINGS)
        self.write("test_images.csv", images())
        self.write("test_defects.csv", defects())
        self.write("test_points.csv", points())
        self.write("threshold_curve.csv", threshold_curve())
        self.write(
            "pr_curve.csv",
            [
                {"threshold": 1 - x / 50, "precision": 1 - (x / 50) ** 3, "recall": x / 50}
                for x in range(50)
            ],
        )
        self.write("froc.csv", froc())
        self.write("reliability.csv", reliability())
        write_csv(self.models_dir / "metrics_seed42.csv", epochs(), list(epochs()[0]))

    def write_metrics(
        self, name: str, values: dict[str, Any], data_key: str = DATA_KEY, run_key: str = RUN_KEY
    ) -> None:
        path = self.metrics_dir / f"{name}.json"
        write_together({path: format_metrics(values, data_key, run_key)})

    def write(self, name: str, rows: list[dict[str, Any]]) -> None:
        write_csv(self.metrics_dir / name, rows, list(rows[0]))

    def report(self, params: ReportParams = PARAMS) -> Page:
        return report(params, self.metrics_dir, self.models_dir, self.report_path)[1]

    def page(self) -> str:
        self.report()
        return self.report_path.read_text(encoding="utf-8")


def images() -> list[dict[str, Any]]:
    return [
        {
            "image": f"ds/img/{i:04d}.jpg",
            "defect_pixels": 1000 * i,
            "tp": 900 * i,
            "fp": 7,
            "fn": 100 * i,
        }
        | {"iou": abs(math.sin(i)), "dice": abs(math.sin(i + 0.1))}
        for i in range(1, 40)
    ]


def defects() -> list[dict[str, Any]]:
    """Every 25th of the defects that TEST counts by class, its share of them found."""
    rows = []
    for title, whole in TEST["defects_class"].items():
        for place in range(0, whole, 25):
            found = int(place < TEST["found_class"][title] * whole)
            image = f"ds/img/{1 + place % 39:04d}.jpg"
            rows.append({"image": image, "class": title, "area_px": 9 + 7 * place, "found": found})
    return rows


def points() -> list[dict[str, Any]]:
    """A count at each pair; what falls with the threshold falls in a straight line."""
    rows = []
    thresholds = sorted({*(step / 100 for step in range(1, 100)), TEST["threshold"]})
    for area in (0, 16, 256):
        for x in thresholds:
            share = 1 - x
            row = {"threshold": x, "min_area_px": area}
            row |= {"tp": round(9e6 * share), "fp": round(5e6 * share**3)}
            row["fn"] = 9_000_000 - row["tp"]
            for name in ("dice", "iou", "dice_defect", "iou_defect"):
                row[name] = GROUP[name] * (1 - (x - TEST["threshold"]) ** 2)
            row["false_alarms"] = max(0, round(591 * share**2) - area // 16)
            row |= {"detected": round(666 * share), "found": round(1001 * share)}
            rows.append(row | {"false_components": round(4000 * share)})
    return rows


def threshold_curve() -> list[dict[str, Any]]:
    names = ("dice", "dice_defect", "f1", "iou", "iou_defect", "precision", "recall")
    rows = []
    for step in range(1, 1024):
        x = step / 1024
        rows.append(
            {
                "threshold": x,
                "min_area_px": 0,
                "clean_false_alarm": 1 - x,
                "front": int(not step % 64),
            }
            | {
                name: (0.85 - 0.06 * i) * math.sin(math.pi * x ** (0.5 + 0.05 * i)) ** 0.2
                for i, name in enumerate(names)
            }
        )
    return rows


def froc() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"max_fp_per_image": 0.125, "recall": 0.0, "threshold": None, "fp_per_image": 0.0}
    ]
    for step, limit in enumerate((0.25, 0.5, 1, 2, 4, 8)):
        rows.append(
            {
                "max_fp_per_image": limit,
                "recall": 0.7654 + 0.0311 * step,
                "threshold": 0.9 - 0.11 * step,
                "fp_per_image": 0.97 * limit,
            }
        )
    return rows


def reliability() -> list[dict[str, Any]]:
    rows = []
    for step in range(15):
        low, high = step / 15, (step + 1) / 15
        means = {} if step == 3 else {"mean_probability": low + 0.02, "defect_share": low**1.5}
        row = {
            "probability_low": low,
            "probability_high": high,
            "mean_probability": None,
            "defect_share": None,
        }
        rows.append(row | means | {"pixels": 0 if step == 3 else 12345})
    return rows


def epochs() -> list[dict[str, Any]]:
    rows = []
    for epoch in range(1, 25):
        rise = 1 - math.exp(-epoch / 5)
        wave = 0.02 * math.sin(3 * epoch)
        rows.append(
            {
                "epoch": epoch,
                "train_loss": 0.9 - 0.75 * rise,
                "val_loss": 0.95 - 0.72 * rise + wave,
                "val_iou_fixed": 0.7 * rise - wave,
                "val_dice_fixed": 0.78 * rise - wave,
                "val_iou_opt": 0.79 * rise,
                "val_dice_opt": 0.82 * rise,
                "val_dice_defect_opt": 0.77 * rise,
                "val_f1_opt": 0.8 * rise,
                "auprc": None,
                "learning_rate": 1e-4 * (1 - rise),
                "grad_norm": 0.5 + wave,
                "train_images_per_second": 104.5 + wave,
            }
        )
    return rows


def by_title(page: Page, start: str) -> Table:
    return next(table for table in page.tables if table.title.startswith(start))


def cells(table: Table) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in table.rows}
