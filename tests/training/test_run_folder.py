"""What a run leaves."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from make_params import train_params
from small_runs import run_small

from steelcli.data.store.reader import Store
from steelcli.params.train import Monitor
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


def add(
    folder: RunFolder, dice: float, dice_defect: float, iou: float = 0.0, f1: float = 0.0
) -> list[Monitor]:
    scores = {"val_dice_opt": dice, "val_iou_opt": iou}
    scores |= {"val_dice_defect_opt": dice_defect, "val_f1_opt": f1}
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


@pytest.mark.parametrize("monitor", ["f1", "dice_defect"])
def test_the_best_by_another_monitor_is_kept_beside_dice_and_iou(
    monitor: Monitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_folder, "_row", dict)
    params = train_params(patience=2, monitor=monitor)
    folder = RunFolder(tmp_path, params, {"run": {"parameters": 1}})
    assert add(folder, 0.5, 0.1, iou=0.5, f1=0.1) == ["dice", "iou", monitor]
    assert add(folder, 0.4, 0.3, iou=0.4, f1=0.3) == [monitor]
    assert add(folder, 0.6, 0.2, iou=0.6, f1=0.2) == ["dice", "iou"]
    summary = folder.summary()
    assert summary["best_epoch"] == 2
    assert [summary[f"best_{kind}"] for kind in ("dice", "iou", monitor)] == [0.6, 0.6, 0.3]
    assert not folder.stopped_early
    add(folder, 0.9, 0.3, iou=0.9, f1=0.3)
    assert folder.stopped_early


def test_the_line_at_an_early_stop_tells_what_did_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_folder, "_row", dict)
    params = train_params(patience=2, restart_epochs=2, restart_mult=2)
    folder = RunFolder(tmp_path, params, {})
    for score, stops in ((0.4, False), (0.5, False), *[(0.1, False)] * 3, (0.1, True)):
        add(folder, score, 0.0)
        assert folder.stopped_early == stops
    apart = ", beside 2 right after restarts that do not count"
    assert folder.describe_stop() == f"no better dice in 2 epochs{apart}: stopped early"
    folder.params = params.model_copy(update={"restart_epochs": 9})
    assert folder.describe_stop() == "no better dice in 4 epochs: stopped early"


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


@pytest.mark.parametrize(("score", "is_told"), [(0.001, True), (0.2, False)])
def test_finding_nothing_scores_0_by_the_monitors_of_defects(
    store_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    score: float,
    is_told: bool,
) -> None:
    monkeypatch.setattr(run_folder, "_row", dict)
    folder = RunFolder(tmp_path, train_params(monitor="f1"), {})
    add(folder, 0.5, 0.0, f1=score)
    folder.warn_of_silence(Store(store_dir))
    told = "the best f1, 0.0010, is about what finding nothing scores: 0.0000; try more"
    assert (told in capsys.readouterr().out) == is_told


def test_a_training_that_learns_nothing_says_so_once(
    small_store_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = train_params(epochs=1, lr=1e-9, min_lr=0.0, balance=False)
    run_small(tmp_path, small_store_dir, params)
    lines = [line for line in capsys.readouterr().out.splitlines() if "finding nothing" in line]
    assert len(lines) == 1
    assert lines[0].endswith("try more train.epochs, train.balance: true or another train.lr")
