"""One walk through all commands on a small project, and what a user's errors look like."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import cv2
import numpy as np
import pytest
from closure import ROOT
from typer.testing import CliRunner
from walk import SMALL, steelcli, steelcli_into, write_params
from without_rights import run_without_rights

from steelcli.cli import app
from steelcli.data.images.level_png import load_levels
from steelcli.data.levels import from_levels
from steelcli.data.store.reader import Store


def read_json(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values


TABLES = {
    "test_images.csv",
    "test_defects.csv",
    "test_points.csv",
    "pr_curve.csv",
    "froc.csv",
    "reliability.csv",
}


def test_the_contract_s_files_are_there(walked_dir: Path) -> None:
    for name in ("data", "train", "threshold", "test"):
        metrics = read_json(walked_dir / "metrics" / f"{name}.json")
        keys = ["data_key"] if name == "data" else ["data_key", "run_key"]
        assert all(len(metrics.pop(key)[0]) == 64 for key in keys)
        tables = {"threshold": {"threshold_curve.csv"}, "test": TABLES}.get(name, set())
        assert set(metrics.pop("tables", {})) == tables
        for value in metrics.values():
            for scalar in value.values() if isinstance(value, dict) else [value]:
                assert isinstance(scalar, (int, float))
                assert np.isfinite(scalar)
    for name in ("threshold_curve.csv", *TABLES):
        assert (walked_dir / "metrics" / name).stat().st_size
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


def test_evaluate_prints_few_numbers_and_where_the_rest_is(walked_dir: Path) -> None:
    shown = (walked_dir / "evaluate.stdout").read_text(encoding="utf-8")
    assert len(shown.splitlines()) < 30
    for text in ("clean_false_alarm", " of ", "metrics/test.json", "`steelcli report`"):
        assert text in shown


def test_report_shows_one_screen_all_tables_or_json(walked_dir: Path, tmp_path: Path) -> None:
    work_dir = copy_walk(walked_dir, tmp_path)
    screen, all_tables, as_json = (
        steelcli(work_dir, "report", *options) for options in ([], ["--all"], ["--json"])
    )
    warning, *lines = screen.stdout.splitlines()
    assert warning.startswith("warning: few images")
    assert len(lines) < 40
    assert lines[-1] == "With curves: reports/report.html; every table: `steelcli report --all`"
    assert len(all_tables.stdout.splitlines()) > 100
    read = json.loads(as_json.stdout)
    assert list(read.pop("headline")) == [
        "dice_defect",
        "found",
        "clean_false_alarm",
        "image_recall",
        "auprc",
    ]
    test = read_json(work_dir / "metrics" / "test.json")
    assert read == {key: test[key] for key in read}
    assert "optimal" in read
    assert as_json.stderr.startswith("warning: few images")
    both = steelcli(work_dir, "report", "--all", "--json")
    assert both.returncode == 2
    assert both.stdout == ""


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
            walked_dir / "predictions" / "test" / "maps" / Path(record.image).with_suffix(".png")
        )
        pred = from_levels(levels) >= np.float32(metrics["threshold"])
        _, labels = cv2.connectedComponents(pred.astype(np.uint8), connectivity=8)
        pred &= np.bincount(labels.ravel())[labels] >= metrics["min_area_px"]
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
        assert cv2.imread(str(path)).shape == (128, 800, 3)


def test_nothing_half_written_is_left(walked_dir: Path) -> None:
    assert not [path for path in walked_dir.rglob("*") if path.name.endswith((".partial", ".old"))]


def test_our_own_maps_are_judged_as_another_model(walked_dir: Path, tmp_path: Path) -> None:
    work_dir = tmp_path / "walk"
    shutil.copytree(walked_dir, work_dir)
    maps = "predictions/test/maps"
    done = steelcli(work_dir, "evaluate", "--predictions", maps, "--name", "twin")
    assert done.returncode == 0, done.stderr
    assert "Test split at threshold 0.5" in done.stdout
    own, twin = (read_json(work_dir / "metrics" / f"{name}.json") for name in ("test", "twin"))
    assert twin["fixed"] == own["fixed"]
    assert {key: own[key] for key in twin if key.startswith("auprc")} == {
        key: value for key, value in twin.items() if key.startswith("auprc")
    }
    assert "optimal" not in twin
    assert "Other models" not in steelcli(walked_dir, "report", "--all").stdout
    shown = steelcli(work_dir, "report", "--all").stdout
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
    assert steelcli(tmp_path, "nonsense").returncode == 2
    for arguments in (("--predictions", "a"), ("--name", "a"), ("--val-predictions", "a")):
        done = steelcli(tmp_path, "evaluate", *arguments)
        assert done.returncode == 2
        assert "--name" in done.stderr


def test_the_command_refuses_a_folder_with_other_code(tmp_path: Path) -> None:
    """As the installed command would meet it in another clone, or in a queued experiment."""
    write_params(tmp_path, SMALL)
    (tmp_path / "steelcli").mkdir()
    (tmp_path / "steelcli" / "__init__.py").touch()
    code = "import sys; sys.path.pop(0); from steelcli.cli import main; main()"
    for arguments in (["train"], ["run"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert_one_sentence(done, "a steelcli of its own", str(tmp_path), "python -m steelcli")


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ("train --lr 1e-4", "it is a parameter: use `steelcli run -S train.lr=1e-4`"),
        ("synthesize out --lr 3", "No such option: --lr (Possible options: --help)"),
        ("train --zzzz", "No such option: --zzzz"),
        ("train --restar", "No such option: --restar (Possible options: --restart)"),
    ],
)
def test_an_option_that_is_a_parameter_is_answered_with_its_name(
    arguments: str, answer: str
) -> None:
    done = CliRunner().invoke(app, arguments.split(), env={"COLUMNS": "80"})
    assert done.exit_code == 2
    told = [line.strip("│ ") for line in done.stderr.splitlines() if line.startswith("│")]
    assert told[-1] == answer
    assert told[0].startswith("No such option: --")


def test_an_empty_name_is_refused(tmp_path: Path) -> None:
    write_params(tmp_path, SMALL)
    arguments = ("evaluate", "--predictions", "a", "--name", "")
    assert_one_sentence(steelcli(tmp_path, *arguments), "--name")


def test_synthesize_writes_a_project_once(tmp_path: Path) -> None:
    arguments = ("synthesize", "out", "--images", "8", "--seed", "1")
    assert steelcli(tmp_path, *arguments).returncode == 0
    assert (tmp_path / "out" / "meta.json").exists()
    assert_one_sentence(steelcli(tmp_path, *arguments), "out")


def copy_walk(walked_dir: Path, tmp_path: Path) -> Path:
    work_dir = tmp_path / "walk"
    shutil.copytree(walked_dir, work_dir)
    return work_dir


def test_a_training_whose_reader_went_away_trains_to_its_end(
    walked_dir: Path, tmp_path: Path
) -> None:
    work_dir = copy_walk(walked_dir, tmp_path)
    for path in (work_dir / "models", work_dir / "metrics"):
        shutil.rmtree(path)
    pipe, stderr_path = tmp_path / "pipe", tmp_path / "stderr"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["head", "-1", pipe], stdout=subprocess.PIPE)
    try:
        code = steelcli_into(pipe, stderr_path, work_dir, "train")
        assert reader.communicate(timeout=60)[0].count(b"\n") == 1
    finally:
        reader.kill()
    assert code == 0
    assert stderr_path.read_text(encoding="utf-8") == ""
    assert read_json(work_dir / "metrics" / "train.json")["epochs"] == 1
    assert list((work_dir / "models").glob("best_dice_*.pth"))


def test_a_report_that_cannot_be_printed_says_so(walked_dir: Path, tmp_path: Path) -> None:
    work_dir = copy_walk(walked_dir, tmp_path)
    stderr_path = tmp_path / "stderr"
    code = steelcli_into(Path("/dev/full"), stderr_path, work_dir, "report")
    done = CompletedProcess("report", code, "", stderr_path.read_text(encoding="utf-8"))
    assert_one_sentence(done, "cannot print (No space left on device)", "standard output")


def test_metrics_that_cannot_be_written_are_named_before_the_training(
    walked_dir: Path, tmp_path: Path
) -> None:
    work_dir = copy_walk(walked_dir, tmp_path)
    (work_dir / "metrics").chmod(0o555)
    done = run_without_rights(work_dir, sys.executable, "-m", "steelcli", "train")
    (work_dir / "metrics").chmod(0o755)
    assert_one_sentence(done, "this folder cannot be written into: metrics; mend the permissions")
    assert done.stdout == ""


def test_what_files_say_does_not_act_on_the_terminal(walked_dir: Path, tmp_path: Path) -> None:
    work_dir, hostile = copy_walk(walked_dir, tmp_path), "\x1b]0;a\x07\x9b31m\u202e\n[red]"
    metrics_dir = work_dir / "metrics"
    test, settings = read_json(metrics_dir / "test.json"), read_json(work_dir / "models/args.json")
    settings["model"]["encoder_name"] = hostile
    test |= {hostile: 1}
    del test["tables"]  # the digests of what is changed below
    test["recall_class"][hostile] = 0.5
    for path, values in (
        (metrics_dir / "test.json", test),
        (work_dir / "models" / "args.json", settings),
        (metrics_dir / f"twin{hostile.replace('/', '')}.json", {"data_key": [hostile]}),
    ):
        path.write_text(json.dumps(values), encoding="utf-8")
    images = (metrics_dir / "test_images.csv").read_text(encoding="utf-8").splitlines()
    names = [f'"{hostile}{index}",{line.partition(",")[2]}' for index, line in enumerate(images)]
    (metrics_dir / "test_images.csv").write_text("\n".join([images[0], *names[1:]]), "utf-8")
    for option, least in (("--all", 4), (None, 3)):
        done = steelcli(work_dir, "report", *([option] if option else []))
        assert done.returncode == 0, done.stderr
        assert all(line.isprintable() for line in done.stdout.split("\n"))
        assert done.stdout.count(r"\x1b]0;a\x07\x9b31m\u202e\n[red]") >= least
    done = steelcli(work_dir, "report", "--json")
    assert done.stdout.isascii()
    assert json.loads(done.stdout)[hostile] == 1


@pytest.mark.parametrize("name", [*sorted(TABLES), "threshold_curve.csv"])
def test_a_csv_of_another_run_is_refused(walked_dir: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "work"
    shutil.copytree(walked_dir, folder, symlinks=True)
    path = folder / "metrics" / name
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:-1]), encoding="utf-8")
    done = steelcli(folder, "report")
    assert_one_sentence(done, "not the one that was written with the json file", name)
    if name == "test_images.csv":
        done = steelcli(folder, "compare", "test", "test")
        assert_one_sentence(done, "not the one that was written with the json file", name)


def test_scores_of_a_former_model_are_not_compared(walked_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    shutil.copytree(walked_dir, folder, symlinks=True)
    args_path = folder / "models" / "args.json"
    settings = json.loads(args_path.read_text(encoding="utf-8"))
    settings["run"]["run_key"] = "of a later training"
    args_path.write_text(json.dumps(settings), encoding="utf-8")
    done = steelcli(folder, "compare", "test", "test")
    assert_one_sentence(done, "belongs to another training than models", "test_images.csv")


APART = """
import sys
from steelcli.cli import main
for command in (["tune-threshold"], ["evaluate"], ["predict", "raw.jpg", "--out", "found"]):
    sys.argv = ["steelcli", *command]
    try:
        main()
    except SystemExit as stop:
        assert not stop.code, stop.code
assert "torch" in sys.modules
assert "torch._dynamo" not in sys.modules
"""


def test_what_runs_a_trained_network_does_not_import_the_compiler(
    walked_dir: Path, project_dir: Path, tmp_path: Path
) -> None:
    work_dir = copy_walk(walked_dir, tmp_path)
    shutil.copy(next(project_dir.rglob("*.jpg")), work_dir / "raw.jpg")
    done = subprocess.run(
        [sys.executable, "-c", APART], cwd=work_dir, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
