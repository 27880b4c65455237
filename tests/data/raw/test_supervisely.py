"""Supervisely projects: data sets, splits, classes, shapes, and every refusal by file name."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from closure import SHARED
from make_params import data_params

from steelcli.common.errors import DataError, ParamsError
from steelcli.data.images.decode import read_image
from steelcli.data.raw.bitmap import encode_bitmap
from steelcli.data.raw.recognise import open_source
from steelcli.data.raw.supervisely import SuperviselySource, open_supervisely
from steelcli.data.raw.supervisely_export import annotation, project_meta

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"real data not found at {SHARED}")
H, W = 20, 30
BOX = np.array([[True, False, True], [True, True, True]])


def bitmap(x: float = 4, y: float = 5, title: str = "scratch", **changes: Any) -> dict[str, Any]:
    content = {"origin": [x, y], "data": encode_bitmap(BOX)}
    return {
        "classTitle": title,
        "bitmap": content,
        "geometryType": "bitmap",
        "shape": "bitmap",
    } | changes


def drawn(
    shape: str | None, exterior: list[Any], interior: Any = (), title: str = "patch"
) -> dict[str, Any]:
    item: dict[str, Any] = {
        "classTitle": title,
        "points": {"exterior": exterior, "interior": list(interior)},
    }
    return item | ({"geometryType": shape} if shape else {})


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def add_image(
    root: Path, dataset: str, name: str, objects: Any = (), ann_name: str | None = None
) -> None:
    image = root / dataset / "img" / name
    image.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(image), np.zeros((H, W), np.uint8))
    content = {"size": {"height": H, "width": W}, "tags": ["plain text"], "objects": list(objects)}
    write(root / dataset / "ann" / (ann_name or f"{name}.json"), content)


def write_meta(root: Path, **shapes: str) -> None:
    shapes = shapes or {
        "scratch": "bitmap",
        "patch": "polygon",
        "box": "rectangle",
        "seam": "line",
        "free": "any",
    }
    write(
        root / "meta.json",
        {"classes": [{"title": key, "shape": value} for key, value in shapes.items()]},
    )


def read_one(
    root: Path, *objects: dict[str, Any], **changes: Any
) -> tuple[SuperviselySource, np.ndarray]:
    write_meta(root)
    add_image(root, "ds", "a.png", objects)
    source = open_supervisely(root, data_params(**changes))
    return source, source.read_masks(source.samples[0], H, W)


def filled(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros((H, W), np.bool_)
    mask[top : bottom + 1, left : right + 1] = True
    return mask


def test_classes_are_those_that_cover_area_in_the_order_of_meta(tmp_path: Path) -> None:
    source, masks = read_one(tmp_path)
    assert source.class_titles == ("scratch", "patch", "box", "free")
    assert masks.shape == (4, H, W)
    assert masks.dtype == np.bool_
    assert not masks.any()


def test_objects_of_a_class_are_joined(tmp_path: Path) -> None:
    _, masks = read_one(tmp_path, bitmap(4, 5), bitmap(27.0, 18.0), bitmap(0, 0, "free"))
    expected = np.zeros((H, W), np.bool_)
    expected[5:7, 4:7] |= BOX
    expected[18:20, 27:30] |= BOX
    assert np.array_equal(masks[0], expected)
    assert np.array_equal(masks[3, :2, :3], BOX)
    assert masks.sum() == 15


def test_polygon_holes_cut_their_own_polygon_only(tmp_path: Path) -> None:
    outer = [[2.4, 3.0], [11.6, 3.0], [11.6, 12.2], [2.4, 12.2]]
    holes = [[[4, 5], [8, 5], [8, 9], [4, 9]], [[6, 5], [9, 5], [9, 9], [6, 9]]]
    _, masks = read_one(tmp_path, drawn("polygon", outer, holes))
    expected = filled(3, 2, 12, 12) & ~filled(5, 4, 9, 9)
    assert np.array_equal(masks[1], expected)
    _, masks = read_one(
        tmp_path, drawn("polygon", [[5, 6], [7, 6], [7, 8], [5, 8]]), drawn("polygon", outer, holes)
    )
    assert np.array_equal(masks[1], expected | filled(6, 5, 8, 7))


@pytest.mark.parametrize("corners", [[[3, 4], [8, 6]], [[8, 6], [3, 4]], [[3, 6], [8.0, 4.0]]])
def test_rectangle_includes_both_corners_in_any_order(tmp_path: Path, corners: list[Any]) -> None:
    _, masks = read_one(tmp_path, drawn("rectangle", corners, title="box"))
    assert np.array_equal(masks[2], filled(4, 3, 6, 8))


def test_points_on_the_outer_edge_come_back_into_the_image(tmp_path: Path) -> None:
    _, masks = read_one(tmp_path, drawn("rectangle", [[25, 15], [W, H]], title="box"))
    assert np.array_equal(masks[2], filled(15, 25, H - 1, W - 1))


def test_old_objects_without_shape(tmp_path: Path) -> None:
    old_bitmap = bitmap(points={"exterior": [], "interior": []})
    del old_bitmap["geometryType"], old_bitmap["shape"]
    square = [[2.0, 2.0], [6.0, 2.0], [6.0, 6.0], [2.0, 6.0]]
    objects = [
        old_bitmap,
        drawn(None, square) | {"bitmap": None, "tags": ["crack"]},
        drawn(None, [[1.0, 1.0], [3.0, 3.0]], title="box") | {"bitmap": None},
        drawn(None, square, title="free"),
        {
            "classTitle": "scratch",
            "shape": "polygon",
            "points": {"exterior": [[9, 9], [11, 9], [9, 11]]},
        },
    ]
    _, masks = read_one(tmp_path, *objects)
    assert masks[0].sum() == BOX.sum() + 6
    assert np.array_equal(masks[1], filled(2, 2, 6, 6))
    assert np.array_equal(masks[2], filled(1, 1, 3, 3))
    assert np.array_equal(masks[3], filled(2, 2, 6, 6))


@pytest.mark.parametrize(
    "item", [drawn("line", [[1, 1], [2, 2]], title="seam"), drawn("point", [[1, 1]], title="free")]
)
def test_other_shapes_are_refused_or_skipped(tmp_path: Path, item: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"a\.png\.json, object 1; set data\.other_shapes"):
        read_one(tmp_path, bitmap(), item)
    _, masks = read_one(tmp_path, bitmap(), item, other_shapes="skip")
    assert masks.sum() == BOX.sum()


def test_classes_left_out_are_ignored_whatever_their_shape(tmp_path: Path) -> None:
    objects = [
        drawn("line", [[1, 1]], title="seam"),
        bitmap(900, 0, "free"),
        drawn("cuboid", [], title="patch"),
    ]
    source, masks = read_one(tmp_path, bitmap(), *objects, classes=["box", "scratch"])
    assert source.class_titles == ("scratch", "box")
    assert masks.sum() == BOX.sum()


@pytest.mark.parametrize(
    ("wanted", "fault"),
    [("rust", "unknown class 'rust'.*scratch, patch, box, free"), ("seam", "shape 'line'")],
)
def test_unusable_class_is_refused(tmp_path: Path, wanted: str, fault: str) -> None:
    with pytest.raises(ParamsError, match=fault) as caught:
        read_one(tmp_path, classes=[wanted])
    assert caught.value.where == "data.classes"


BAD_OBJECTS: list[tuple[Any, str]] = [
    ("text", "'objects' holds str"),
    ({}, "'classTitle' is missing"),
    (bitmap(title="rust"), "'rust' is not in meta"),
    (bitmap(geometryType=7), "'geometryType' is int"),
    (bitmap(geometryType="cuboid"), "shape 'cuboid'"),
    (bitmap(geometryType="alpha_mask"), "shape 'alpha_mask'"),
    (bitmap(title="seam"), "not read"),
    ({"classTitle": "scratch"}, "neither a shape"),
    (bitmap(bitmap=None), "'bitmap' is NoneType"),
    (bitmap(bitmap={"origin": [1, 2]}), "'data' is missing"),
    (bitmap(bitmap={"origin": [1, 2], "data": 5}), "'data' is int"),
    (bitmap(bitmap={"origin": [1, 2], "data": "?"}), "no base64"),
    (bitmap(bitmap={"origin": [1], "data": ""}), "no pair of numbers"),
    (bitmap(bitmap={"origin": "1,2", "data": ""}), "'origin' is str"),
    (bitmap(True), "no pair of numbers"),
    (bitmap(float("nan")), "no pair of numbers"),
    (bitmap(10**400), "no pair of numbers"),
    (bitmap(-1), "leaves the 30x20 image"),
    (bitmap(28), "leaves the 30x20 image"),
    (bitmap(0, 19), "leaves the 30x20 image"),
    (drawn("polygon", [[1, 1], [2, 2]]), "polygon has 2 points"),
    (drawn("polygon", [[1, 1], [2, 2], [3, 1]], [[[1, 1]]]), "hole has 1 points"),
    (drawn("polygon", [[1, 1], [2, 2], [3, 1]], [7]), "points are int"),
    (drawn("polygon", [[1, 1], [2, 2], [3, "1"]]), "no pair of numbers"),
    (drawn("polygon", [[1, 1], [2, 2], [31, 1]]), "outside the 30x20 image"),
    (drawn("polygon", [[1, 1], [2, 2], [3, -1]]), "outside the 30x20 image"),
    ({"classTitle": "patch", "geometryType": "polygon"}, "'points' is missing"),
    ({"classTitle": "patch", "geometryType": "polygon", "points": {}}, "'exterior' is missing"),
    (drawn("rectangle", [[1, 1], [2, 2], [3, 3]], title="box"), "rectangle has 3 corners"),
]


@pytest.mark.parametrize(("item", "fault"), BAD_OBJECTS)
def test_bad_object_is_refused_by_file(tmp_path: Path, item: Any, fault: str) -> None:
    with pytest.raises(DataError, match=fault) as caught:
        read_one(tmp_path, item)
    assert "a.png.json" in str(caught.value)


BAD_ANNOTATIONS: list[tuple[Any, str]] = [
    ("{", "broken JSON"),
    ("[" * 100_000, "broken JSON"),
    ("[]", "no mapping"),
    ({"objects": []}, "'size' is missing"),
    ({"size": [H, W], "objects": []}, "'size' is list"),
    ({"size": {"height": H}, "objects": []}, "'width' is missing"),
    ({"size": {"height": True, "width": W}, "objects": []}, "'height' is bool"),
    (
        {"size": {"height": W, "width": H}, "objects": []},
        "annotated for an image of 20x30, but the image has 30x20",
    ),
    ({"size": {"height": H, "width": W}}, "'objects' is missing"),
    ({"size": {"height": H, "width": W}, "objects": None}, "'objects' is NoneType"),
]


@pytest.mark.parametrize(("content", "fault"), BAD_ANNOTATIONS)
def test_bad_annotation_is_refused_by_file(tmp_path: Path, content: Any, fault: str) -> None:
    source, _ = read_one(tmp_path)
    write(tmp_path / "ds/ann/a.png.json", content)
    with pytest.raises(DataError, match=fault) as caught:
        source.read_masks(source.samples[0], H, W)
    assert "a.png.json" in str(caught.value)


def test_annotation_that_vanished_or_is_no_text(tmp_path: Path) -> None:
    source, _ = read_one(tmp_path)
    path = tmp_path / "ds/ann/a.png.json"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"broken JSON.*a\.png\.json"):
        source.read_masks(source.samples[0], H, W)
    path.unlink()
    with pytest.raises(DataError, match=r"cannot read.*a\.png\.json"):
        source.read_masks(source.samples[0], H, W)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("{", "broken JSON"),
        ({}, "'classes' is missing"),
        ({"classes": [{"shape": "bitmap"}]}, "'title' is missing"),
        ({"classes": [{"title": "a"}]}, "'shape' is missing"),
        ({"classes": [{"title": "a", "shape": "bitmap"}] * 2}, "defined twice"),
        ({"classes": [{"title": "a", "shape": "line"}]}, "no class covers an area"),
    ],
)
def test_bad_meta_is_refused(tmp_path: Path, content: Any, fault: str) -> None:
    add_image(tmp_path, "ds", "a.png")
    write(tmp_path / "meta.json", content)
    with pytest.raises(DataError, match=fault) as caught:
        open_supervisely(tmp_path, data_params())
    assert "meta.json" in str(caught.value)


def test_missing_meta_is_refused(tmp_path: Path) -> None:
    add_image(tmp_path, "ds", "a.png")
    with pytest.raises(DataError, match=r"meta\.json not found"):
        open_supervisely(tmp_path, data_params())


DATASETS = (
    "train_split",
    "Validation",
    "test",
    "other",
    "train/datasets/coil",
    "valid/deep/er",
    "val_split",
)
SPLITS = ("train", "val", "test", None, "train", "val", "val")


@pytest.mark.parametrize("keep", [True, False])
def test_split_follows_the_outermost_data_set(tmp_path: Path, keep: bool) -> None:
    write_meta(tmp_path)
    for index, name in enumerate(DATASETS):
        add_image(tmp_path, name, f"{index}.png")
    source = open_supervisely(tmp_path, data_params(keep_splits=keep))
    assert [sample.image for sample in source.samples] == [f"{index}.png" for index in range(7)]
    assert tuple(sample.split for sample in source.samples) == (SPLITS if keep else (None,) * 7)


def test_names_keep_their_data_set_where_stems_repeat(tmp_path: Path) -> None:
    write_meta(tmp_path)
    add_image(tmp_path, "train/datasets/coil", "a.png")
    add_image(tmp_path, "val", "a.png")
    source = open_supervisely(tmp_path, data_params())
    assert [sample.image for sample in source.samples] == ["train/coil/a.png", "val/a.png"]


@pytest.mark.parametrize(
    ("wanted", "count"), [(["a"], 2), (["a/b"], 1), (["c"], 1), (["c", "a/b"], 2), ([], 3)]
)
def test_data_sets_can_be_chosen(tmp_path: Path, wanted: list[str], count: int) -> None:
    write_meta(tmp_path)
    for index, name in enumerate(("a", "a/datasets/b", "c")):
        add_image(tmp_path, name, f"{index}.png")
    assert len(open_supervisely(tmp_path, data_params(datasets=wanted)).samples) == count


def test_unknown_data_set_is_refused(tmp_path: Path) -> None:
    write_meta(tmp_path)
    add_image(tmp_path, "coils", "a.png")
    with pytest.raises(
        ParamsError, match=r"unknown data set 'coil': data.datasets; known here: coils"
    ):
        open_supervisely(tmp_path, data_params(datasets=["coil"]))


def test_project_that_is_one_data_set(tmp_path: Path) -> None:
    write_meta(tmp_path)
    add_image(tmp_path, ".", "a.png")
    source = open_supervisely(tmp_path, data_params())
    assert [(sample.image, sample.split) for sample in source.samples] == [("a.png", None)]
    add_image(tmp_path, "train", "b.png")
    with pytest.raises(DataError, match="images stand beside whole data sets"):
        open_supervisely(tmp_path, data_params())


def test_linked_data_set_is_read_and_a_circle_ends(tmp_path: Path) -> None:
    write_meta(tmp_path / "project")
    add_image(tmp_path, "elsewhere", "a.png")
    (tmp_path / "project" / "train").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "up").symlink_to(tmp_path / "project")
    source = open_supervisely(tmp_path / "project", data_params())
    assert [(sample.image, sample.split) for sample in source.samples] == [("a.png", "train")]


def test_annotation_named_after_the_stem(tmp_path: Path) -> None:
    write_meta(tmp_path)
    add_image(tmp_path, "ds", "a.png", [bitmap()], ann_name="a.json")
    source = open_supervisely(tmp_path, data_params())
    assert source.read_masks(source.samples[0], H, W).sum() == BOX.sum()


def test_image_and_annotation_must_pair(tmp_path: Path) -> None:
    write_meta(tmp_path)
    add_image(tmp_path, "ds", "a.png")
    (tmp_path / "ds/ann/a.png.json").rename(tmp_path / "ds/ann/b.png.json")
    with pytest.raises(DataError, match=r"image without annotation: .*a\.png"):
        open_supervisely(tmp_path, data_params())
    (tmp_path / "ds/ann/b.png.json").rename(tmp_path / "ds/ann/a.png.json")
    write(tmp_path / "ds/ann/lost.png.json", {})
    with pytest.raises(DataError, match=r"annotation without image: .*lost\.png\.json"):
        open_supervisely(tmp_path, data_params())


def test_empty_projects_are_refused(tmp_path: Path) -> None:
    write_meta(tmp_path)
    with pytest.raises(DataError, match="no data set"):
        open_supervisely(tmp_path, data_params())
    (tmp_path / "ds/img").mkdir(parents=True)
    with pytest.raises(DataError, match="no folder ann"):
        open_supervisely(tmp_path, data_params())
    (tmp_path / "ds/ann").mkdir()
    with pytest.raises(DataError, match="no images"):
        open_supervisely(tmp_path, data_params())


def test_source_is_picklable(tmp_path: Path) -> None:
    source, masks = read_one(tmp_path, bitmap())
    copy = pickle.loads(pickle.dumps(source))
    assert copy == source
    assert np.array_equal(copy.read_masks(copy.samples[0], H, W), masks)


def test_written_project_reads_back(tmp_path: Path) -> None:
    masks = np.random.default_rng(3).random((2, H, W)) > 0.7
    write(tmp_path / "meta.json", project_meta(["one", "two"]))
    add_image(tmp_path, "train", "a.png")
    content = annotation(H, W, zip(("one", "two"), masks, strict=True))
    write(tmp_path / "train/ann/a.png.json", content)
    source = open_supervisely(tmp_path, data_params())
    assert source.class_titles == ("one", "two")
    assert np.array_equal(source.read_masks(source.samples[0], H, W), masks)
    components = sum(
        cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0] - 1 for mask in masks
    )
    assert len(content["objects"]) == components


def test_diagonal_pixels_are_one_object_and_empty_masks_none() -> None:
    eye = np.eye(5, dtype=np.bool_)
    assert len(annotation(5, 5, [("one", eye), ("two", ~eye & eye)])["objects"]) == 1
    with pytest.raises(ValueError, match="'one' has shape"):
        annotation(5, 6, [("one", eye)])


@needs_shared
def test_real_project_of_the_sdk() -> None:
    source = open_source(data_params(root=str(SHARED / "strip-steel")))
    assert source.class_titles == ("inclusion", "patches", "scratches")
    splits = [sample.split for sample in source.samples]
    assert [splits.count(name) for name in ("train", "val", "test")] == [180, 30, 60]
    for sample in source.samples[::9]:
        masks = source.read_masks(sample, *read_image(sample.image_path, "grey").shape)
        kind = {"In": 0, "Pa": 1, "Sc": 2}[sample.image[:2]]
        assert [bool(mask.any()) for mask in masks] == [channel == kind for channel in range(3)]


@needs_shared
def test_writer_has_the_format_of_the_sdk() -> None:
    root = SHARED / "strip-steel"
    real_meta = json.loads((root / "meta.json").read_text())
    meta = project_meta([item["title"] for item in real_meta["classes"]])
    without_color = [
        [{**item, "color": ""} for item in each["classes"]] for each in (meta, real_meta)
    ]
    assert without_color[0] == without_color[1]
    assert {**meta, "classes": []} == {**real_meta, "classes": []}
    real = json.loads((root / "test/ann/In_71.png.json").read_text())
    source = open_supervisely(root, data_params())
    sample = next(sample for sample in source.samples if sample.image == "In_71.png")
    masks = source.read_masks(sample, 200, 200)
    written = annotation(200, 200, zip(source.class_titles, masks, strict=True))
    assert {**written, "objects": []} == {**real, "objects": []}
    assert [item.keys() for item in written["objects"]] == [item.keys() for item in real["objects"]]
    origins = [[item["bitmap"]["origin"] for item in each["objects"]] for each in (written, real)]
    assert sorted(origins[0]) == sorted(origins[1])


@needs_shared
def test_real_project_of_the_web_tool() -> None:
    source = open_source(data_params(root=str(SHARED / "supervisely-demo")))
    assert source.class_titles == ("bike", "car", "dog", "person")
    few = open_source(
        data_params(root=str(SHARED / "supervisely-demo"), classes=["person", "bike"])
    )
    assert few.class_titles == ("bike", "person")
    total = np.zeros(4, np.int64)
    for sample, same in zip(source.samples, few.samples, strict=True):
        shape = read_image(sample.image_path, "grey").shape
        masks = source.read_masks(sample, *shape)
        assert np.array_equal(few.read_masks(same, *shape), masks[[0, 3]])
        total += masks.sum(axis=(1, 2))
    assert total[[0, 3]].tolist() == [524148, 203746]
    # OpenCV releases draw slanted edges of polygons a few pixels apart
    assert total[[1, 2]] == pytest.approx([896587, 51059], rel=1e-3)


@needs_shared
def test_real_shapes_changed_to_lines_follow_the_parameter(tmp_path: Path) -> None:
    meta = json.loads((SHARED / "supervisely-demo/meta.json").read_text())
    meta["classes"][1]["shape"] = "line"
    write(tmp_path / "meta.json", meta)
    (tmp_path / "dataset_02").symlink_to(SHARED / "supervisely-demo/dataset_02")
    source = open_supervisely(tmp_path, data_params(other_shapes="skip"))
    assert source.class_titles == ("bike", "dog", "person")
    assert source.read_masks(source.samples[0], 801, 1200).any()
    strict = open_supervisely(tmp_path, data_params())
    with pytest.raises(DataError, match=r"'car' is a line.*bmw\.json"):
        strict.read_masks(strict.samples[0], 801, 1200)
