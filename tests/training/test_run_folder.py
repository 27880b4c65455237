"""What a run leaves."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from make_params import train_params
from small_runs import run_small

from steelcli.data.store.reader import Store
from steelcli.scores.columns import EPOCH_COLUMNS
from steelcli.training import run_folder
from steelcli.training.run_folder import RunFolder


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


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run folder that takes rows in the place of an epoch's counts."""
    monkeypatch.setattr(run_folder, "_row", dict)
    return RunFolder(tmp_path, train_params(patience=2), {"run": {"parameters": 1}})


def add(folder: RunFolder, dice: float, dice_defect: float, iou: float = 0.0) -> list[str]:
    scores = {"val_dice_opt": dice, "val_iou_opt": iou, "val_dice_defect_opt": dice_defect}
    rest = dict.fromkeys(("train_loss", "val_loss", "epoch_time", "train_images_per_second"), 1.0)
    row = scores | rest | {"epoch": len(folder.rows) + 1}
    return folder.add_row(row)  # type: ignore[arg-type]


def test_of_equal_scores_the_one_that_finds_more_is_kept(folder: RunFolder, tmp_path: Path) -> None:
    assert add(folder, 0.5, 0.1, iou=0.9) == ["dice", "iou"]
    assert add(folder, 0.5, 0.1) == []  # alike: the first one stays
    assert add(folder, 0.5, 0.2) == ["dice"]
    resumed = RunFolder(tmp_path, folder.params, {})
    resumed.restore(folder.state())
    assert resumed.summary() == folder.summary()
    assert folder.summary()["best_epoch"] == 3
    assert add(resumed, 0.5, 0.15) == add(folder, 0.5, 0.15) == []
    assert add(resumed, 0.6, 0.0) == add(folder, 0.6, 0.0) == ["dice"]


def test_patience_waits_for_a_better_score_not_for_a_tie(folder: RunFolder) -> None:
    for dice_defect, stops in ((0.1, False), (0.2, False), (0.3, True)):
        add(folder, 0.5, dice_defect)
        assert folder.stopped_early == stops
    add(folder, 0.6, 0.1)
    assert not folder.stopped_early


@pytest.mark.parametrize(("gain", "is_told"), [(-0.1, True), (0.0, True), (0.02, False)])
def test_a_best_score_of_silence_is_told(
    folder: RunFolder,
    store_dir: Path,
    capsys: pytest.CaptureFixture[str],
    gain: float,
    is_told: bool,
) -> None:
    store = Store(store_dir)
    clean = [not store.records[position].has_defect for position in store.positions("val")]
    share = sum(clean) / len(clean)
    add(folder, share + gain, 0.0)
    folder.warn_of_silence(store)
    told = f"is about what finding nothing scores: {share:.4f}, the share of validation images"
    assert (told in capsys.readouterr().out) == is_told


def test_a_training_that_learns_nothing_says_so_once(
    small_store_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = train_params(epochs=1, lr=1e-9, min_lr=0.0, balance=False)
    run_small(tmp_path, small_store_dir, params)
    lines = [line for line in capsys.readouterr().out.splitlines() if "finding nothing" in line]
    assert len(lines) == 1
    assert lines[0].endswith("try more train.epochs, train.balance: true or another train.lr")
