"""check: what it counts, what it suspects, and that leaving out never makes an image clean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from closure import SHARED
from make_params import data_params
from walk import SMALL, steelcli, write_params

from steelcli.commands.check import check
from steelcli.commands.prepare import prepare
from steelcli.common.errors import DataError
from steelcli.common.problems import Problem
from steelcli.data.raw.bitmap import encode_bitmap
from steelcli.data.raw.image_size import report_size
from steelcli.data.raw.kaggle_rle import encode_rle
from steelcli.data.raw.suspicions import (
    count_classes,
    count_sizes,
    difference_hash,
    list_suspicions,
)
from steelcli.data.store.reader import Store
from steelcli.reporting.problem_table import show_check, show_problems


def draw(seed: int) -> np.ndarray:
    """A picture with structure, uint8 [64, 96]."""
    coarse = np.random.default_rng(seed).integers(40, 216, (8, 12)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, (96, 64), interpolation=cv2.INTER_CUBIC))


class Project:
    """A Supervisely project in the making."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for kind in ("img", "ann"):
            (root / "ds" / kind).mkdir(parents=True)
        meta = {
            "classes": [{"title": "one", "shape": "bitmap"}, {"title": "two", "shape": "bitmap"}]
        }
        (root / "meta.json").write_text(json.dumps(meta))

    def add(self, name: str, pixels: np.ndarray, **masks: np.ndarray) -> None:
        cv2.imwrite(str(self.root / "ds" / "img" / name), pixels)
        objects = [
            {
                "classTitle": title,
                "geometryType": "bitmap",
                "bitmap": {"origin": [0, 0], "data": encode_bitmap(mask)},
            }
            for title, mask in masks.items()
        ]
        height, width = pixels.shape[:2]
        content: dict[str, Any] = {"size": {"height": height, "width": width}, "objects": objects}
        (self.root / "ds" / "ann" / f"{name}.json").write_text(json.dumps(content))


@pytest.fixture
def odd_dir(tmp_path: Path) -> Path:
    project = Project(tmp_path / "raw")
    block, single = np.zeros((64, 96), np.bool_), np.zeros((64, 96), np.bool_)
    block[4:10, 4:20], single[30, 40] = True, True
    project.add("plain.png", draw(1))
    project.add("defect.png", draw(2), one=block)
    project.add("speck.png", draw(3), two=single, one=block)
    project.add("covered.png", draw(4), one=np.ones((64, 96), np.bool_))
    project.add("black.png", np.zeros((64, 96), np.uint8))
    project.add("colour.png", np.dstack([draw(5), draw(6), draw(7)]))
    project.add("small.png", draw(8)[:20, :40])
    project.add("copy.png", draw(1))
    project.add("brighter.jpg", np.clip(draw(2) * 1.05 + 4, 0, 255).astype(np.uint8))
    return tmp_path / "raw"


def test_sizes_and_classes_are_counted(odd_dir: Path) -> None:
    found = check(data_params(root=str(odd_dir)))
    assert count_sizes(found) == [("PNG", "96x64", 7), ("JPEG", "96x64", 1), ("PNG", "40x20", 1)]
    pixels = 8 * 64 * 96 + 20 * 40
    (one, one_images, one_share), (two, two_images, two_share), (clean, clean_images, _) = (
        count_classes(found)
    )
    assert (one, two, clean) == ("one", "two", "no defect")
    assert (one_images, two_images, clean_images) == (3, 1, 6)
    assert one_share == pytest.approx((2 * 96 + 64 * 96) / pixels)
    assert two_share == pytest.approx(1 / pixels)


@pytest.mark.parametrize("color", ["grey", "rgb"])
def test_what_looks_odd_is_listed(odd_dir: Path, color: str) -> None:
    params = data_params(root=str(odd_dir), color=color)
    suspicions = list_suspicions(check(params), params)
    expected = {
        "a class covers more than 90%": ["covered.png"],
        "a defect under 3 pixels at data.image_size": ["speck.png"],
        "a defect of a single pixel": ["speck.png"],
        "all black": ["black.png"],
        "a side under 32 pixels": ["small.png"],
        "the same pixels as another image": ["copy.png", "plain.png"],
        "nearly the same as another image": ["brighter.jpg", "defect.png"],
    }
    if color == "grey":
        expected["colour, though data.color is grey"] = ["colour.png"]
    assert suspicions == expected


