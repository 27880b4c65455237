"""Prediction of images anywhere: as ``evaluate`` does it, whole, and gone on with after a kill."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from export_run import Run
from make_params import data_params, evaluate_params
from walk import steelcli, write_params

from steelcli.commands import predict_loop
from steelcli.commands.evaluate import evaluate
from steelcli.commands.predict import predict
from steelcli.commands.predict_image import KINDS
from steelcli.common.errors import DataError, ParamsError, RunError
from steelcli.data.images.level_png import load_levels, load_mask
from steelcli.data.raw.survey import ProblemsError
from steelcli.data.store.reader import Store
from steelcli.params.data import DataParams
from steelcli.scores.components import highest_component

DATA = data_params()


class Tuned:
    """A folder of a whole run, and its test images as files."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.images_dir = folder, folder / "images"
        self.models_dir, self.threshold_path = folder / "models", folder / "metrics/threshold.json"
        self.masks_dir = folder / "predictions/test/masks"

    @property
    def point(self) -> dict[str, Any]:
        values: dict[str, Any] = json.loads(self.threshold_path.read_text(encoding="utf-8"))
        return values

    def predict(
        self,
        out_dir: Path,
        *paths: Path | str,
        write: tuple[str, ...] = ("masks",),
        data: DataParams = DATA,
        **options: Any,
    ) -> dict[str, int]:
        asked = [str(path) for path in paths or [self.images_dir]]
        places = (self.models_dir, self.threshold_path)
        values = {"threshold": None, "min_area_px": None} | options
        return predict(asked, out_dir, write, 2, data, *values.values(), *places)


