"""examples/sam2_masks.py: its prompts, what it refuses, and the way to ``evaluate``."""

from __future__ import annotations

import csv
import importlib.util
import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from closure import ROOT
from make_predictions import Masks, cut, make_levels
from numpy.typing import NDArray
from tiny_sam2 import save_tiny_sam2, segment_at_once
from walk import SMALL, steelcli, write_params

from steelcli.common.errors import DataError, ModelError, RunError
from steelcli.data.images.decode import read_image
from steelcli.data.images.level_png import load_mask, save_mask
from steelcli.data.store.reader import Store

EXAMPLE = ROOT / "examples" / "sam2_masks.py"
SPECKS = 40
"""Components of the first image, more than are segmented at once."""


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sam2_masks", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def drawn(*rows: str) -> NDArray[np.bool_]:
    return np.array([[character == "#" for character in row] for row in rows])


def test_a_box_goes_from_the_first_pixel_to_the_last(example: ModuleType) -> None:
    mask = drawn("##......", "##......", "..#...##", "......##")
    assert example.find_prompts(mask, "boxes") == [[0, 0, 2, 2], [6, 2, 7, 3]]
    assert example.find_prompts(np.zeros_like(mask), "boxes") == []


def test_a_point_lies_in_its_own_component(example: ModuleType) -> None:
    ring = drawn("#######", "#.....#", "#..#..#", "#.....#", "#######")
    (outer, inner) = example.find_prompts(ring, "points")
    assert inner == [3, 2]
    assert ring[outer[1], outer[0]]
    assert outer != inner
    block = drawn(".....", "..###", "..###", "..###")
    assert example.find_prompts(block, "points") == [[3, 2]]


def test_the_grid_is_spread_evenly(example: ModuleType) -> None:
    assert example.make_grid(10, 40, 2) == [[10, 2.5], [30, 2.5], [10, 7.5], [30, 7.5]]


def make_args(images: Path, out: Path, **changes: Any) -> Namespace:
    values = {"model": "none", "prompts": "boxes", "found": images.parent / "found", "side": 2}
    values |= {"min_iou": 0.0, "max_share": 1.0}
    return Namespace(images=str(images), out=out, **values | changes)


def write_small(folder: Path) -> Path:
    """Write an image, and what ``predict`` might have written of it; return the images' folder."""
    (folder / "images").mkdir()
    cv2.imwrite(str(folder / "images" / "a.png"), np.zeros((8, 8), np.uint8))
    save_mask(folder / "found" / "masks" / "a.png", np.eye(8, dtype=bool))
    (folder / "found" / "summary.json").write_text('{"made_by": {"run_key": "1"}, "images": []}')
    return folder / "images"


