"""Kaggle's csv beside images: every layout seen in the wild, and every refusal by name."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from closure import SHARED
from make_params import data_params

from steelcli.common.errors import DataError, ParamsError
from steelcli.data.raw.kaggle import KaggleSource, open_kaggle, read_runs
from steelcli.data.raw.kaggle_rle import encode_rle
from steelcli.data.raw.recognise import open_source

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"real data not found at {SHARED}")
NEW = "ImageId,ClassId,EncodedPixels\n"
H, W = 4, 5


def make_root(root: Path, csv: str, name: str = "train.csv", folder: str = "train_images") -> Path:
    (root / folder).mkdir(exist_ok=True)
    for image in ("a.jpg", "b.jpg", "c.jpg"):
        cv2.imwrite(str(root / folder / image), np.zeros((H, W), np.uint8))
    (root / name).write_bytes(csv.encode())
    return root


def read(root: Path, csv: str, **changes: Any) -> tuple[KaggleSource, np.ndarray]:
    """Masks of all images, bool [N, C, H, W]."""
    source = open_kaggle(make_root(root, csv), data_params(**changes))
    return source, np.stack([source.read_masks(sample, H, W) for sample in source.samples])


LAYOUTS = {
    "new": f"{NEW}a.jpg,1,2 3\na.jpg,3,1 1\nc.jpg,4,19 2\n",
    "old": "ImageId_ClassId,EncodedPixels\n"
    "a.jpg_1,2 3\na.jpg_2,\na.jpg_3,1 1\na.jpg_4,\n"
    "b.jpg_1,\nb.jpg_2,\nb.jpg_3,\nb.jpg_4,\nc.jpg_4,19 2\n",
    "index column": ",ImageId,ClassId,EncodedPixels\n"
    "0,a.jpg,1,2 3\n1,a.jpg,3,1 1\n2,c.jpg,4,19 2\n",
    "swapped": "EncodedPixels,ClassId,ImageId\n2 3,1,a.jpg\n1 1,3,a.jpg\n19 2,4,c.jpg\n",
    "extra columns": "Fold,ImageId,ClassId,EncodedPixels,Area\n"
    "0,a.jpg,1,2 3,3\n1,a.jpg,3,1 1,1\n2,c.jpg,4,19 2,2\n",
    "crlf": f"{NEW}a.jpg,1,2 3\na.jpg,3,1 1\nc.jpg,4,19 2\n".replace("\n", "\r\n"),
    "byte order mark": f"\ufeff{NEW}a.jpg,1,2 3\na.jpg,3,1 1\nc.jpg,4,19 2\n",
    "no last line end": f"{NEW}a.jpg,1,2 3\na.jpg,3,1 1\n\nc.jpg,4,19 2",
    "wide, image last": "1,2,3,4,fold,img\n"
    "2 3,0 0,1 1,0 0,0,a.jpg\n0 0,0 0,0 0,0 0,1,b.jpg\n,,,19 2,1,c.jpg\n",
    "wide, image first": "fname,1,2,3,4\na.jpg,2 3,0 0,1 1,0 0\nc.jpg,0 0,0 0,0 0,19 2\n",
    "gaps": f"{NEW}a.jpg,1.0,2 3\na.jpg,3.0,1 1\nb.jpg,,\nc.jpg,4.0, 19 2 \n",
    "clean rows": f"{NEW}a.jpg,1,2 3\na.jpg,3,1 1\na.jpg,2,\nb.jpg,0,1 409600\nc.jpg,4,19 2\n",
}


@pytest.mark.parametrize("csv", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_every_layout_gives_the_same_masks(tmp_path: Path, csv: str) -> None:
    source, masks = read(tmp_path, csv)
    assert source.class_titles == ("defect_1", "defect_2", "defect_3", "defect_4")
    assert [sample.image for sample in source.samples] == ["a.jpg", "b.jpg", "c.jpg"]
    assert masks.shape == (3, 4, H, W)
    found = {
        tuple(place): encode_rle(masks[tuple(place)])
        for place in np.argwhere(masks.any(axis=(2, 3))).tolist()
    }
    assert found == {(0, 0): "2 3", (0, 2): "1 1", (2, 3): "19 2"}


@pytest.mark.parametrize(
    "csv",
    [
        "ImageId,EncodedPixels,ClassId\na.jpg,1 409600,0\nb.jpg,1 1,0\n",
        "ImageId_ClassId,EncodedPixels\na.jpg_1,1 1\na.jpg_2,1 1\nb.jpg_1,1 1\n",
    ],
)
def test_placeholders_of_sample_submissions_are_no_masks(tmp_path: Path, csv: str) -> None:
    assert not read(tmp_path, csv)[1].any()


def test_classes_can_be_chosen(tmp_path: Path) -> None:
    source, masks = read(tmp_path, LAYOUTS["new"], classes=["defect_4", "defect_3"])
    assert source.class_titles == ("defect_3", "defect_4")
    assert masks.sum(axis=(2, 3)).tolist() == [[1, 0], [0, 0], [0, 2]]
    with pytest.raises(ParamsError, match=r"'scratch': data.classes; known here: defect_1"):
        read(tmp_path, LAYOUTS["new"], classes=["scratch"])


@pytest.mark.parametrize(
    ("csv", "fault"),
    [
        ("", "columns do not fit"),
        ("ImageId,Mask\na.jpg,1 1\n", "columns do not fit"),
        (f"{NEW}a.jpg,1\n", "row 2 has 2 fields"),
        (f"{NEW}a.jpg,1,2 3,4\n", "row 2 has 4 fields"),
        (f'{NEW}a.jpg,1,"2 3\n', "cannot read the csv"),
        (f"{NEW},1,2 3\n", "names no image"),
        (f"{NEW}a.jpg,5,2 3\n", "unknown class: .*a.jpg class 5"),
        (f"{NEW}a.jpg,0,2 3\n", "unknown class: .*a.jpg class 0"),
        (f"{NEW}a.jpg,,2 3\n", "unknown class: .*a.jpg"),
        (f"{NEW}a.jpg,one,2 3\n", "unknown class: .*a.jpg class one"),
        (f"{NEW}a.jpg,1,2 3\na.jpg,1,7 1\n", "named twice: .*a.jpg class 1"),
        ("fname,1,2,3,4\na.jpg,1 1,,,\na.jpg,,,,\n", "named twice: .*a.jpg class 1"),
        ("ImageId_ClassId,EncodedPixels\na.jpg,2 3\n", "names no image"),
        (
            f"{NEW}a.jpg,1,2 3\ny.jpg,1,2 3\nx.jpg,2,\n",
            "names an image that is not in .*train_images: .*train.csv, x.jpg",
        ),
    ],
)
def test_refuses_the_csv(tmp_path: Path, csv: str, fault: str) -> None:
    with pytest.raises(DataError, match=fault) as caught:
        read(tmp_path, csv)
    assert "train.csv" in str(caught.value)


def test_csv_in_another_encoding_is_refused(tmp_path: Path) -> None:
    make_root(tmp_path, "")
    (tmp_path / "train.csv").write_bytes("ImageId\n".encode("utf-16"))
    with pytest.raises(DataError, match=r"cannot read the csv.*train\.csv"):
        open_kaggle(tmp_path, data_params())


@pytest.mark.parametrize(
    ("runs", "fault"), [("2", "pairs"), ("20 2", "past the last"), ("0 0", "less than 1")]
)
def test_broken_runs_are_refused_by_csv_and_image(tmp_path: Path, runs: str, fault: str) -> None:
    with pytest.raises(DataError, match=fault) as caught:
        read(tmp_path, f"{NEW}b.jpg,2,{runs}\n")
    assert "train.csv, b.jpg class 2" in str(caught.value)


def test_runs_longer_than_the_default_limit_of_a_field(tmp_path: Path) -> None:
    runs = " ".join(f"{start} 1" for start in range(1, 60_001, 2))
    (tmp_path / "train.csv").write_text(f"{NEW}a.jpg,1,{runs}\n")
    assert len(runs) > 131_072
    assert read_runs(tmp_path / "train.csv") == {"a.jpg": {1: runs}}


@pytest.mark.parametrize("folder", ["train_images", "images", "."])
def test_folder_of_images(tmp_path: Path, folder: str) -> None:
    source = open_kaggle(make_root(tmp_path, LAYOUTS["new"], folder=folder), data_params())
    assert source.samples[0].image_path == tmp_path / folder / "a.jpg"


def test_choice_of_the_csv(tmp_path: Path) -> None:
    make_root(tmp_path, LAYOUTS["new"], "masks.csv")
    (tmp_path / "notes.csv").write_text("a,b\n")
    (tmp_path / "latin.csv").write_bytes(b"\xff\n")
    assert open_kaggle(tmp_path, data_params()).csv_path == tmp_path / "masks.csv"
    (tmp_path / "submission.csv").write_text(LAYOUTS["old"])
    with pytest.raises(DataError, match=r"several csv files fit \(masks.csv, submission.csv\)"):
        open_kaggle(tmp_path, data_params())
    (tmp_path / "train.csv").write_text(NEW)
    assert open_kaggle(tmp_path, data_params()).csv_path == tmp_path / "train.csv"


def test_nothing_to_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no csv"):
        open_kaggle(tmp_path, data_params())
    (tmp_path / "train.csv").write_text(NEW)
    with pytest.raises(DataError, match="no images"):
        open_kaggle(tmp_path, data_params())


def test_source_is_picklable(tmp_path: Path) -> None:
    source, masks = read(tmp_path, LAYOUTS["new"])
    copy = pickle.loads(pickle.dumps(source))
    assert copy == source
    assert np.array_equal(copy.read_masks(copy.samples[0], H, W), masks[0])


@needs_shared
def test_real_severstal() -> None:
    source = open_source(data_params(root=str(SHARED / "severstal-mini")))
    assert isinstance(source, KaggleSource)
    assert len(source.samples) == 17
    runs = read_runs(SHARED / "severstal-mini" / "train.csv")
    count = 0
    for sample in source.samples:
        masks = source.read_masks(sample, 256, 1600)
        written = {
            channel + 1: encode_rle(mask) for channel, mask in enumerate(masks) if mask.any()
        }
        assert written == runs.get(sample.image, {})
        count += len(written)
    assert count == 9