@pytest.fixture(scope="module")
def tuned(tuned_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    """The trained run with threshold and test predictions, mirror images averaged."""
    tuned = Tuned(tmp_path_factory.mktemp("tuned"))
    shutil.copytree(tuned_run.models_dir, tuned.models_dir)
    metrics_dir, predictions_dir = tuned.threshold_path.parent, tuned.masks_dir.parent
    shutil.copytree(tuned_run.metrics_dir, metrics_dir)
    evaluate(
        evaluate_params(batch_size=2, timing_images=1),
        [0],
        tuned_run.store_dir,
        tuned.models_dir,
        tuned.threshold_path,
        metrics_dir,
        predictions_dir,
    )
    tuned.images_dir.mkdir()
    store = Store(tuned_run.store_dir)
    for position in store.positions("test"):
        (tuned.images_dir / store.records[position].image).write_bytes(store.original(position))
    return tuned


def read_summary(out_dir: Path) -> dict[str, Any]:
    summary = json.loads((out_dir / "summary.json").read_text(encoding="utf-8"))
    return {row["image"]: row for row in summary["images"]}


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    """All files but the line order of the journal, which is the order of the work."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        path.relative_to(folder).as_posix(): b"".join(sorted(path.read_bytes().splitlines()))
        if path.suffix == ".jsonl"
        else path.read_bytes()
        for path in files
    }


def test_masks_and_maps_are_those_of_evaluate(tuned: Tuned, tmp_path: Path) -> None:
    counts = tuned.predict(tmp_path / "out", write=("masks", "maps"))
    expected = sorted(path.name for path in tuned.masks_dir.iterdir())
    assert counts["images"] == len(expected) > 2
    marked = 0
    for name in expected:
        mask = load_mask(tmp_path / "out" / "masks" / name)
        assert np.array_equal(mask, load_mask(tuned.masks_dir / name))
        levels = load_levels(tmp_path / "out" / "maps" / name)
        assert np.array_equal(levels, load_levels(tuned.masks_dir.parent / "maps" / name))
        marked += int(mask.any())
    assert marked == counts["defect_images"] > 0


def test_the_summary_says_what_is_in_the_masks(tuned: Tuned, tmp_path: Path) -> None:
    tuned.predict(tmp_path, write=("masks", "maps", "overlays"))
    summary = read_summary(tmp_path)
    table = {row["image"]: row for row in read_table(tmp_path / "summary.csv")}
    assert list(summary) == sorted(path.name for path in tuned.images_dir.iterdir()) == list(table)
    for name, row in summary.items():
        mask = load_mask(tmp_path / "masks" / Path(name).with_suffix(".png"))
        levels = load_levels(tmp_path / "maps" / Path(name).with_suffix(".png"))
        count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        assert len(row["components"]) == int(table[name]["components"]) == count - 1
        assert int(table[name]["defect_pixels"]) == mask.sum()
        assert row["score"] == highest_component(levels, tuned.point["min_area_px"]) / 65535
        assert row["verdict"] == ("defect" if mask.any() else "clean") == table[name]["verdict"]
        assert (row["score"] >= tuned.point["threshold"] - 1e-6) == mask.any()
        assert (row["height"], row["width"]) == mask.shape
        for component in row["components"]:
            x, y, width, height = component["box"]
            own = labels[y : y + height, x : x + width]
            number = own[0][own[0] > 0][0]
            assert component["area_px"] == np.count_nonzero(labels == number)
            assert np.count_nonzero(own == number) == component["area_px"]
            mean = levels[labels == number].mean() / 65535
            assert component["mean_probability"] == pytest.approx(mean, abs=1e-6)
        overlay = cv2.imread(str(tmp_path / "overlays" / Path(name).with_suffix(".png")))
        assert overlay.shape == (*mask.shape, 3)


def test_measures_in_millimetres(tuned: Tuned, tmp_path: Path) -> None:
    tuned.predict(tmp_path / "px")
    tuned.predict(tmp_path / "mm", data=data_params(mm_per_pixel=0.25))
    in_pixels, in_mm = read_summary(tmp_path / "px"), read_summary(tmp_path / "mm")
    count = 0
    for name, row in in_pixels.items():
        for component, same in zip(row["components"], in_mm[name]["components"], strict=True):
            assert same == component | {
                "length_mm": pytest.approx(component["length_px"] / 4),
                "width_mm": pytest.approx(component["width_px"] / 4),
                "area_mm2": pytest.approx(component["area_px"] / 16),
            }
            count += 1
    assert count > 0


def test_a_point_of_ones_own_replaces_the_learned_one(tuned: Tuned, tmp_path: Path) -> None:
    tuned.predict(tmp_path, write=("masks", "maps"), threshold=0.3, min_area_px=7)
    for path in (tmp_path / "maps").iterdir():
        wanted = load_levels(path) / np.float32(65535) >= np.float32(0.3)
        _, labels = cv2.connectedComponents(wanted.astype(np.uint8), connectivity=8)
        wanted &= np.bincount(labels.ravel())[labels] >= 7
        assert np.array_equal(load_mask(tmp_path / "masks" / path.name), wanted)
    made_by = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))["made_by"]
    assert (made_by["threshold"], made_by["min_area_px"], made_by["flip_tta"]) == (0.3, 7, True)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"threshold": 0.0}, "--threshold"),
        ({"threshold": float("nan")}, "--threshold"),
        ({"min_area_px": -1}, "--min-area-px"),
        ({"write": ("masks", "maskss")}, "--write"),
        ({"data": data_params(image_size=[128, 32])}, "data.image_size"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(
    tuned: Tuned, tmp_path: Path, options: dict[str, Any], where: str
) -> None:
    with pytest.raises(ParamsError) as caught:
        tuned.predict(tmp_path / "out", **options)
    assert caught.value.where == where
    assert not (tmp_path / "out").exists()


def test_a_threshold_of_another_run_is_refused(tuned: Tuned, tmp_path: Path) -> None:
    other = Tuned(tmp_path)
    shutil.copytree(tuned.folder, tmp_path, dirs_exist_ok=True)
    point = other.point | {"run_key": ["0" * 64]}
    other.threshold_path.write_text(json.dumps(point), encoding="utf-8")
    with pytest.raises(RunError, match="learned for another checkpoint"):
        other.predict(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_folders_keep_their_structure(tuned: Tuned, tmp_path: Path) -> None:
    first, second, third = sorted(tuned.images_dir.iterdir())[:3]
    deep = tmp_path / "in" / "line_2" / "late"
    deep.mkdir(parents=True)
    shutil.copy(first, tmp_path / "in" / "a.jpg")
    shutil.copy(second, deep / "a.jpg")
    tuned.predict(tmp_path / "out", tmp_path / "in", third)
    masks_dir = tmp_path / "out" / "masks"
    found = sorted(path.relative_to(masks_dir).as_posix() for path in masks_dir.rglob("*.png"))
    assert found == sorted(["a.png", "line_2/late/a.png", f"{third.stem}.png"])
    mask = load_mask(masks_dir / "line_2/late/a.png")
    assert np.array_equal(mask, load_mask(tuned.masks_dir / f"{second.stem}.png"))


def test_images_of_other_sizes_and_colours(tuned: Tuned, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    shapes = {"tiny": (1, 3), "square": (97, 97), "tall": (301, 40), "colour": (64, 200, 3)}
    rng = np.random.default_rng(3)
    for name, shape in shapes.items():
        pixels = rng.integers(0, 255, shape, np.uint8)
        (tmp_path / "in" / f"{name}.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    tuned.predict(tmp_path / "out", tmp_path / "in", write=("masks", "overlays"))
    for name, shape in shapes.items():
        assert load_mask(tmp_path / "out" / "masks" / f"{name}.png").shape == shape[:2]


def test_a_bad_file_stops_no_other(tuned: Tuned, tmp_path: Path) -> None:
    in_dir = tmp_path / "in"
    shutil.copytree(tuned.images_dir, in_dir)
    first = sorted(in_dir.iterdir())[0]
    (in_dir / "cut_off.jpg").write_bytes(first.read_bytes()[:3000])
    (in_dir / "empty.png").touch()
    (in_dir / "thin.png").write_bytes(
        cv2.imencode(".png", np.zeros((1, 5000), np.uint8))[1].tobytes()
    )
    message = "3 problems with the images, the first in .*cut_off.jpg .*; mend the files listed"
    with pytest.raises(ProblemsError, match=message) as caught:
        tuned.predict(tmp_path / "out", in_dir)
    assert caught.value.where == str(tmp_path / "out" / "problems.csv")
    good = sorted(path.name for path in tuned.images_dir.iterdir())
    assert list(read_summary(tmp_path / "out")) == good
    assert len(list((tmp_path / "out" / "masks").iterdir())) == len(good)
    listed = read_table(tmp_path / "out" / "problems.csv")
    bad = ["cut_off.jpg", "empty.png", "thin.png"]
    assert [Path(row["file"]).name for row in listed] == bad
    for name in bad:
        shutil.copy(first, (in_dir / name).with_suffix(".jpg"))
        (in_dir / name).with_suffix(".png").unlink(missing_ok=True)
    assert tuned.predict(tmp_path / "out", in_dir)["images"] == len(good) + 3
    assert read_table(tmp_path / "out" / "problems.csv") == []


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The images that the network computes, as they come."""
    names: list[str] = []
    compute = predict_loop._compute

    def noting(model: Any, pictures: Any, todo: Any) -> Any:
        names.extend(picture.name for picture in pictures)
        return compute(model, pictures, todo)

    monkeypatch.setattr(predict_loop, "_compute", noting)
    return names


def test_finished_images_are_skipped(tuned: Tuned, tmp_path: Path, computed: list[str]) -> None:
    in_dir, out_dir = tmp_path / "in", tmp_path / "out"
    shutil.copytree(tuned.images_dir, in_dir)
    names = sorted(path.name for path in in_dir.iterdir())
    tuned.predict(out_dir, in_dir)
    assert computed == names
    before = contents(out_dir)
    computed.clear()
    tuned.predict(out_dir, in_dir)
    assert computed == []
    assert contents(out_dir) == before
    (out_dir / "masks" / names[-1]).with_suffix(".png").unlink()
    tuned.predict(out_dir, in_dir)
    assert names[-1] in computed
    assert len(computed) <= 2  # its batch
    assert contents(out_dir / "masks") == {
        Path(name).name: raw for name, raw in before.items() if name.startswith("masks/")
    }


def test_an_image_that_changed_is_predicted_again(tuned: Tuned, tmp_path: Path) -> None:
    in_dir, out_dir = tmp_path / "in", tmp_path / "out"
    shutil.copytree(tuned.images_dir, in_dir)
    names = sorted(path.name for path in in_dir.iterdir())
    tuned.predict(out_dir, in_dir)
    before = read_summary(out_dir)
    shutil.copy(in_dir / names[0], in_dir / names[1])
    tuned.predict(out_dir, in_dir)
    after = read_summary(out_dir)
    assert after[names[1]] == after[names[0]] | {"image": names[1]} != before[names[1]]
    (in_dir / names[1]).write_bytes(b"no image")
    with pytest.raises(ProblemsError):
        tuned.predict(out_dir, in_dir)
    assert list(read_summary(out_dir)) == [name for name in names if name != names[1]]
    assert not (out_dir / "masks" / names[1]).with_suffix(".png").exists()


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ({"threshold": 0.123}, "threshold"),
        ({"min_area_px": 99}, "min_area_px"),
        ({"data": data_params(value_range=[0, 4095])}, "value_range"),
        ({"data": data_params(mm_per_pixel=0.5)}, "mm_per_pixel"),
        ({"write": ("masks", "maps")}, "write"),
    ],
)
def test_what_another_way_made_is_not_mixed_in(
    tuned: Tuned, tmp_path: Path, options: dict[str, Any], changed: str
) -> None:
    tuned.predict(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(RunError, match=rf"made with another {changed}: .*; name another --out"):
        tuned.predict(tmp_path, **options)
    assert contents(tmp_path) == before


def test_nothing_to_predict(tuned: Tuned, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(DataError, match="no images found"):
        tuned.predict(tmp_path / "out", tmp_path / "in")
    with pytest.raises(ProblemsError, match="no such file or folder"):
        tuned.predict(tmp_path / "out", tmp_path / "nowhere")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_told(tuned: Tuned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    tuned.predict(tmp_path / "out", sorted(tuned.images_dir.iterdir())[0])
    monkeypatch.setattr("steelcli.commands.predict_image.save_mask", refuse)
    with pytest.raises(RunError, match="No space left on device"):
        tuned.predict(tmp_path / "out")
    assert not list((tmp_path / "out").glob("summary.*"))  # it would leave images out
    monkeypatch.undo()
    assert tuned.predict(tmp_path / "out")["images"] > 2


def prepare_work_dir(tuned: Tuned, work_dir: Path, copies: int) -> None:
    """Make a folder in which the command can run, with ``in/`` full of images."""
    for name in ("models", "metrics"):
        shutil.copytree(tuned.folder / name, work_dir / name)
    write_params(work_dir, {"data": {"image_size": list(DATA.image_size)}})
    for copy in range(copies):
        shutil.copytree(tuned.images_dir, work_dir / "in" / f"{copy:03d}")


def test_the_command(tuned: Tuned, tmp_path: Path) -> None:
    prepare_work_dir(tuned, tmp_path, 1)
    (tmp_path / "in" / "bad.png").touch()
    done = steelcli(tmp_path, "predict", "in", "--out", "out", "--write", "masks,overlays")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: 1 problem with the images, the first in in/bad.png")
    assert done.stderr.count("\n") == 1
    assert "in/bad.png\n    the image file is empty" in done.stdout
    (tmp_path / "in" / "bad.png").unlink()
    done = steelcli(tmp_path, "predict", "in", "--out", "out", "--write", "masks,overlays")
    assert (done.returncode, done.stderr) == (0, "")
    count = len(list(tuned.images_dir.iterdir()))
    assert done.stdout.startswith(f"{count} images, ")
    assert done.stdout.endswith("with a defect: out/summary.csv\n")
    assert len(list((tmp_path / "out").rglob("*.png"))) == 2 * count


@pytest.mark.slow
def test_killed_in_the_middle_it_leaves_the_same_files(tuned: Tuned, tmp_path: Path) -> None:
    prepare_work_dir(tuned, tmp_path, 30)
    command = [sys.executable, "-m", "steelcli", "predict", "in", "--write", ",".join(KINDS)]
    total = len(list((tmp_path / "in").rglob("*.jpg")))
    reached = 0
    for share in (0.2, 0.6):
        process = subprocess.Popen([*command, "--out", "out"], cwd=tmp_path)
        journal_path = tmp_path / "out" / "images.jsonl"
        deadline = time.monotonic() + 120
        while reached < share * total and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.01)
            lines = journal_path.read_bytes().count(b"\n") if journal_path.exists() else 0
            reached = max(0, lines - 1)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert 0 < reached < total
        assert not (tmp_path / "out" / "summary.csv").exists()
    for out in ("out", "whole"):
        done = subprocess.run([*command, "--out", out], cwd=tmp_path, check=False)
        assert done.returncode == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert (tmp_path / "out" / "images.jsonl").read_bytes().count(b"\n") == total + 1
    assert len(read_table(tmp_path / "out" / "summary.csv")) == total
    assert not list((tmp_path / "out").rglob(".*"))
