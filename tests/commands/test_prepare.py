"""prepare: from raw files to the store and data.json."""

from __future__ import annotations

import json
import pickle
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from closure import SHARED
from make_params import data_params
from numpy.typing import NDArray

from steelcli.commands.prepare import prepare
from steelcli.common import inputs
from steelcli.common.errors import DataError
from steelcli.data.images.decode import read_image, read_image_bytes
from steelcli.data.raw.recognise import open_source
from steelcli.data.store import letterbox
from steelcli.data.store.reader import Store
from steelcli.data.types import SPLITS


def test_the_store_holds_what_the_raw_data_shows(project_dir: Path, store_dir: Path) -> None:
    params = data_params(root=str(project_dir))
    source, store = open_source(params), Store(store_dir)
    raw = {sample.image: sample for sample in source.samples}
    assert sorted(raw) == sorted(record.image for record in store.records)
    assert store.class_titles == source.class_titles
    assert [record.split for record in store.records] == sorted(
        (r.split for r in store.records), key=SPLITS.index
    )
    for position, record in enumerate(store.records):
        sample = raw[record.image]
        image = read_image(sample.image_path, "grey")
        masks = source.read_masks(sample, *image.shape)
        assert (record.height, record.width) == image.shape == (128, 800)
        assert np.array_equal(store.class_masks(position), masks)
        assert record.class_pixels == tuple(int(mask.sum()) for mask in masks)
        box = store.letterbox(position)
        assert np.array_equal(store.images[position], letterbox.apply_to_image(image, box))
        assert np.array_equal(
            store.masks[position], letterbox.apply_to_mask(masks.any(axis=0), box)
        )
        if record.split == "test":
            assert store.original(position) == sample.image_path.read_bytes()


def test_metrics_count_images_and_pixels(store_dir: Path) -> None:
    metrics = json.loads((store_dir.parent / "data.json").read_text(encoding="utf-8"))
    store = Store(store_dir)
    assert metrics["images_found"] == 24
    for split in SPLITS:
        members = [store.records[p] for p in store.positions(split)]
        assert metrics[split]["images"] == len(members)
        assert metrics[split]["defect_images"] == sum(record.has_defect for record in members)
        assert metrics[split]["clean_images"] == len(members) - metrics[split]["defect_images"]
        for channel, title in enumerate(store.class_titles):
            share = sum(r.class_pixels[channel] for r in members) / (len(members) * 128 * 800)
            assert metrics[split][f"pixel_share_class.{title}"] == pytest.approx(share)


def test_the_same_raw_data_gives_the_same_bytes(
    project_dir: Path, store_dir: Path, tmp_path: Path
) -> None:
    prepare(data_params(root=str(project_dir)), tmp_path / "prepared", tmp_path / "data.json")
    for path in store_dir.iterdir():
        assert (tmp_path / "prepared" / path.name).read_bytes() == path.read_bytes()