def test_an_image_that_was_not_predicted_is_refused(example: ModuleType, tmp_path: Path) -> None:
    images = write_small(tmp_path)
    cv2.imwrite(str(images / "b.png"), np.zeros((8, 8), np.uint8))
    with pytest.raises(DataError, match=r"1 images have no predicted mask: b\.png"):
        example.run(make_args(images, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_masks_of_other_settings_are_not_mixed_in(
    example: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    images, out = write_small(tmp_path), tmp_path / "out"
    with pytest.raises(ModelError, match=r"pip install 'steelcli\[sam2\]'"):
        example.run(make_args(images, out))
    assert not out.exists()  # so another --model may write there
    monkeypatch.setattr(example, "load_sam2", lambda _name: ("", ""))
    monkeypatch.setattr(example, "segment", lambda *_: np.zeros((8, 8), bool))
    example.run(make_args(images, out))
    with pytest.raises(RunError, match="made with other settings or predictions"):
        example.run(make_args(images, out, prompts="points"))
    (tmp_path / "found" / "summary.json").write_text('{"made_by": {"run_key": "2"}}')
    with pytest.raises(RunError, match="made with other settings or predictions"):
        example.run(make_args(images, out))
    (tmp_path / "found" / "summary.json").write_text("{}")
    with pytest.raises(DataError, match="it does not say what made it"):
        example.run(make_args(images, out))


@pytest.mark.sam2
@pytest.mark.parametrize("name", ["missing", "cut off", "incomplete"])
def test_weights_that_are_no_sam2_are_refused(
    name: str, example: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import load_file, save_file

    monkeypatch.setattr(example, "hub_answers", lambda: False)
    folder = tmp_path / name
    path = folder / "model.safetensors"
    if name != "missing":
        save_tiny_sam2(folder)
    if name == "cut off":
        path.write_bytes(path.read_bytes()[:1000])
    if name == "incomplete":
        weights = load_file(path)
        weights.pop("no_memory_embedding")
        save_file(weights, path, metadata={"format": "pt"})
    says = "the weights are not those of" if name == "incomplete" else r"no SAM2 can be loaded \("
    with pytest.raises(ModelError, match=says):
        example.load_sam2(str(folder))


class Predicted:
    """The test images of the small store, and masks as ``predict`` might have found them."""

    def __init__(self, project_dir: Path, store_dir: Path, work_dir: Path) -> None:
        self.work_dir, self.images = work_dir, work_dir / "images"
        self.masks: Masks = cut(make_levels(Store(store_dir), "test"))
        self.images.mkdir()
        for path in project_dir.rglob("*.*"):
            if path.name in self.masks:
                (self.images / path.name).write_bytes(path.read_bytes())
        first, second = list(self.masks)[:2]
        self.masks[first][:] = False
        for number in range(SPECKS):
            self.masks[first][6 * number : 6 * number + 4, 40 * number : 40 * number + 9] = True
        self.masks[second][:] = False
        for image, mask in self.masks.items():
            save_mask(self.path_of(image, "found"), mask)
        (work_dir / "found" / "summary.json").write_text('{"made_by": {"run_key": "1"}}')
        save_tiny_sam2(work_dir / "tiny")
        (work_dir / "data").mkdir()
        (work_dir / "data" / "prepared").symlink_to(store_dir)
        write_params(work_dir, SMALL | {"data": {"root": str(project_dir), **SMALL["data"]}})

    def path_of(self, image: str, out: str) -> Path:
        return self.work_dir / out / "masks" / PurePosixPath(image).with_suffix(".png")

    def segment(self, out: str, *options: str) -> str:
        """Run the example; return the last line that it prints."""
        command = [sys.executable, EXAMPLE, "images", "--model", "tiny", "--out", out, *options]
        done = subprocess.run(
            command, cwd=self.work_dir, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def predicted(
    project_dir: Path, store_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Predicted:
    pytest.importorskip("transformers")
    return Predicted(project_dir, store_dir, tmp_path_factory.mktemp("sam2"))


@pytest.mark.sam2
@pytest.mark.parametrize("kind", ["boxes", "points", "grid"])
def test_the_mask_of_highest_predicted_iou_is_taken(
    kind: str, predicted: Predicted, example: ModuleType
) -> None:
    tiny = predicted.work_dir / "tiny"
    best, ious = {}, {}
    for image, found in predicted.masks.items():
        prompts = example.find_prompts(found, kind)
        if kind == "grid":
            prompts = example.make_grid(*found.shape, 7)
        if prompts:
            asked: dict[str, Any] = {"input_boxes": [prompts]}
            if kind != "boxes":
                asked = {"input_points": [[[point] for point in prompts]]}
            pixels = read_image(predicted.images / image, "rgb")
            masks, each = segment_at_once(tiny, pixels, **asked)
            best[image] = masks[np.arange(len(prompts)), each.argmax(axis=1)]
            ious[image] = each.max(axis=1)
    assert len(best) == len(predicted.masks) - (kind != "grid")
    min_iou = float(np.quantile(np.concatenate(list(ious.values())), 0.3))
    max_share = float(np.quantile([mask.mean() for own in best.values() for mask in own], 0.8))
    limits = {"side": 7, "min_iou": min_iou, "max_share": max_share}
    out = predicted.work_dir / kind
    example.run(make_args(predicted.images, out, model=str(tiny), prompts=kind, **limits))
    shares = []
    for image, found in predicted.masks.items():
        expected = np.zeros(found.shape, bool)
        if image in best:
            is_kept = ious[image] >= min_iou
            is_kept &= best[image].mean(axis=(1, 2)) <= max_share
            expected = best[image][is_kept].any(axis=0)
        mask = load_mask(predicted.path_of(image, kind))
        assert mask.shape == found.shape
        # other batches round the last bit differently
        assert np.mean(mask != expected) < 2e-5
        shares.append(mask.mean())
    assert 0 < max(shares) < 1


@pytest.mark.sam2
def test_evaluate_reads_the_masks_and_an_interrupted_run_goes_on(predicted: Predicted) -> None:
    count = len(predicted.masks)
    assert predicted.segment("out") == f"{count} masks, {count} of them new: out/masks"
    judged = steelcli(
        predicted.work_dir, "evaluate", "--predictions", "out/masks", "--name", "sam2"
    )
    assert judged.returncode == 0, judged.stderr
    metrics = json.loads((predicted.work_dir / "metrics" / "sam2.json").read_text())
    assert metrics["images"] == count
    assert "dice_defect" in metrics["fixed"]
    with (predicted.work_dir / "metrics" / "sam2_images.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            mask = load_mask(predicted.path_of(row["image"], "out"))
            assert int(row["tp"]) + int(row["fp"]) == np.count_nonzero(mask)
    path = predicted.path_of(next(iter(predicted.masks)), "out")
    before = path.read_bytes()
    path.unlink()
    assert predicted.segment("out") == f"{count} masks, 1 of them new: out/masks"
    assert path.read_bytes() == before
