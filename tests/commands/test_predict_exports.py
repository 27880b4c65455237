"""What ``predict`` writes for other tools comes back pixel for pixel."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_studio_converter.brush import decode_from_annotation
from make_params import data_params, evaluate_params, threshold_params
from numpy.typing import NDArray
from pycocotools.coco import COCO

from steelcli.commands.judge import evaluate_foreign
from steelcli.commands.predict import predict
from steelcli.commands.predict_files import list_images, supervisely_paths
from steelcli.commands.prepare import prepare
from steelcli.common.problems import Problems
from steelcli.data.images.level_png import load_levels, load_mask
from steelcli.data.predictions.match import match_predictions, open_predictions
from steelcli.data.store.reader import Store

OUTPUTS = ("masks", "supervisely", "coco.json", "kaggle.csv")
WRITE = ("masks", "maps", "supervisely", "coco", "kaggle", "labelstudio")
Masks = dict[str, NDArray[np.bool_]]


@pytest.fixture(scope="module")
def out_dir(project_dir: Path, predict_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Predictions of the whole project in every format, cut so that many have some."""
    out_dir = tmp_path_factory.mktemp("exports") / "out"
    asked = ([str(project_dir)], out_dir, WRITE, 8, data_params(), 0.52, 5)
    counts = predict(*asked, predict_dir / "models", predict_dir / "metrics/threshold.json")
    assert counts["images"] == 24
    assert counts["defect_images"] > 4
    return out_dir


@pytest.fixture(scope="module")
def masks(out_dir: Path) -> Masks:
    """What was predicted, by the image's name."""
    paths = (out_dir / "masks").rglob("*.png")
    return {f"{path.stem}.jpg": load_mask(path) for path in paths}


@pytest.mark.parametrize("output", OUTPUTS)
def test_every_format_reads_back_as_the_mask(out_dir: Path, masks: Masks, output: str) -> None:
    path = out_dir / output
    if output == "masks":  # found by their path, which is that in the project
        path = path / "strips" / "img"
    source = open_predictions(path, data_params())
    predictions = match_predictions(source, list(masks), "test", path)
    assert predictions.kind == "masks"
    assert predictions.outside == 0
    for image, mask in masks.items():
        found = predictions.read(image, *mask.shape, "masks")
        assert np.array_equal(found.levels, mask * np.uint16(65535))
        assert not found.resized


def test_maps_read_back_as_they_are(out_dir: Path, masks: Masks) -> None:
    path = out_dir / "maps/strips/img"
    predictions = match_predictions(
        open_predictions(path, data_params()), list(masks), "test", path
    )
    assert predictions.kind == "probs"
    for image, mask in masks.items():
        levels = load_levels(path / Path(image).with_suffix(".png"))
        assert np.array_equal(predictions.read(image, *mask.shape, "probs").levels, levels)


def test_evaluate_takes_every_format_for_one_model(
    out_dir: Path, store_dir: Path, tmp_path: Path
) -> None:
    shutil.copytree(out_dir / "masks/strips/img", tmp_path / "masks")
    scores = []
    for path in (tmp_path / "masks", *(out_dir / output for output in OUTPUTS[1:])):
        params = (data_params(), threshold_params(), evaluate_params())
        metrics = evaluate_foreign(path, "own", None, *params, store_dir, tmp_path / "metrics")
        scores.append(metrics["fixed"])
    assert scores[0]["f1"] > 0
    assert scores.count(scores[0]) == len(OUTPUTS)


def test_the_supervisely_project_is_prepared_with_the_same_masks(
    out_dir: Path, masks: Masks, project_dir: Path, tmp_path: Path
) -> None:
    root = out_dir / "supervisely"
    image = next((project_dir / "strips" / "img").iterdir())
    assert (root / "strips" / "img" / image.name).read_bytes() == image.read_bytes()
    prepare(data_params(root=str(root)), tmp_path / "prepared", tmp_path / "data.json")
    store = Store(tmp_path / "prepared")
    assert store.class_titles == ("defect",)
    assert len(store.records) == len(masks)
    for position, record in enumerate(store.records):
        assert np.array_equal(store.class_masks(position)[0], masks[record.image])


