"""Prediction with a checkpoint or an export in place of ``models/``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from export_run import Run
from make_params import data_params
from walk import steelcli

from steelcli.commands import export, predict_model
from steelcli.commands.predict import predict
from steelcli.commands.predict_model import Overrides, open_model
from steelcli.common.errors import ModelError, ParamsError, RunError, UserError
from steelcli.common.formats import Format
from steelcli.data.images.level_png import load_levels, load_mask
from steelcli.data.store.reader import Store
from steelcli.model import exported
from steelcli.model.export import write_graph
from steelcli.model.exported import FILE_NAMES
from steelcli.model.fold import copy_for_inference
from steelcli.model.network import SegmentationModel

NOWHERE = Path("nowhere")
NO_OVERRIDES = Overrides(None, None)


class Files(NamedTuple):
    """A trained run, its exports, and two images."""

    models_dir: Path
    threshold_path: Path
    exports_dir: Path
    images_dir: Path

    def export(self, wanted: Format) -> Path:
        return self.exports_dir / wanted.value / FILE_NAMES[wanted]

    def predict(self, out_dir: Path, model_path: Path | None = None, **options: Any) -> None:
        places = {"models_dir": self.models_dir, "threshold_path": self.threshold_path}
        values = {"data": data_params(), "model_path": model_path} | places | options
        asked = ([str(self.images_dir)], out_dir, ("masks", "maps"), 2)
        predict(*asked, **values)


@pytest.fixture(scope="module")
def files(tuned: Run) -> Files:
    images_dir = tuned.work_dir / "images"
    capture = export.capture
    programs: list[Any] = []

    def capture_once(*arguments: Any) -> Any:
        """Trace the network for the first format; each writes the same graph."""
        if not programs:
            programs.append(capture(*arguments))
        return programs[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "capture", capture_once)
        for wanted in Format:
            tuned.export(wanted)
    images_dir.mkdir()
    store = Store(tuned.store_dir)
    for position in store.positions("test")[:3]:
        (images_dir / store.records[position].image).write_bytes(store.original(position))
    return Files(tuned.models_dir, tuned.threshold_path, tuned.exports_dir, images_dir)


def best(files: Files) -> Path:
    return next(files.models_dir.glob("best_dice_[0-9]*.pth"))


def pixels(out_dir: Path, kind: str) -> dict[str, Any]:
    load = load_mask if kind == "masks" else load_levels
    return {path.name: load(path) for path in sorted((out_dir / kind).iterdir())}


def made_by(out_dir: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((out_dir / "summary.json").read_text(encoding="utf-8"))
    return values["made_by"]


@pytest.mark.parametrize("wanted", Format)
def test_an_export_alone_gives_what_the_checkpoint_gives(
    files: Files, tmp_path: Path, wanted: Format
) -> None:
    files.predict(tmp_path / "best")
    elsewhere = {"models_dir": NOWHERE, "threshold_path": NOWHERE, "data": None}
    files.predict(tmp_path / "out", files.export(wanted), **elsewhere)
    expected, found = pixels(tmp_path / "best", "maps"), pixels(tmp_path / "out", "maps")
    assert expected.keys() == found.keys()
    for name, levels in expected.items():
        assert np.abs(levels.astype(int) - found[name]).max() <= 2
        assert levels.std() > 100
    own, other = made_by(tmp_path / "best"), made_by(tmp_path / "out")
    assert {key for key in own if own[key] != other[key]} == {"runtime", "model_digest"}
    assert own["runtime"] == "checkpoint"
    assert other["runtime"] == wanted.value
    masks = zip(
        pixels(tmp_path / "best", "masks").values(),
        pixels(tmp_path / "out", "masks").values(),
        strict=True,
    )
    assert all(np.count_nonzero(a != b) <= 2 for a, b in masks)


def test_the_best_checkpoint_as_a_file_is_the_same_model(files: Files, tmp_path: Path) -> None:
    files.predict(tmp_path)
    before = (tmp_path / "summary.json").read_bytes()
    copy = tmp_path.parent / "copy.pt"
    shutil.copy(best(files), copy)
    files.predict(tmp_path, copy, models_dir=NOWHERE)
    assert (tmp_path / "summary.json").read_bytes() == before


def test_another_checkpoint_of_the_run_is_not_mixed_in(files: Files, tmp_path: Path) -> None:
    files.predict(tmp_path)
    with pytest.raises(RunError, match="made with another model_digest"):
        files.predict(tmp_path, files.models_dir / "checkpoint_epoch_2_seed42.pth")


def test_another_checkpoint_needs_a_threshold(files: Files, tmp_path: Path) -> None:
    path = files.models_dir / "checkpoint_epoch_2_seed42.pth"
    without = {"threshold_path": NOWHERE}
    with pytest.raises(ModelError, match=r"no threshold was learned .*give --threshold"):
        files.predict(tmp_path, path, **without)
    files.predict(tmp_path, path, **without, threshold=0.25)
    point = made_by(tmp_path)
    assert (point["threshold"], point["min_area_px"], point["flip_tta"]) == (0.25, 0, False)


def test_a_threshold_of_another_run_is_not_taken(files: Files, tmp_path: Path) -> None:
    values = json.loads(files.threshold_path.read_text(encoding="utf-8"))
    other = tmp_path / "threshold.json"
    other.write_text(json.dumps(values | {"run_key": ["0" * 64]}), encoding="utf-8")
    with pytest.raises(ModelError, match="no threshold was learned for this checkpoint"):
        files.predict(tmp_path / "out", best(files), threshold_path=other)


def test_what_replaces_the_point_of_an_export(files: Files) -> None:
    path = files.export(Format.ONNX)
    model = open_model(path, None, Overrides(0.125, 7), NOWHERE, NOWHERE)
    assert model.point == (0.125, 7)
    assert (model.color, model.image_size) == ("grey", (256, 64))
    kept = open_model(path, None, NO_OVERRIDES, NOWHERE, NOWHERE)
    learned = json.loads(files.threshold_path.read_text(encoding="utf-8"))
    assert kept.point == (learned["threshold"], learned["min_area_px"])


@pytest.mark.parametrize(("first", "second"), [(None, Format.ONNX), (Format.ONNX, Format.TORCH)])
def test_runtimes_are_not_mixed(
    files: Files, tmp_path: Path, first: Format | None, second: Format
) -> None:
    files.predict(tmp_path, first and files.export(first))
    before = (tmp_path / "images.jsonl").read_bytes()
    with pytest.raises(RunError, match="made with another runtime, model_digest: "):
        files.predict(tmp_path, files.export(second))
    assert (tmp_path / "images.jsonl").read_bytes() == before


def test_a_checkpoint_is_folded_for_its_number_format_and_its_images(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def note(model: SegmentationModel, *wanted: Any) -> SegmentationModel:
        asked.append(wanted)
        return copy_for_inference(model, *wanted)

    monkeypatch.setattr(predict_model, "copy_for_inference", note)
    with pytest.raises(ParamsError, match="trained at 256x64"):
        files.predict(tmp_path, best(files), data=data_params(image_size=[128, 32]))
    assert not asked
    files.predict(tmp_path, best(files))
    assert asked == [("fp32", (256, 64))]


def test_a_checkpoint_needs_the_parameters_of_its_run(files: Files, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"no checkpoint holds data\.color"):
        files.predict(tmp_path, best(files), data=None)
    with pytest.raises(ParamsError, match="trained at 256x64"):
        files.predict(tmp_path, best(files), data=data_params(image_size=[128, 32]))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.onnx", "there is no such model file"),
        ("model.tflite", "the file's suffix is that of no model"),
        ("model.onnx", "the model cannot be loaded as onnx"),
        ("model.xml", "the model cannot be loaded as openvino"),
        ("model.pt2", "the model cannot be loaded as torch"),
        ("model.pth", "the checkpoint"),
    ],
)
def test_a_file_that_is_no_model(
    tmp_path: Path, name: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    if not name.startswith("nowhere"):
        path.write_bytes(b"no model\n" * 100)
    with pytest.raises(ModelError, match=message) as caught:
        open_model(path, data_params(), NO_OVERRIDES, NOWHERE, NOWHERE)
    assert caught.value.where == str(path)
    assert capfd.readouterr() == ("", "")


def test_openvinos_weights_are_missed(files: Files, tmp_path: Path) -> None:
    path = tmp_path / "model.xml"
    shutil.copy(files.export(Format.OPENVINO), path)
    with pytest.raises(ModelError, match=r"the \.bin beside it is missing"):
        open_model(path, None, NO_OVERRIDES, NOWHERE, NOWHERE)


@pytest.mark.parametrize("wanted", Format)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "does not state what steelcli needs, at (color|canvas_size)|holds no|no model"),
        ({"threshold": "1.5"}, "needs, at threshold"),
        ({"canvas_size": "[256"}, "needs, at canvas_size"),
        ({"color": "rgb"}, "does not take the images that its metadata state"),
    ],
)
def test_metadata_that_are_missing_or_wrong(
    tmp_path: Path, wanted: Format, changes: dict[str, str], message: str
) -> None:
    from small_graph import HEIGHT, WIDTH, capture_small

    metadata = {
        "color": "grey",
        "canvas_size": f"[{WIDTH}, {HEIGHT}]",
        "flip_tta": "false",
        "threshold": "0.5",
        "min_area_px": "0",
        "run_key": "ab",
    }
    path = tmp_path / FILE_NAMES[wanted]
    stated = metadata | changes if changes else {"other": "x"}
    write_graph(capture_small(flip_tta=False, channels=1), wanted, stated, path)
    with pytest.raises(ModelError, match=message) as caught:
        open_model(path, None, NO_OVERRIDES, NOWHERE, NOWHERE)
    assert str(caught.value).count("\n") == 0


def test_a_missing_runtime_is_named(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exported, "find_spec", lambda name: name == "torch" or None)
    for wanted in (Format.ONNX, Format.OPENVINO):
        message = rf"{wanted.value}\w* is missing.*pip install 'steelcli\[{wanted.value}\]'"
        with pytest.raises(UserError, match=message):
            open_model(files.export(wanted), None, NO_OVERRIDES, NOWHERE, NOWHERE)


def test_output_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ModelError, match="not finite"):
        predict_model._run_export(
            lambda images: np.full(images.shape, np.nan, np.float32),
            Path("model.onnx"),
            np.zeros((1, 1, 2, 2), np.uint8),
        )


def test_the_command_needs_the_export_alone(files: Files, tmp_path: Path) -> None:
    path = files.export(Format.ONNX)
    done = steelcli(tmp_path, "predict", str(files.images_dir), "--out", "o", "--model", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list((tmp_path / "o/masks").iterdir())) == 3
    asked = ("predict", str(files.images_dir), "--out", "p", "--threshold", "0.5")
    done = steelcli(tmp_path, *asked, "--model", str(best(files)))
    assert done.returncode == 1
    assert done.stderr.startswith("Error: the parameters are missing")
