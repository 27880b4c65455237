"""What a run leaves."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from steelcli.scores.columns import EPOCH_COLUMNS


def read_rows(run_dir: Path) -> list[dict[str, str]]:
    with (run_dir / "models" / "metrics_seed42.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_what_the_contract_names(run_dir: Path) -> None:
    names = sorted(path.name for path in (run_dir / "models").iterdir())
    rows = read_rows(run_dir)
    best = {kind: max(float(row[f"val_{kind}_opt"]) for row in rows) for kind in ("dice", "iou")}
    assert names == sorted(
        [
            "args.json",
            f"best_dice_{best['dice']:.4f}_seed42.pth",
            f"best_iou_{best['iou']:.4f}_seed42.pth",
            "checkpoint_epoch_2_seed42.pth",
            "metrics_seed42.csv",
        ]
    )
    assert tuple(rows[0]) == EPOCH_COLUMNS
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(value != "" for row in rows for value in row.values())
    metrics = json.loads((run_dir / "metrics" / "train.json").read_text(encoding="utf-8"))
    assert metrics["best_dice"] == best["dice"]
    assert metrics["epochs"] == 2