def test_a_second_round_through_supervisely_changes_nothing(
    out_dir: Path, predict_dir: Path, tmp_path: Path
) -> None:
    first_dir, second_dir = out_dir / "supervisely", tmp_path / "out/supervisely"
    paths = (predict_dir / "models", predict_dir / "metrics/threshold.json")
    asked = ([str(first_dir)], tmp_path / "out", ("supervisely",), 8, data_params(), 0.52, 5)
    predict(*asked, *paths)
    files = sorted(path.relative_to(first_dir) for path in first_dir.rglob("*.*"))
    assert files == sorted(path.relative_to(second_dir) for path in second_dir.rglob("*.*"))
    for file in files:
        assert (first_dir / file).read_bytes() == (second_dir / file).read_bytes()
    stores = []
    for root in (first_dir, second_dir):
        store_dir = tmp_path / f"prepared_{len(stores)}"
        prepare(data_params(root=str(root)), store_dir, tmp_path / "data.json")
        stores.append(Store(store_dir))
    first, second = stores
    assert first.fingerprint == second.fingerprint
    for position in range(len(first.records)):
        assert np.array_equal(first.class_masks(position), second.class_masks(position))


def test_label_studios_converter_reads_a_brush_for_each_component(
    out_dir: Path, masks: Masks
) -> None:
    text = (out_dir / "labelstudio.json").read_text(encoding="utf-8")
    tasks: list[dict[str, Any]] = json.loads(text)
    summary = json.loads((out_dir / "summary.json").read_text(encoding="utf-8"))
    assert len(tasks) == len(masks)
    assert text.count("\n") == len(tasks) + 1
    for task, row in zip(tasks, summary["images"], strict=True):
        assert task["data"] == {"image": f"/data/local-files/?d={row['image']}"}
        (prediction,) = task["predictions"]
        assert prediction["score"] == row["score"]
        assert len(prediction["result"]) == len(row["components"])
        mask = masks[Path(row["image"]).name]
        joined = np.zeros(mask.shape, np.uint8)
        for region, component in zip(prediction["result"], row["components"], strict=True):
            assert (region["from_name"], region["to_name"]) == ("tag", "image")
            assert (region["type"], region["value"]["format"]) == ("brushlabels", "rle")
            assert (region["original_height"], region["original_width"]) == mask.shape
            # the converter takes what Label Studio exports: the value's keys beside the others
            layers = decode_from_annotation("tag", [region | region["value"]])
            layer = layers["tag-defect-0"]
            assert np.count_nonzero(layer) == component["area_px"]
            assert region["score"] == component["mean_probability"]
            joined += layer
        assert np.array_equal(joined, mask * np.uint8(255))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # its own
def test_pycocotools_reads_a_mask_for_each_component(out_dir: Path, masks: Masks) -> None:
    coco = COCO(str(out_dir / "coco.json"))
    summary = json.loads((out_dir / "summary.json").read_text(encoding="utf-8"))
    components = {row["image"]: row["components"] for row in summary["images"]}
    assert len(coco.getImgIds()) == len(masks)
    for image in coco.loadImgs(coco.getImgIds()):
        annotations: list[dict[str, Any]] = coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]]))
        joined = np.zeros((image["height"], image["width"]), np.uint8)
        own = components[image["file_name"]]
        for one, component in zip(annotations, own, strict=True):
            mask = coco.annToMask(one)
            assert mask.sum() == one["area"] == component["area_px"]
            x, y, width, height = one["bbox"]
            assert mask[y : y + height, x : x + width].sum() == one["area"]
            joined += mask
        assert np.array_equal(joined, masks[Path(image["file_name"]).name])


@pytest.mark.parametrize(
    ("image", "place"),
    [
        ("a.png", "images/img/a.png"),
        ("line/a.png", "line/img/a.png"),
        ("line/late/a.png", "line/datasets/late/img/a.png"),
        ("strips/img/a.png", "strips/img/a.png"),
        ("line/datasets/late/img/a.png", "line/datasets/late/img/a.png"),
        ("img/a.png", "images/img/a.png"),
    ],
)
def test_places_in_the_project(image: str, place: str) -> None:
    copied, annotated = supervisely_paths(image)
    assert copied.as_posix() == place
    assert annotated.as_posix() == place.replace("img/a.png", "ann/a.png.json")


def test_images_that_would_be_one_in_the_project_are_problems(tmp_path: Path) -> None:
    for name in ("a/img/x.png", "a/X.jpg", "b/x.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for in_project, expected in (
        (False, ["a/X.jpg", "a/img/x.png", "b/x.png"]),
        (True, ["b/x.png"]),
    ):
        problems = Problems()
        found = list_images([str(tmp_path)], tmp_path / "out", problems, in_project)
        assert list(found) == expected
        assert len(problems.rows) == 3 - len(expected)
        for row in problems.rows:
            assert "one place in the Supervisely project" in row.what
