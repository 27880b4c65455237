"""The stage that learns the threshold, fed with maps instead of a network."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from make_params import threshold_params

from steelcli.commands.tune_threshold import tune_threshold
from steelcli.common.errors import RunError
from steelcli.data.levels import to_levels
from steelcli.scores.columns import CURVE_COLUMNS


def tune(
    monkeypatch: pytest.MonkeyPatch, folder: Path, objective: str, images: list[tuple[Any, Any]]
) -> dict[str, Any]:
    """Run the stage on (probabilities, truth) pairs; return the written ``threshold.json``."""
    levels = [to_levels(np.array([probs], np.float32)) for probs, _ in images]
    store = SimpleNamespace(
        class_titles=("defect",),
        fingerprint="data",
        records=[SimpleNamespace(image=str(index)) for index in range(len(images))],
        class_masks=lambda position: np.array([[images[position][1]]], bool),
        positions=lambda split: range(len(images)) if split == "val" else (),
    )
    trained = SimpleNamespace(store=store, run_key="run", iter_levels=lambda *_: enumerate(levels))
    monkeypatch.setattr("steelcli.commands.tune_threshold.load_trained", lambda *_: trained)
    params = threshold_params(objective=objective)
    found = tune_threshold(
        params,
        "all",
        metrics_path=folder / "threshold.json",
        curve_path=folder / "curve.csv",
        predictions_dir=folder / "val",
    )
    written: dict[str, Any] = json.loads((folder / "threshold.json").read_text(encoding="utf-8"))
    assert (written.pop("data_key"), written.pop("run_key")) == (["data"], ["run"])
    assert list(written.pop("tables")) == ["curve.csv"]
    assert written == found
    return written


def read_curve(folder: Path) -> list[dict[str, str]]:
    with (folder / "curve.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_middle_of_the_best_plateau_and_the_whole_curve(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Defects at 0.35, clean pixels up to 0.25: every threshold between them is perfect."""
    metrics = tune(
        monkeypatch, tmp_path, "f1", [([0.35, 0.9, 0.25, 0.1], [1, 1, 0, 0]), ([0.0, 0.2], [0, 0])]
    )
    assert metrics["threshold"] == metrics["f1_threshold"] == pytest.approx(0.3, abs=1 / 1024)
    assert [metrics[f"{name}_score"] for name in ("dice", "dice_defect", "f1")] == [1, 1, 1]
    curve = read_curve(tmp_path)
    assert tuple(curve[0]) == CURVE_COLUMNS
    assert [float(row["threshold"]) for row in curve] == [step / 1024 for step in range(1, 1024)]
    best = [float(row["threshold"]) for row in curve if row["f1"] == "1.0"]
    assert best[0] > 0.25 >= best[0] - 1 / 1024
    assert best[-1] <= 0.35 < best[-1] + 1 / 1024
    assert metrics["threshold"] == best[(len(best) - 1) // 2]
    assert "warning" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("probs", "words"),
    [
        ([1.0, 1.0, 1.0, 1.0, 0.0], ["hardly depends", "edge"]),
        ([0.8, 0.8, 0.8, 0.9, 0.2], ["hardly depends"]),
        ([0.002, 0.002, 0.002, 0.9, 0.0], ["edge"]),
        ([0.6, 0.6, 0.6, 0.9, 0.4], []),
    ],
)
def test_a_flat_curve_and_an_edge_are_told(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    probs: list[float],
    words: list[str],
) -> None:
    tune(monkeypatch, tmp_path, "f1", [(probs, [1, 1, 1, 1, 0])])
    out = capsys.readouterr().out
    assert out.count("warning") == len(words)
    for word in words:
        assert word in out


def test_a_split_without_defects_leaves_out_what_it_cannot_score(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    metrics = tune(monkeypatch, tmp_path, "dice", [([0.4, 0.1], [0, 0]), ([0.0, 0.0], [0, 0])])
    assert metrics["dice_score"] == 1
    assert metrics["threshold"] > 0.4
    assert "dice_defect_threshold" not in metrics
    assert metrics["f1_score"] == 0
    assert {row["dice_defect"] for row in read_curve(tmp_path)} == {""}
    with pytest.raises(RunError, match="dice_defect"):
        tune(monkeypatch, tmp_path, "dice_defect", [([0.4, 0.1], [0, 0])])
