"""A folder of predictions says what is so, whatever became of the images between two calls."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from make_params import data_params

from steelcli.commands import predict as predict_module
from steelcli.commands import predict_loop
from steelcli.commands.predict import predict
from steelcli.commands.predict_folder import OutFolder
from steelcli.commands.predict_image import Kind
from steelcli.data.images.level_png import load_mask
from steelcli.data.raw.survey import ProblemsError


class Again:
    """Images in ``in/`` and what is found in them, in ``out/``."""

    def __init__(self, predict_dir: Path, work_dir: Path) -> None:
        self.places = predict_dir / "models", predict_dir / "metrics" / "threshold.json"
        self.originals = sorted((predict_dir / "in").iterdir())
        self.in_dir, self.out_dir = work_dir / "in", work_dir / "out"
        self.in_dir.mkdir()

    def add(self, number: int, name: str) -> Path:
        path = self.in_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.originals[number], path)
        return path

    def add_small(self, name: str) -> Path:
        path = self.in_dir / name
        path.write_bytes(cv2.imencode(path.suffix, np.full((37, 53), 99, np.uint8))[1].tobytes())
        return path

    def predict(self, *write: Kind, paths: tuple[Path, ...] = ()) -> None:
        asked = [str(path) for path in paths or (self.in_dir,)]
        kinds = write or ("masks",)
        predict(asked, self.out_dir, kinds, 2, data_params(), None, None, *self.places)

    @property
    def told(self) -> list[str]:
        with (self.out_dir / "summary.csv").open(newline="", encoding="utf-8") as file:
            return [row["image"] for row in csv.DictReader(file)]

    def files(self, kind: str) -> list[str]:
        found = (path for path in (self.out_dir / kind).rglob("*.*") if path.name != "meta.json")
        return sorted(path.relative_to(self.out_dir / kind).as_posix() for path in found)


@pytest.fixture
def again(predict_dir: Path, tmp_path: Path) -> Again:
    return Again(predict_dir, tmp_path)


def test_an_image_takes_the_place_of_one_of_its_name(again: Again) -> None:
    again.add(0, "0.png")
    again.predict("masks", "supervisely")
    (again.in_dir / "0.png").unlink()
    again.add_small("0.jpg")
    again.predict("masks", "supervisely")
    assert again.told == ["0.jpg"]
    assert load_mask(again.out_dir / "masks/0.png").shape == (37, 53)
    assert again.files("supervisely") == ["images/ann/0.jpg.json", "images/img/0.jpg"]
    (again.in_dir / "0.jpg").unlink()
    again.add(1, "images/img/0.bmp")  # the same place in the project, another mask
    again.predict("masks", "supervisely")
    assert again.told == ["images/img/0.bmp"]
    assert again.files("masks") == ["images/img/0.png"]


def test_what_was_left_out_does_not_come_back(again: Again) -> None:
    again.add(0, "0.jpg")
    path = again.add(1, "1.jpg")
    again.predict()
    path.write_bytes(b"no image")
    with pytest.raises(ProblemsError):
        again.predict()
    path.unlink()
    again.predict()
    assert again.told == ["0.jpg"]
    assert again.files("masks") == ["0.png"]


def test_killed_before_the_line_the_mask_of_another_picture_is_not_finished(
    again: Again, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = again.add(0, "0.jpg")
    again.predict()
    mask = (again.out_dir / "masks/0.png").read_bytes()
    path.rename(tmp_path / "kept.jpg")
    again.add_small("0.jpg")

    def kill(folder: OutFolder, row: dict[str, Any]) -> None:
        if row["stamp"]:
            raise KeyboardInterrupt
        add(folder, row)

    add = OutFolder.add
    monkeypatch.setattr(OutFolder, "add", kill)
    with pytest.raises(KeyboardInterrupt):
        again.predict()
    monkeypatch.undo()
    assert (again.out_dir / "masks/0.png").read_bytes() != mask
    (tmp_path / "kept.jpg").replace(path)
    again.predict()
    assert (again.out_dir / "masks/0.png").read_bytes() == mask


@pytest.mark.parametrize("gone", ["0.jpg", "1.jpg"])
def test_what_was_found_stays_when_the_image_goes_before_it_is_read(
    again: Again, gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    again.add(0, "0.jpg")
    again.add(1, "1.jpg")
    again.predict()
    os.utime(again.in_dir / "1.jpg", (5, 5))
    plan = predict_loop.plan_batches

    def planned(*arguments: Any) -> Any:
        batches = plan(*arguments)
        (again.in_dir / gone).unlink()
        return batches

    monkeypatch.setattr(predict_module, "plan_batches", planned)
    with pytest.raises(ProblemsError, match="cannot read the file"):
        again.predict()
    assert again.told == ["0.jpg", "1.jpg"]
    assert again.files("masks") == ["0.png", "1.png"]
    monkeypatch.undo()
    again.predict()
    assert again.told == ["0.jpg", "1.jpg"]


def test_the_project_holds_what_was_read_although_the_file_goes(
    again: Again, monkeypatch: pytest.MonkeyPatch
) -> None:
    again.add(0, "0.jpg")
    compute = predict_loop._compute

    def computed(*arguments: Any) -> Any:
        (again.in_dir / "0.jpg").unlink()
        return compute(*arguments)

    monkeypatch.setattr(predict_loop, "_compute", computed)
    again.predict("supervisely")
    copied = again.out_dir / "supervisely/images/img/0.jpg"
    assert copied.read_bytes() == again.originals[0].read_bytes()


def test_another_file_of_the_same_name_size_and_time_is_another_image(
    again: Again, tmp_path: Path
) -> None:
    folders = tmp_path / "line_1", tmp_path / "line_2"
    masks = []
    for seed, folder in enumerate(folders):
        folder.mkdir()
        pixels = np.full((64, 256), 120, np.uint8)
        pixels[:, 120 * seed : 120 * seed + 60] = 20
        (folder / "0.bmp").write_bytes(cv2.imencode(".bmp", pixels)[1].tobytes())
        os.utime(folder / "0.bmp", (10**9, 10**9))
        again.predict("maps", paths=(folder,))
        masks.append((again.out_dir / "maps/0.png").read_bytes())
    assert masks[0] != masks[1]