def test_the_difference_hash_survives_what_copies_go_through() -> None:
    def distance(one: np.ndarray, other: np.ndarray) -> int:
        bits = [
            np.unpackbits(np.frombuffer(difference_hash(each), np.uint8)) for each in (one, other)
        ]
        return int((bits[0] != bits[1]).sum())

    picture = draw(9)
    half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    assert distance(picture, half) <= 16
    assert distance(picture, picture // 2 + 60) <= 16
    assert min(distance(picture, draw(seed)) for seed in range(10, 30)) > 60
    assert len(difference_hash(picture)) * 8 == 256


def test_the_command_prints_what_it_found_and_writes_nothing(odd_dir: Path) -> None:
    work_dir = odd_dir.parent
    write_params(work_dir, SMALL)
    done = steelcli(work_dir, "check", "raw")
    assert done.returncode == 0, done.stderr
    for words in (
        "96x64",
        "one",
        "no defect",
        "all black",
        "black.png",
        "9 images found, 9 read, 0 problems.",
    ):
        assert words in done.stdout
    (odd_dir / "ds" / "img" / "plain.png").write_bytes(b"")
    done = steelcli(work_dir, "check", "raw")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: 1 problem in the data, the first in raw/ds/img/plain.png")
    assert "9 images found, 8 read, 1 problem." in done.stdout
    assert "restore the original" in " ".join(done.stdout.split())
    assert sorted(path.name for path in work_dir.iterdir()) == ["params.yaml", "raw"]


def test_faults_that_differ_in_numbers_alone_share_a_row(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [Problem(f"{index}.png", f"has {index} bits", "convert it", "") for index in range(30)]
    show_problems([*rows, Problem("b.png", "is empty", "restore it", "")], "raw")
    printed = capsys.readouterr().out
    assert "0.png" in printed
    assert "and 29 more" in printed
    assert "1.png" not in printed
    assert printed.count("convert it") == printed.count("restore it") == 1


def test_kaggle_images_with_a_faulty_row_are_left_out_not_clean(tmp_path: Path) -> None:
    root, mask = tmp_path / "raw", np.zeros((64, 96), np.bool_)
    mask[3:9, 4:20] = True
    (root / "train_images").mkdir(parents=True)
    rows = ["ImageId,ClassId,EncodedPixels"]
    for index in range(20):
        cv2.imwrite(str(root / "train_images" / f"{index:02d}.png"), draw(index))
        rows += [f"{index:02d}.png,1,{encode_rle(mask)}"] if index % 2 else []
    rows += ["00.png,9,5 2", "02.png,2,7", "03.png,1,1 1"]
    (root / "train.csv").write_text("\n".join(rows) + "\n")
    params = data_params(root=str(root), on_error="skip", max_skipped_fraction=0.5)
    metrics = prepare(params, tmp_path / "prepared", tmp_path / "data.json")
    assert (metrics["images_found"], metrics["skipped"]) == (20, 3)
    stored = {record.image for record in Store(tmp_path / "prepared").records}
    assert stored == {f"{index:02d}.png" for index in range(20)} - {"00.png", "02.png", "03.png"}
    assert len((tmp_path / "data_problems.csv").read_text().splitlines()) == 4
    plain = list_suspicions(check(params), params)["no row in the csv, so clean"]
    assert plain == [f"{index:02d}.png" for index in range(4, 20, 2)]


@pytest.mark.parametrize("name", ["01.bmp", "01", "O1.png", "train_images/01.png", "gone.png"])
@pytest.mark.parametrize("class_id", [1, 9])
def test_a_row_about_no_image_is_never_skipped_because_its_image_would_pass_for_clean(
    name: str, class_id: int, tmp_path: Path
) -> None:
    root = tmp_path / "raw"
    (root / "train_images").mkdir(parents=True)
    for index in range(20):
        cv2.imwrite(str(root / "train_images" / f"{index:02d}.png"), draw(index))
    rows = [f"{index:02d}.png,1,5 2" for index in range(2, 20, 2)]
    (root / "train.csv").write_text(
        "\n".join(["ImageId,ClassId,EncodedPixels", *rows, f"{name},{class_id},5 2", ""])
    )
    params = data_params(root=str(root), on_error="skip", max_skipped_fraction=0.9)
    with pytest.raises(DataError, match="1 problem in the data") as caught:
        prepare(params, tmp_path / "prepared", tmp_path / "data.json")
    assert name in str(caught.value)
    assert (
        (tmp_path / "data_problems.csv")
        .read_text()
        .splitlines()[1]
        .startswith(f"{root / 'train.csv'},")
    )
    assert "on_error" not in str(caught.value)


def test_masks_that_cannot_be_read_count_once(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / "raw" / folder).mkdir(parents=True)
    for index in range(20):
        mask = np.zeros((64, 96), np.uint8)
        mask[3:9, 4:20] = 255
        cv2.imwrite(str(tmp_path / "raw" / "images" / f"{index:02d}.png"), draw(index))
        cv2.imwrite(str(tmp_path / "raw" / "masks" / f"{index:02d}.png"), mask)
    masks_dir = tmp_path / "raw" / "masks"
    (masks_dir / "00.png").rename(masks_dir / "00.gif")
    cv2.imwrite(str(masks_dir / "01.bmp"), mask)
    cv2.imwrite(str(masks_dir / "lost.png"), mask)
    params = data_params(root=str(tmp_path / "raw"), on_error="skip", max_skipped_fraction=0.5)
    metrics = prepare(params, tmp_path / "prepared", tmp_path / "data.json")
    assert (metrics["images_found"], metrics["skipped"]) == (20, 2)


def test_16_bit_values_are_shown_against_the_range(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    mask = np.zeros((64, 96), np.uint8)
    mask[3:9, 4:20] = 200
    deep = draw(1).astype(np.uint16) * 16
    for name, pixels in {"plain": deep, "dim": deep // 64, "bright": deep + 900}.items():
        cv2.imwrite(str(tmp_path / "images" / f"{name}.png"), pixels)
    cv2.imwrite(str(tmp_path / "images" / "eight.png"), draw(9))
    cv2.imwrite(str(tmp_path / "masks" / "plain.png"), mask)
    params = data_params(
        root=str(tmp_path), value_range=[0, 3840], missing_masks="clean", mask_values={"pits": 200}
    )
    found = check(params)
    assert count_sizes(found) == [("PNG, 16 bits", "96x64", 3), ("PNG", "96x64", 1)]
    suspicions = list_suspicions(found, params)
    assert suspicions["over 1% of the pixels outside data.value_range"] == ["bright.png"]
    assert suspicions["all values within a tenth of data.value_range"] == ["dim.png"]
    assert suspicions["no mask file, so clean"] == ["bright.png", "dim.png", "eight.png"]
    show_check(found, params)
    printed = " ".join(capsys.readouterr().out.split())  # pytest-xdist sets COLUMNS
    lowest, highest = deep.min() // 64, deep.max() + 900
    assert f"16-bit values ({lowest} to {highest} here): 0 becomes 0, 3840 255." in printed
    assert "Values of the masks: pits 200." in printed


@pytest.mark.parametrize(
    ("folder", "images", "size"),
    [
        ("severstal-mini", 17, [1024, 256]),
        ("strip-steel", 270, [224, 224]),
        ("supervisely-demo", 5, [384, 256]),
    ],
)
def test_real_exports_have_no_problems(folder: str, images: int, size: list[int]) -> None:
    if not (SHARED / folder).exists():
        pytest.skip(f"{SHARED / folder} is not here")
    params = data_params(root=str(SHARED / folder), image_size=size)
    found = check(params)
    assert report_size(found.results, params.image_size).warning == ""
    assert len(found.samples) == images
    assert not found.problems
    assert "nearly the same as another image" not in list_suspicions(found, params)
