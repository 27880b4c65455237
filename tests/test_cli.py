"""One walk through all commands on a small project, and what a user's errors look like."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import cv2
import numpy as np
import pytest
from walk import SMALL, steelcli, write_params

from steelcli.data.images.level_png import load_levels
from steelcli.data.levels import from_levels
from steelcli.data.store.reader import Store


def read_json(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values


def test_the_contract_s_files_are_there(walked_dir: Path) -> None:
    for name in ("data", "train", "threshold", "test"):
        for value in read_json(walked_dir / "metrics" / f"{name}.json").values():
            for scalar in value.values() if isinstance(value, dict) else [value]:
                assert isinstance(scalar, (int, float))
                assert np.isfinite(scalar)
    for name in ("threshold_curve", "test_images", "pr_curve", "froc", "reliability"):
        assert (walked_dir / "metrics" / f"{name}.csv").stat().st_size
    assert (walked_dir / "reports" / "report.html").stat().st_size


def test_test_json_has_the_contract_s_keys(walked_dir: Path) -> None:
    metrics = read_json(walked_dir / "metrics" / "test.json")
    group = [
        "iou",
        "dice",
        "iou_defect",
        "dice_defect",
        "iou_pooled",
        "recall",
        "iou_50",
        "iou_75",
        "clean_false_alarm",
    ]
    for name in ("optimal", "fixed"):
        assert set(group) <= set(metrics[name])
    assert {"images", "defect_images", "threshold", "auprc", "auprc_low", "auprc_high"} <= set(
        metrics
    )
    assert {
        "recall_at_1_fp",
        "ms_per_image",
        "ms_per_image_end_to_end",
        "iou_prob_50",
        "recall_class",
    } <= set(metrics)
    assert metrics["auprc_low"] <= metrics["auprc"] <= metrics["auprc_high"]
    assert metrics["ms_per_image"] > 0 < metrics["ms_per_image_end_to_end"]
    assert metrics["threshold"] == read_json(walked_dir / "metrics" / "threshold.json")["threshold"]


@pytest.mark.parametrize(
    ("name", "splits"),
    [
        ("prepare", ["train", "val", "test"]),
        ("train", ["train", "val"]),
        ("tune-threshold", []),
        ("evaluate", ["test"]),
        ("report", ["train", "val", "test"]),
    ],
)
def test_each_stage_warns_once_of_small_splits(
    walked_dir: Path, name: str, splits: list[str]
) -> None:
    lines = (walked_dir / f"{name}.stdout").read_text(encoding="utf-8").splitlines()
    warnings = [line for line in lines if line.startswith("warning: few images")]
    assert len(warnings) == bool(splits)
    for line in warnings:
        assert re.findall(r"(\w+): \d+ with a defect, \d+ clean", line) == splits


def test_evaluate_prints_ten_numbers_and_where_the_rest_is(walked_dir: Path) -> None:
    shown = (walked_dir / "evaluate.stdout").read_text(encoding="utf-8")
    assert len(shown.splitlines()) < 25
    for text in ("clean_false_alarm", " of ", "metrics/test.json", "`steelcli report`"):
        assert text in shown


def test_numbers_come_back_from_the_saved_maps(walked_dir: Path) -> None:
    store, metrics = (
        Store(walked_dir / "data" / "prepared"),
        read_json(walked_dir / "metrics" / "test.json"),
    )
    with (walked_dir / "metrics" / "test_images.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    dices = []
    for position, row in zip(store.positions("test"), rows, strict=True):
        record = store.records[position]
        assert row["image"] == record.image
        levels = load_levels(
            walked_dir / "predictions" / "test" / Path(record.image).with_suffix(".png")
        )
        pred = from_levels(levels) >= np.float32(metrics["threshold"])
        truth = store.class_masks(position).any(axis=0)
        tp, fp, fn = (int(x.sum()) for x in (pred & truth, pred & ~truth, ~pred & truth))
        assert [int(row[key]) for key in ("tp", "fp", "fn", "defect_pixels")] == [
            tp,
            fp,
            fn,
            int(truth.sum()),
        ]
        dices.append(2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 1.0)
    assert metrics["optimal"]["dice"] == pytest.approx(np.mean(dices), abs=1e-12)


def test_overlays_are_pictures_at_native_size(walked_dir: Path) -> None:
    paths = sorted((walked_dir / "predictions" / "test" / "overlays").iterdir())
    assert [path.name.partition("_")[0] for path in paths] == ["best", "median", "worst"]
    for path in paths:
        assert cv2.imread(str(path)).shape == (256, 1600, 3)


def test_nothing_half_written_is_left(walked_dir: Path) -> None:
    assert not [path for path in walked_dir.rglob("*") if path.name.endswith((".partial", ".old"))]


def test_our_own_maps_are_judged_as_another_model(walked_dir: Path, tmp_path: Path) -> None:
    work_dir = tmp_path / "walk"
    shutil.copytree(walked_dir, work_dir)
    done = steelcli(work_dir, "evaluate", "--predictions", "predictions/test", "--name", "twin")
    assert done.returncode == 0, done.stderr
    assert "Test split at threshold 0.5" in done.stdout
    own, twin = (read_json(work_dir / "metrics" / f"{name}.json") for name in ("test", "twin"))
    assert twin["fixed"] == own["fixed"]
    assert {key: own[key] for key in twin if key.startswith("auprc")} == {
        key: value for key, value in twin.items() if key.startswith("auprc")
    }
    assert "optimal" not in twin
    assert "Other models" not in steelcli(walked_dir, "report").stdout
    shown = steelcli(work_dir, "report").stdout
    assert "twin" in shown
    assert shown.endswith("With curves: reports/report.html\n")
    assert "Other models" in (work_dir / "reports" / "report.html").read_text(encoding="utf-8")
    assert_one_sentence(
        steelcli(
            work_dir, "evaluate", "--predictions", "predictions/test/overlays", "--name", "twin"
        ),
        "have no prediction",
        "predictions/test/overlays",
    )


def assert_one_sentence(done: CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    for word in words:
        assert word in done.stderr


def test_missing_inputs_say_which_command_makes_them(tmp_path: Path) -> None:
    write_params(tmp_path, SMALL)
    assert_one_sentence(
        steelcli(tmp_path, "prepare"), "data/synthetic/project", "steelcli synthesize"
    )
    assert_one_sentence(steelcli(tmp_path, "train"), "data/prepared", "steelcli prepare")
    assert_one_sentence(steelcli(tmp_path, "tune-threshold"), "data/prepared")
    assert_one_sentence(steelcli(tmp_path, "evaluate"), "metrics/threshold.json", "tune-threshold")
    assert_one_sentence(steelcli(tmp_path, "report"), "args.json", "dvc repro")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["params.yaml"]


def test_an_unknown_parameter_is_named(tmp_path: Path) -> None:
    write_params(tmp_path, {"train": {"learning_rate": 1}})
    assert_one_sentence(steelcli(tmp_path, "train"), "train.learning_rate")


def test_no_params_file(tmp_path: Path) -> None:
    assert_one_sentence(steelcli(tmp_path, "train"), "params.yaml", "--params")


def test_wrong_usage_is_exit_code_two(tmp_path: Path) -> None:
    assert steelcli(tmp_path, "train", "--lr", "1").returncode == 2
    assert steelcli(tmp_path, "nonsense").returncode == 2
    for arguments in (("--predictions", "a"), ("--name", "a"), ("--val-predictions", "a")):
        done = steelcli(tmp_path, "evaluate", *arguments)
        assert done.returncode == 2
        assert "--name" in done.stderr


def test_an_empty_name_is_refused(tmp_path: Path) -> None:
    write_params(tmp_path, SMALL)
    arguments = ("evaluate", "--predictions", "a", "--name", "")
    assert_one_sentence(steelcli(tmp_path, *arguments), "--name")


def test_synthesize_writes_a_project_once(tmp_path: Path) -> None:
    arguments = ("synthesize", "out", "--images", "8", "--seed", "1")
    assert steelcli(tmp_path, *arguments).returncode == 0
    assert (tmp_path / "out" / "meta.json").exists()
    assert_one_sentence(steelcli(tmp_path, *arguments), "out")