def test_workers_give_the_same_bytes_as_one_process(
    project_dir: Path, store_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steelcli.common.cores._MIN_ITEMS", 1)
    prepare(data_params(root=str(project_dir)), tmp_path / "prepared", tmp_path / "data.json")
    for path in store_dir.iterdir():
        assert (tmp_path / "prepared" / path.name).read_bytes() == path.read_bytes()


def test_each_image_is_decoded_once_and_each_file_opened_once(
    project_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for the raw files of test images, which are copied once the split is known."""
    decoded, opened = Counter[bytes](), Counter[str]()
    decode, read = cv2.imdecode, inputs.read_bytes

    def count_decode(raw: NDArray[np.uint8], *flags: int) -> Any:
        decoded[raw.tobytes()] += 1
        return decode(raw, *flags)

    def count_read(path: Path, max_bytes: int | None) -> bytes:
        opened[path.name] += 1
        return read(path, max_bytes)

    monkeypatch.setattr(cv2, "imdecode", count_decode)
    monkeypatch.setattr(inputs, "read_bytes", count_read)
    prepare(data_params(root=str(project_dir)), tmp_path / "prepared", tmp_path / "data.json")
    records = Store(tmp_path / "prepared").records
    expected = Counter({"meta.json": 1})
    for record in records:
        expected[record.image] = 2 if record.split == "test" else 1
        expected[f"{record.image}.json"] = 1
    assert opened == expected
    jpegs = {raw: count for raw, count in decoded.items() if raw.startswith(b"\xff\xd8")}
    assert set(jpegs) == {path.read_bytes() for path in (project_dir / "strips/img").iterdir()}
    assert set(jpegs.values()) == {1}


def test_limit_takes_that_many_per_split(project_dir: Path, tmp_path: Path) -> None:
    params = data_params(root=str(project_dir), limit=2)
    metrics = prepare(params, tmp_path / "prepared", tmp_path / "data.json")
    assert [metrics[split]["images"] for split in SPLITS] == [2, 2, 2]
    assert all(metrics[split]["defect_images"] >= 1 for split in SPLITS)


def test_a_store_travels_without_its_open_files(store_dir: Path) -> None:
    store = Store(store_dir)
    assert store.images.shape == (24, 64, 256)
    assert len(pickle.dumps(store)) < 100_000


def test_an_unreadable_image_leaves_nothing_behind(project_dir: Path, tmp_path: Path) -> None:
    broken_dir = tmp_path / "raw"
    shutil.copytree(project_dir, broken_dir)
    victim = sorted((broken_dir / "strips" / "img").iterdir())[5]
    victim.write_bytes(victim.read_bytes()[:500])
    with pytest.raises(DataError, match=victim.name):
        prepare(
            data_params(root=str(broken_dir)),
            tmp_path / "out" / "prepared",
            tmp_path / "out" / "data.json",
        )
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["data_problems.csv"]


def test_data_without_a_defect_is_refused(project_dir: Path, tmp_path: Path) -> None:
    clean_dir = tmp_path / "raw"
    shutil.copytree(project_dir, clean_dir)
    for path in (clean_dir / "strips" / "ann").iterdir():
        annotation = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(annotation | {"objects": []}), encoding="utf-8")
    with pytest.raises(DataError, match="no image has a defect"):
        prepare(data_params(root=str(clean_dir)), tmp_path / "prepared", tmp_path / "data.json")
    assert not (tmp_path / "prepared").exists()


def test_a_validation_split_without_a_defect_is_refused(project_dir: Path, tmp_path: Path) -> None:
    """So every monitor of a training has a value."""
    raw_dir = tmp_path / "raw"
    shutil.copytree(project_dir, raw_dir)
    params = data_params(root=str(raw_dir))
    prepare(params, tmp_path / "first", tmp_path / "data.json")
    store = Store(tmp_path / "first")
    (raw_dir / "strips").rename(raw_dir / "train")
    for position in store.positions("val"):
        for kind, suffix in (("img", ""), ("ann", ".json")):
            (raw_dir / "val" / kind).mkdir(parents=True, exist_ok=True)
            name = f"{Path(store.records[position].image).name}{suffix}"
            (raw_dir / "train" / kind / name).rename(raw_dir / "val" / kind / name)
    for path in (raw_dir / "val" / "ann").iterdir():
        annotation = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(annotation | {"objects": []}), encoding="utf-8")
    with pytest.raises(DataError, match=r"no image of the val split has a defect.*; add annotated"):
        prepare(params, tmp_path / "prepared", tmp_path / "data.json")


def test_a_missing_root_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        prepare(
            data_params(root=str(tmp_path / "nowhere")),
            tmp_path / "prepared",
            tmp_path / "data.json",
        )


def test_a_copy_of_a_picture_is_reported(project_dir: Path, tmp_path: Path) -> None:
    raw_dir = tmp_path / "raw"
    shutil.copytree(project_dir, raw_dir)
    for kind, ending in (("img", ""), ("ann", ".json")):
        folder = raw_dir / "strips" / kind
        first = sorted(folder.iterdir())[0]
        shutil.copy(
            first, folder / f"zz_copy{Path(first.name.removesuffix('.json')).suffix}{ending}"
        )
    metrics = prepare(data_params(root=str(raw_dir)), tmp_path / "prepared", tmp_path / "data.json")
    assert metrics["duplicates_within_a_split"] == 1
    store = Store(tmp_path / "prepared")
    contents = {}
    for record in store.records:
        assert contents.setdefault(record.content, record.split) == record.split


def test_16_bit_images_are_stored_as_the_range_shows_them(tmp_path: Path) -> None:
    for index in range(12):
        deep = np.random.default_rng(index).integers(0, 4096, (40, 60)).astype(np.uint16)
        mask = np.zeros((40, 60), np.uint8)
        mask[5:15, 5:30] = index % 3
        for kind, pixels in (("images", deep), ("masks", mask)):
            (tmp_path / "raw" / kind).mkdir(parents=True, exist_ok=True)
            suffix = ".tif" if kind == "images" and index % 2 else ".png"
            cv2.imwrite(str(tmp_path / "raw" / kind / f"{index:02d}{suffix}"), pixels)
    changes = {"image_size": [64, 64], "mask_values": {"pits": 1, "cracks": 2}}
    paths = tmp_path / "prepared", tmp_path / "data.json"
    with pytest.raises(DataError, match=r"12 problems in the data.*16 bits a channel"):
        prepare(data_params(root=str(tmp_path / "raw"), **changes), *paths)
    params = data_params(root=str(tmp_path / "raw"), value_range=[0, 2048], **changes)
    for color in ("grey", "rgb"):
        prepare(params.model_copy(update={"color": color}), *paths)
        store = Store(tmp_path / "prepared")
        assert store.class_titles == ("pits", "cracks")
        for position, record in enumerate(store.records):
            index = int(record.image[:2])
            assert [bool(pixels) for pixels in record.class_pixels] == [
                index % 3 == 1,
                index % 3 == 2,
            ]
            deep = np.random.default_rng(index).integers(0, 4096, (40, 60))
            shown = np.rint(np.minimum(deep, 2048) * 255 / 2048).astype(np.uint8)
            expected = letterbox.apply_to_image(shown, store.letterbox(position))
            stored = store.images[position]
            assert np.array_equal(stored if color == "grey" else stored[:, :, 1], expected)
            if record.split == "test":
                original = read_image_bytes(store.original(position), "grey", record.image)
                assert np.array_equal(original, shown)


def read_everything(store_dir: Path) -> None:
    store = Store(store_dir)
    assert len(store.images)
    for position in range(len(store.records)):
        store.class_masks(position)


def test_a_flipped_bit_in_the_truth_is_one_sentence(store_dir: Path, tmp_path: Path) -> None:
    copy_dir = tmp_path / "prepared"
    shutil.copytree(store_dir, copy_dir)
    raw = bytearray((copy_dir / "truth.bin").read_bytes())
    raw[len(raw) // 2] ^= 255
    (copy_dir / "truth.bin").write_bytes(raw)
    with pytest.raises(DataError, match="damaged"):
        read_everything(copy_dir)


@pytest.mark.parametrize("text", ["[]", "{}", '{"version": 1, "records": [{}]}'])
def test_a_foreign_index_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "index.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"index\.json"):
        Store(tmp_path)


@pytest.mark.parametrize("name", ["index.json", "images.npy", "truth.bin"])
def test_a_damaged_store_is_one_sentence(store_dir: Path, tmp_path: Path, name: str) -> None:
    copy_dir = tmp_path / "prepared"
    shutil.copytree(store_dir, copy_dir)
    path = copy_dir / name
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="steelcli prepare"):
        read_everything(copy_dir)


@pytest.mark.parametrize(
    ("folder", "changes"),
    [
        ("severstal-mini", {"image_size": [1024, 256], "val_fraction": 0.2, "test_fraction": 0.2}),
        (
            "supervisely-demo",
            {"classes": ["car", "dog"], "val_fraction": 0.2, "test_fraction": 0.2, "color": "rgb"},
        ),
        ("strip-steel", {"image_size": [224, 224]}),
    ],
)
def test_real_data_is_prepared(folder: str, changes: dict[str, object], tmp_path: Path) -> None:
    if not (SHARED / folder).exists():
        pytest.skip(f"{SHARED / folder} is not here")
    root = str(SHARED / folder)
    metrics = prepare(
        data_params(root=root, **changes), tmp_path / "prepared", tmp_path / "data.json"
    )
    assert all(metrics[split]["defect_images"] > 0 for split in SPLITS)
    if folder == "strip-steel":
        assert [metrics[split]["images"] for split in SPLITS] == [180, 30, 60]
