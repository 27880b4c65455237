"""A network in 8 bits is kept where it finds what torch finds, and raises no new alarm."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from export_run import Run, export_torch
from numpy.typing import NDArray

from steelcli.commands import export as command
from steelcli.commands.export_int8 import MapPair, judge_int8
from steelcli.commands.frozen import read_frozen
from steelcli.common.errors import RunError
from steelcli.common.formats import Format
from steelcli.common.metrics_file import read_metrics
from steelcli.data.store.reader import Store, open_store
from steelcli.data.types import channels_first
from steelcli.model.exported import open_exported
from steelcli.model.inference import predict
from steelcli.model.trained_model import load_trained
from steelcli.scores.counts import OperatingPoint

POINT = OperatingPoint(0.5)


def round_by(monkeypatch: pytest.MonkeyPatch, run: Run, spoil: Callable[[Any], Any]) -> None:
    """Let the network in 8 bits be torch's own, with its probabilities spoilt."""

    def quantise(path: Path, images: Iterator[NDArray[np.uint8]], count: int) -> None:
        assert len(list(images)) == count
        path.write_bytes(b"8 bits")

    export_torch(monkeypatch, run, spoil)
    monkeypatch.setattr(command, "quantise", quantise)


@pytest.mark.slow
def test_the_file_holds_what_onnxruntime_was_judged_with(tuned: Run) -> None:
    metrics = tuned.export(Format.ONNX, int8=True)
    assert read_metrics(tuned.export_path, "").values["onnx-int8"] == metrics
    assert metrics["dice_defect"] >= metrics["dice_defect_torch"] - 0.005
    assert metrics["clean_false_alarm"] <= metrics["clean_false_alarm_torch"]
    assert 1e-4 < metrics["max_prob_difference"] < 0.2
    path = tuned.exports_dir / "onnx-int8" / "model.onnx"
    assert metrics["size_mb"] == pytest.approx(path.stat().st_size / 1e6)
    trained = load_trained(tuned.models_dir, tuned.store_dir)
    store, positions = trained.store, trained.store.positions("val")
    opened = open_exported(path, Format.ONNX, threads=1)
    session = onnxruntime.InferenceSession(path)
    differences = []
    for position in positions:
        images = np.stack([channels_first(store.images[position])])
        probs = opened.run(images)
        np.testing.assert_allclose(session.run(["probs"], {"images": images})[0], probs, atol=1e-6)
        with torch.inference_mode():
            expected = predict(trained.model, torch.from_numpy(images), "fp32", flip_tta=True)
        differences.append(np.abs(probs - expected.numpy()).max())
    assert max(differences) == pytest.approx(metrics["max_prob_difference"], rel=1e-3)
    frozen = read_frozen(tuned.threshold_path)
    expected_text = command.describe(trained, frozen)
    made = json.loads(opened.metadata["int8"])
    assert opened.metadata == {**expected_text, "int8": opened.metadata["int8"]}
    assert made["images"] == len(positions)


def test_what_finds_nothing_leaves_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    round_by(monkeypatch, run, lambda probs: probs * 0)
    with pytest.raises(RunError, match=r"from 0\.\d{4} to 0\.0000, where a fall of 0\.005 is"):
        run.export(Format.ONNX, int8=True)
    assert not run.exports_dir.exists()
    assert not run.export_path.exists()


def test_an_earlier_export_stays(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    round_by(monkeypatch, run, lambda probs: probs)
    run.export(Format.ONNX)
    metrics = run.export(Format.ONNX, int8=True)
    assert metrics["max_prob_difference"] == 0
    assert metrics["dice_defect"] == metrics["dice_defect_torch"] > 0
    assert metrics["ms_per_image"] > 0
    before = run.export_path.read_bytes()
    assert list(read_metrics(run.export_path, "").values) == ["onnx", "onnx-int8"]
    round_by(monkeypatch, run, lambda probs: 1 - probs * 0)
    with pytest.raises(RunError, match="false alarm"):
        run.export(Format.ONNX, int8=True)
    assert run.export_path.read_bytes() == before
    files = {path.parent.name: path.read_bytes() for path in run.exports_dir.rglob("model.*")}
    assert files == {"onnx": b"x", "onnx-int8": b"8 bits"}
    assert {path.name for path in run.exports_dir.iterdir()} == files.keys()


@pytest.mark.parametrize("wanted", [Format.OPENVINO, Format.TORCH])
def test_other_formats_are_refused(run: Run, wanted: Format) -> None:
    expected = rf"8 bits is written as ONNX alone: --format {wanted.value}; use --format onnx\.$"
    with pytest.raises(RunError, match=expected):
        run.export(wanted, int8=True)
    assert not run.exports_dir.exists()


@pytest.fixture(scope="module")
def store(store_dir: Path) -> Store:
    return open_store(store_dir)


def find(store: Store, *, defect: bool) -> list[int]:
    return [
        position
        for position in store.positions("val")
        if store.class_masks(position).any() == defect
    ]


def make_pair(store: Store, position: int, probs: float, torch_probs: float) -> MapPair:
    width, height = store.image_size
    maps = [np.full((1, 1, height, width), value, np.float32) for value in (probs, torch_probs)]
    return MapPair(position, maps[0], maps[1])


def test_one_more_alarm_is_one_too_many(store: Store) -> None:
    clean, defect = find(store, defect=False), find(store, defect=True)[0]
    found = make_pair(store, defect, 0.6, 0.6)
    # one alarm comes for one that goes: the share is the same
    pairs = [make_pair(store, clean[0], 0.6, 0.4), make_pair(store, clean[1], 0.4, 0.6), found]
    with pytest.raises(RunError, match="1 more of the clean images raise a false alarm"):
        judge_int8(store, POINT, pairs)
    metrics = judge_int8(store, POINT, pairs[1:])
    assert metrics["clean_false_alarm"] == 0
    assert metrics["clean_false_alarm_torch"] == 1
    assert metrics["max_prob_difference"] == pytest.approx(0.2)


def test_dice_may_fall_by_a_little_and_rise_at_will(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    defect = find(store, defect=True)[:2]
    lost = [make_pair(store, defect[0], 0.4, 0.6), make_pair(store, defect[1], 0.6, 0.6)]
    with pytest.raises(RunError, match="0 more of the clean"):
        judge_int8(store, POINT, lost)
    gained = [pair._replace(probs=pair.torch_probs, torch_probs=pair.probs) for pair in lost]
    metrics = judge_int8(store, POINT, gained)
    fall = metrics["dice_defect"] - metrics["dice_defect_torch"]
    assert fall > 0.005
    assert "clean_false_alarm" not in metrics
    monkeypatch.setattr("steelcli.commands.export_int8.MAX_DICE_DEFECT_FALL", fall)
    assert judge_int8(store, POINT, lost)["dice_defect_torch"] > 0
