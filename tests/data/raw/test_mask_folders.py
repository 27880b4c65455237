"""Folders of images and masks, and how the format of a root is recognised."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from make_params import data_params

from steelcli.common.errors import DataError, ParamsError
from steelcli.common.problems import Problems
from steelcli.data.raw.kaggle import KaggleSource
from steelcli.data.raw.mask_folders import MasksSource, open_masks
from steelcli.data.raw.recognise import open_source
from steelcli.data.raw.supervisely import SuperviselySource

TRUTH = np.random.default_rng(5).random((6, 9)) > 0.5


def put(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


def read(root: Path, mask: np.ndarray, **changes: Any) -> np.ndarray:
    put(root / "images" / "a.jpg", np.zeros((6, 9), np.uint8))
    put(root / "masks" / "a.png", mask)
    source = open_masks(root, data_params(**changes))
    return source.read_masks(source.samples[0], 6, 9)


@pytest.mark.parametrize("value", [1, 255])
@pytest.mark.parametrize("threshold", [None, 128])
def test_binary_masks_need_no_threshold(tmp_path: Path, value: int, threshold: int | None) -> None:
    masks = read(tmp_path, TRUTH * np.uint8(value), mask_threshold=threshold)
    assert masks.shape == (1, 6, 9)
    assert masks.dtype == np.bool_
    assert np.array_equal(masks[0], TRUTH)


@pytest.mark.parametrize("value", [0, 1, 255])
def test_masks_of_one_value(tmp_path: Path, value: int) -> None:
    assert read(tmp_path, np.full((6, 9), value, np.uint8)).all() == bool(value)


def test_three_equal_channels_are_grey(tmp_path: Path) -> None:
    grey = TRUTH * np.uint8(255)
    assert np.array_equal(read(tmp_path, np.dstack([grey] * 3))[0], TRUTH)
    assert np.array_equal(
        read(tmp_path, np.dstack([grey] * 3 + [np.full_like(grey, 255)]))[0], TRUTH
    )


def test_grey_masks_need_a_threshold(tmp_path: Path) -> None:
    grey = np.arange(54, dtype=np.uint8).reshape(6, 9)
    with pytest.raises(
        DataError, match=r"grey values \(0, 1, 2, 3, 4, 5, \.\.\.\): .*a\.png.*mask_threshold"
    ):
        read(tmp_path, grey)
    assert np.array_equal(read(tmp_path, grey, mask_threshold=20)[0], grey >= 20)


@pytest.mark.parametrize(
    ("mask", "fault"),
    [
        (np.dstack([TRUTH, ~TRUTH, TRUTH]) * np.uint8(255), "coloured"),
        (np.dstack([TRUTH * np.uint8(255)] * 4), "transparent"),
        (np.array([[0, 1, 255]], np.uint8), "grey values"),
        (np.zeros((9, 6), np.uint8), "6x9 pixels, but its image has 9x6"),
        (np.zeros((6, 9), np.uint16), "16 bits"),
    ],
)
def test_bad_mask_is_refused_by_name(tmp_path: Path, mask: np.ndarray, fault: str) -> None:
    with pytest.raises(DataError, match=fault) as caught:
        read(tmp_path, mask)
    assert "a.png" in str(caught.value)


def test_undecodable_mask_is_refused_by_name(tmp_path: Path) -> None:
    read(tmp_path, TRUTH * np.uint8(255))
    source = open_masks(tmp_path, data_params())
    (tmp_path / "masks" / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"empty: .*a\.png"):
        source.read_masks(source.samples[0], 6, 9)


def test_files_pair_by_path_without_suffix(tmp_path: Path) -> None:
    for name in ("x/a", "y/a", "b"):
        put(tmp_path / "images" / f"{name}.bmp", np.zeros((6, 9), np.uint8))
        put(tmp_path / "masks" / f"{name}.png", TRUTH * np.uint8(255))
    source = open_masks(tmp_path, data_params())
    assert source.class_titles == ("defect",)
    assert [sample.image for sample in source.samples] == ["b.bmp", "x/a.bmp", "y/a.bmp"]
    assert [sample.annotation.parent.name for sample in source.samples] == ["masks", "x", "y"]


def test_files_must_pair(tmp_path: Path) -> None:
    read(tmp_path, TRUTH * np.uint8(255))
    put(tmp_path / "images" / "b.png", np.zeros((6, 9), np.uint8))
    with pytest.raises(DataError, match=r"image without mask: .*b\.png"):
        open_masks(tmp_path, data_params())
    (tmp_path / "images" / "b.png").unlink()
    put(tmp_path / "masks" / "lost.png", TRUTH * np.uint8(255))
    with pytest.raises(DataError, match=r"mask without image: .*lost\.png"):
        open_masks(tmp_path, data_params())
    put(tmp_path / "masks" / "lost.bmp", TRUTH * np.uint8(255))
    with pytest.raises(DataError, match=r"mask without image: .*lost\.(bmp|png)"):
        open_masks(tmp_path, data_params())


def test_two_images_of_one_stem_are_refused(tmp_path: Path) -> None:
    read(tmp_path, TRUTH * np.uint8(255))
    put(tmp_path / "images" / "a.bmp", np.zeros((6, 9), np.uint8))
    with pytest.raises(DataError, match=r"two images share one name.*a\."):
        open_masks(tmp_path, data_params())


def test_missing_folders_are_named(tmp_path: Path) -> None:
    for name in ("images", "masks"):
        with pytest.raises(DataError, match=f"folder not found: .*{name}"):
            open_masks(tmp_path, data_params())
        (tmp_path / name).mkdir()
    with pytest.raises(DataError, match="no images found"):
        open_masks(tmp_path, data_params())


VALUES = {"pits": 2, "cracks": 1}
LABELS = np.random.default_rng(6).integers(0, 3, (6, 9)).astype(np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_classes_are_read_by_their_values(tmp_path: Path, suffix: str, dtype: type) -> None:
    put(tmp_path / "images" / "a.jpg", np.zeros((6, 9), np.uint8))
    put(tmp_path / "masks" / f"a{suffix}", LABELS.astype(dtype))
    source = open_masks(tmp_path, data_params(mask_values=VALUES))
    assert source.class_titles == ("pits", "cracks")
    masks = source.read_masks(source.samples[0], 6, 9)
    assert np.array_equal(masks, [LABELS == 2, LABELS == 1])
    assert pickle.loads(pickle.dumps(source)) == source


def test_values_of_16_bits(tmp_path: Path) -> None:
    mask = np.zeros((6, 9), np.uint16)
    mask[2:4, 3:7] = 40_000
    assert np.array_equal(read(tmp_path, mask, mask_values={"pits": 40_000})[0], mask > 0)
    with pytest.raises(DataError, match=r"does not name \(40000\): .*a\.png"):
        read(tmp_path, mask, mask_values={"pits": 40_000 - 2**15})


def test_classes_left_out_are_no_defects(tmp_path: Path) -> None:
    masks = read(tmp_path, LABELS, mask_values=VALUES, classes=["cracks"])
    assert np.array_equal(masks, [LABELS == 1])
    with pytest.raises(ParamsError, match=r"'defect': data.classes; known here: pits, cracks"):
        read(tmp_path, LABELS, mask_values=VALUES, classes=["defect"])


def test_a_value_without_a_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"does not name \(2\): .*a\.png; name them there"):
        read(tmp_path, LABELS, mask_values={"cracks": 1})
    with pytest.raises(DataError, match=r"does not name \(255\): .*a\.png"):
        read(tmp_path, TRUTH * np.uint8(255), mask_values={"cracks": 1})


def test_values_of_classes_belong_to_mask_files(tmp_path: Path) -> None:
    add_kaggle(tmp_path)
    with pytest.raises(ParamsError, match=r"format kaggle .*data\.mask_values; set it to null"):
        open_source(data_params(root=str(tmp_path), mask_values=VALUES))


def test_images_without_a_mask_are_clean_where_that_is_said(tmp_path: Path) -> None:
    read(tmp_path, LABELS, mask_values=VALUES)
    for name in ("b.png", "sub/c.png"):
        put(tmp_path / "images" / name, np.zeros((6, 9), np.uint8))
    params = data_params(missing_masks="clean", mask_values=VALUES)
    source = open_masks(tmp_path, params)
    assert [sample.image for sample in source.samples] == ["a.jpg", "b.png", "c.png"]
    masks = source.read_masks(source.samples[1], 6, 9)
    assert masks.shape == (2, 6, 9)
    assert not masks.any()
    put(tmp_path / "masks" / "lost.png", LABELS)
    with pytest.raises(DataError, match=r"mask without image: .*lost\.png"):
        open_masks(tmp_path, params)
    problems = Problems()
    open_masks(tmp_path, params, problems)
    assert [row.image for row in problems.rows] == [None]  # data.on_error=skip does not pass it


@pytest.mark.parametrize("name", ["b.gif", "b.tga", "b.txt"])
def test_an_image_whose_mask_cannot_be_read_is_never_clean(tmp_path: Path, name: str) -> None:
    read(tmp_path, TRUTH * np.uint8(255))
    put(tmp_path / "images" / "b.png", np.zeros((6, 9), np.uint8))
    (tmp_path / "masks" / name).write_bytes(b"a mask")
    problems = Problems()
    source = open_masks(tmp_path, data_params(missing_masks="clean"), problems)
    assert [sample.image for sample in source.samples] == ["a.jpg"]
    assert problems.images == {str(tmp_path / "images" / "b.png")}


def test_only_one_class_is_known(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"'crack': data.classes; known here: defect"):
        read(tmp_path, TRUTH * np.uint8(255), classes=["crack"])


def test_source_is_picklable(tmp_path: Path) -> None:
    read(tmp_path, TRUTH * np.uint8(255))
    source = open_masks(tmp_path, data_params())
    assert pickle.loads(pickle.dumps(source)) == source


def add_supervisely(root: Path) -> None:
    put(root / "train" / "img" / "s.png", np.zeros((6, 9), np.uint8))
    (root / "train" / "ann").mkdir()
    (root / "train" / "ann" / "s.png.json").write_text("{}")
    (root / "meta.json").write_text(
        json.dumps({"classes": [{"title": "crack", "shape": "bitmap"}]})
    )


def add_kaggle(root: Path) -> None:
    put(root / "train_images" / "k.png", np.zeros((6, 9), np.uint8))
    (root / "train.csv").write_text("ImageId,ClassId,EncodedPixels\n")


def add_masks(root: Path) -> None:
    read(root, TRUTH * np.uint8(255))


FORMATS = [
    ("supervisely", add_supervisely, SuperviselySource),
    ("kaggle", add_kaggle, KaggleSource),
    ("masks", add_masks, MasksSource),
]


@pytest.mark.parametrize(("name", "add", "kind"), FORMATS)
def test_format_is_recognised(tmp_path: Path, name: str, add: Any, kind: type) -> None:
    add(tmp_path)
    assert type(open_source(data_params(root=str(tmp_path)))) is kind
    assert type(open_source(data_params(root=str(tmp_path), format=name))) is kind


def test_several_formats_must_be_told_apart(tmp_path: Path) -> None:
    for _, add, _ in FORMATS:
        add(tmp_path)
    with pytest.raises(DataError, match=r"\(supervisely, kaggle, masks\).*set data\.format"):
        open_source(data_params(root=str(tmp_path)))
    for name, _, kind in FORMATS:
        assert type(open_source(data_params(root=str(tmp_path), format=name))) is kind


def test_unknown_format_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text("{}")
    with pytest.raises(
        DataError,
        match=r"meta\.json with img/ and ann/, a csv with EncodedPixels, images/ with masks/",
    ):
        open_source(data_params(root=str(tmp_path)))


def test_missing_root_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.root not found: .*gone; fetch"):
        open_source(data_params(root=str(tmp_path / "gone")))
    with pytest.raises(
        DataError, match="run dvc repro, or steelcli synthesize data/synthetic/project"
    ):
        open_source(data_params(root=str(tmp_path / "data" / "synthetic" / "project")))


@pytest.mark.parametrize("add", [add_kaggle, add_masks])
def test_data_sets_are_supervisely_only(tmp_path: Path, add: Any) -> None:
    add(tmp_path)
    with pytest.raises(ParamsError, match=r"data\.datasets"):
        open_source(data_params(root=str(tmp_path), datasets=["train"]))


def test_a_folder_of_masks_reached_by_two_ways_is_told_and_reading_goes_on(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        put(tmp_path / folder / "a" / "1.png", np.zeros((6, 9), np.uint8))
    (tmp_path / "masks" / "b").symlink_to("a")
    problems = Problems()
    source = open_masks(tmp_path, data_params(), problems)
    assert [sample.image_path.name for sample in source.samples] == ["1.png"]
    assert [(Path(row.file).name, row.what) for row in problems.rows] == [
        ("b", "a folder is reached by two ways")
    ]
