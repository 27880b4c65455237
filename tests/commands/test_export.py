"""Exported networks give what the trained one gives, or are not left behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from export_run import Run, export_torch
from without_torch import run_alone

from steelcli.commands.frozen import read_frozen
from steelcli.common.errors import RunError
from steelcli.common.formats import Format
from steelcli.common.metrics_file import read_metrics
from steelcli.data.levels import TOP_LEVEL
from steelcli.data.types import channels_first
from steelcli.model.exported import open_exported
from steelcli.model.inference import native_levels, predict
from steelcli.model.trained_model import load_trained
from steelcli.scores.counts import cut


def check_export(run: Run, wanted: Format) -> None:
    """Compare the exported file with the trained network and with what is frozen."""
    group = read_metrics(run.export_path, "").values[wanted.value]
    assert 0 < group["max_prob_difference"] < 1e-5
    assert group["max_score_change"] < 1e-4
    assert group["ms_per_image"] > 0
    assert group["ms_per_image_torch"] > 0
    sizes = [path.stat().st_size for path in run.path(wanted).parent.iterdir()]
    assert group["size_mb"] == pytest.approx(sum(sizes) / 1e6)

    trained, frozen = load_trained(run.models_dir, run.store_dir), read_frozen(run.threshold_path)
    opened = open_exported(run.path(wanted), wanted, threads=1)
    images = np.random.default_rng(0).integers(0, 256, (3, 1, 64, 256), np.uint8)
    with torch.inference_mode():
        expected = predict(trained.model, torch.from_numpy(images), "fp32", flip_tta=True)
    probs = opened.run(images)
    assert probs.dtype == np.float32
    np.testing.assert_allclose(probs, expected, atol=1e-5)
    about = opened.metadata
    assert json.loads(about["threshold"]) == frozen.point.threshold
    assert json.loads(about["min_area_px"]) == frozen.point.min_area_px
    assert json.loads(about["canvas_size"]) == [256, 64]
    assert json.loads(about["class_titles"]) == list(trained.store.class_titles)
    assert about["run_key"] == trained.run_key
    assert about["color"] == "grey"
    assert "INTER_AREA" in about["letterbox"]


@pytest.mark.slow
@pytest.mark.parametrize("wanted", [Format.OPENVINO, Format.TORCH])
def test_a_runtime_gives_what_was_trained(tuned: Run, wanted: Format) -> None:
    tuned.export(wanted)
    check_export(tuned, wanted)


@pytest.mark.slow
def test_onnx_and_the_example_without_torch_give_what_was_trained(
    tuned: Run, project_dir: Path, tmp_path: Path
) -> None:
    tuned.export(Format.ONNX)
    check_export(tuned, Format.ONNX)
    saved = tuned.evaluate()
    store = load_trained(tuned.models_dir, tuned.store_dir).store
    point = read_frozen(tuned.threshold_path).point
    opened = open_exported(tuned.path(Format.ONNX), Format.ONNX, threads=1)
    verdicts = set()
    for position in store.positions("test")[:3]:
        image = store.records[position].image
        (image_path,) = project_dir.rglob(Path(image).name)
        arguments = (tuned.path(Format.ONNX), image_path, tmp_path / "mask.png")
        done = run_alone("inspect_onnx.py", *arguments)
        assert done.returncode == 0, done.stderr
        mask = cv2.imread(str(tmp_path / "mask.png"), cv2.IMREAD_UNCHANGED) > 0
        probs = torch.from_numpy(opened.run(channels_first(store.images[position])[None])[0])
        levels = native_levels(probs, store.letterbox(position))
        np.testing.assert_array_equal(mask, cut(levels, point))
        # torch rounds another way, by a level at most, which moves pixels at the threshold alone
        near = np.abs(saved.load_map(image) / TOP_LEVEL - point.threshold) < 1.5 / TOP_LEVEL
        assert not ((mask != saved.load_mask(image)) & ~near).any()
        verdicts.add(done.stdout.split()[0])
    assert "defect" in verdicts


@pytest.mark.parametrize("spoil", [lambda probs: probs * 0.99, lambda probs: probs * np.nan])
def test_other_probabilities_leave_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Any], Any]
) -> None:
    export_torch(monkeypatch, run, spoil)
    with pytest.raises(RunError, match=r"probabilities are \S+ off, more than 0\.001: strip_"):
        run.export(Format.ONNX)
    assert not run.exports_dir.exists()
    assert not run.export_path.exists()


def test_another_score_leaves_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    export_torch(monkeypatch, run, lambda probs: probs)
    score = read_metrics(run.threshold_path, "").values["dice_defect_score"]
    run.change_threshold(dice_defect_score=score + 0.0015)
    assert run.export(Format.TORCH)["max_score_change"] == pytest.approx(0.0015)
    kept = run.files()
    run.change_threshold(dice_defect_score=score - 0.0025)
    with pytest.raises(RunError, match=r"dice_defect_score by 0\.0025, more than 0\.002"):
        run.export(Format.ONNX)
    assert run.files() == kept
    assert list(read_metrics(run.export_path, "").values) == ["torch"]


def test_every_number_is_compared(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    export_torch(monkeypatch, run, lambda probs: probs)
    values = read_metrics(run.threshold_path, "").values
    thresholds = values["f1_threshold"] + 0.25, values["f1_min_area_px"] + 7
    run.change_threshold(f1_threshold=thresholds[0], f1_min_area_px=thresholds[1])
    metrics = run.export(Format.TORCH)
    assert metrics["max_threshold_change"] == pytest.approx(0.25)
    assert metrics["max_area_change_px"] == 7
    assert metrics["max_score_change"] < 1e-6
    run.change_threshold(of_another_version=1.0)
    with pytest.raises(RunError, match=r"other numbers than are learned now.*tune-threshold"):
        run.export(Format.TORCH)


def test_formats_of_one_run_stand_side_by_side(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    export_torch(monkeypatch, run, lambda probs: probs)
    run.export(Format.TORCH)
    run.export(Format.OPENVINO)
    written = read_metrics(run.export_path, "")
    assert list(written.values) == ["torch", "openvino"]
    run_key = load_trained(run.models_dir, run.store_dir).run_key
    assert written.run_key == run_key
    text = run.export_path.read_text(encoding="utf-8").replace(run_key, "of another run")
    run.export_path.write_text(text, encoding="utf-8")
    run.export(Format.OPENVINO)
    assert list(read_metrics(run.export_path, "").values) == ["openvino"]


def test_a_threshold_of_another_run_is_refused(run: Run) -> None:
    key = read_metrics(run.threshold_path, "").run_key
    assert key
    text = run.threshold_path.read_text(encoding="utf-8").replace(key, "0" * 64)
    run.threshold_path.write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=r"learned for another checkpoint.*tune-threshold"):
        run.export(Format.TORCH)
    assert not run.exports_dir.exists()
