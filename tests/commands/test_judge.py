"""Predictions of other models: the same numbers from every format, and what is refused."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import make_predictions as make
import numpy as np
import pytest
from make_params import data_params, evaluate_params, threshold_params

from steelcli.commands.evaluate import evaluate
from steelcli.commands.judge import evaluate_foreign
from steelcli.commands.tune_threshold import tune_threshold
from steelcli.common.errors import DataError, ParamsError, RunError
from steelcli.common.outputs import write_json
from steelcli.data.levels import from_levels, mask_to_levels, to_levels
from steelcli.data.store.reader import Store
from steelcli.reporting.metric_tables import build_scores
from steelcli.reporting.other_models import build_others, read_others
from steelcli.scores.counts import FIXED, OperatingPoint
from steelcli.scores.scorer import SplitScorer
from steelcli.scores.summary import summarise

LEARNING = threshold_params()
PARAMS = evaluate_params(overlays=1, timing_images=1)


class Judge:
    """Scores predictions against the small store."""

    def __init__(self, store_dir: Path, work_dir: Path) -> None:
        self.store_dir, self.work_dir, self.metrics_dir = store_dir, work_dir, work_dir / "metrics"
        self.store = Store(store_dir)
        self.maps = make.make_levels(self.store, "test")
        self.masks = make.cut(self.maps)
        self.learning = LEARNING

    def __call__(
        self, path: Path, val_path: Path | None = None, name: str = "other"
    ) -> dict[str, Any]:
        sections = (data_params(), self.learning, PARAMS)
        metrics = evaluate_foreign(
            path, name, val_path, *sections, self.store_dir, self.metrics_dir
        )
        written = json.loads((self.metrics_dir / f"{name}.json").read_text(encoding="utf-8"))
        assert written.pop("data_key") == [self.store.fingerprint]
        assert list(written.pop("tables")) == [f"{name}_images.csv"]
        assert written == metrics
        return metrics

    def expected(self, maps: dict[str, np.ndarray[Any, Any]]) -> dict[str, Any]:
        """Return what the evaluator of our own model says of maps or masks, at 0.5 alone."""
        scorer = SplitScorer(self.store.class_titles, (FIXED,), PARAMS.min_overlap)
        for position in self.store.positions("test"):
            image = self.store.records[position].image
            values = maps[image]
            levels, rounded = values, False
            if values.dtype == np.bool_:
                levels = mask_to_levels(values)
            elif values.dtype == np.float32:
                levels = to_levels(values)
                rounded = not np.array_equal(from_levels(levels), values)
            scorer.update(image, levels, self.store.class_masks(position), rounded)
        return summarise(scorer, None, all(map.dtype == np.bool_ for map in maps.values()))


def floats(maps: dict[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    return {image: from_levels(levels) for image, levels in maps.items()}


@pytest.fixture
def judge(store_dir: Path, tmp_path: Path) -> Judge:
    return Judge(store_dir, tmp_path)


@pytest.fixture(scope="module")
def own_dir(run_dir: Path, store_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our own model, tuned and evaluated."""
    out_dir = tmp_path_factory.mktemp("own")
    paths = (out_dir / "metrics" / "threshold.json", out_dir / "metrics" / "threshold_curve.csv")
    val_dir = out_dir / "predictions" / "val"
    tune_threshold(LEARNING, "all", store_dir, run_dir / "models", *paths, val_dir)
    evaluate(
        PARAMS,
        [0],
        store_dir,
        run_dir / "models",
        paths[0],
        out_dir / "metrics",
        out_dir / "predictions" / "test",
    )
    return out_dir


def test_our_own_maps_score_as_our_model_did(
    judge: Judge, own_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = json.loads((own_dir / "metrics" / "test.json").read_text(encoding="utf-8"))
    capsys.readouterr()
    folders = [own_dir / "predictions" / split / "maps" for split in ("test", "val")]
    found = judge(*folders)
    not_shared = {"ms_per_image", "ms_per_image_end_to_end", "data_key", "run_key", "tables"}
    not_shared.add("flip_tta")
    assert found == {key: value for key, value in own.items() if key not in not_shared}
    own_rows = (own_dir / "metrics" / "test_images.csv").read_bytes()
    assert (judge.metrics_dir / "other_images.csv").read_bytes() == own_rows
    said = capsys.readouterr().out
    point = f"threshold {own['threshold']:g} and min_area_px {own['min_area_px']}"
    assert f"{point}, learned" in said


def test_without_validation_maps_there_is_only_the_fixed_threshold(
    judge: Judge, own_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = json.loads((own_dir / "metrics" / "test.json").read_text(encoding="utf-8"))
    found = judge(own_dir / "predictions" / "test" / "maps")
    assert found["fixed"] == own["fixed"]
    assert found["auprc"] == own["auprc"]
    assert not {"threshold", "optimal", "recall_class"} & set(found)
    assert "no learned threshold without --val-predictions" in capsys.readouterr().out


@pytest.mark.parametrize(
    "write",
    [
        make.write_pngs,
        lambda out, maps: make.write_npys(
            out, {image: from_levels(levels) for image, levels in maps.items()}
        ),
        lambda out, maps: make.write_npys(
            out,
            {
                image: np.asfortranarray(from_levels(levels), np.float64)
                for image, levels in maps.items()
            },
        ),
    ],
    ids=["png16", "npy32", "npy64"],
)
def test_probabilities_score_the_same_from_every_format(
    judge: Judge, tmp_path: Path, write: Callable[[Path, make.Levels], Path]
) -> None:
    expected = judge.expected(judge.maps)
    assert 0.2 < expected["fixed"]["f1"] < 0.95
    assert judge(write(tmp_path / "preds", judge.maps)) == expected


def test_eight_bits_are_shares_of_255(judge: Judge, tmp_path: Path) -> None:
    coarse = {image: (levels >> 8).astype(np.uint8) for image, levels in judge.maps.items()}
    floats = {
        image: values.astype(np.float32) / np.float32(255) for image, values in coarse.items()
    }
    assert judge(make.write_pngs(tmp_path / "preds", coarse)) == judge.expected(floats)


MASK_FORMATS: dict[str, Callable[[Path, make.Masks], Path]] = {
    "png_255": lambda out, masks: make.write_pngs(
        out / "p", {i: np.uint8(255) * mask for i, mask in masks.items()}
    ),
    "png_1": lambda out, masks: make.write_pngs(
        out / "p", {i: mask.astype(np.uint8) for i, mask in masks.items()}
    ),
    "png16_65535": lambda out, masks: make.write_pngs(
        out / "p", {i: np.uint16(65535) * m for i, m in masks.items()}
    ),
    "npy_bool": lambda out, masks: make.write_npys(out / "p", masks),
    "npy_float": lambda out, masks: make.write_npys(
        out / "p", {i: mask.astype("f4") for i, mask in masks.items()}
    ),
    "coco_folder": lambda out, masks: make.write_coco(out / "p" / "coco.json", masks).parent,
    "coco_file": lambda out, masks: make.write_coco(out / "coco.json", masks, compressed=False),
    "coco_results": lambda out, masks: make.write_results(out / "results.json", masks),
    "kaggle_folder": lambda out, masks: (
        make.write_kaggle(out / "p" / "submission.csv", masks).parent
    ),
    "kaggle_file": lambda out, masks: make.write_kaggle(out / "submission.csv", masks),
    "supervisely": lambda out, masks: make.write_supervisely(out / "p", masks),
}


@pytest.mark.parametrize("write", MASK_FORMATS.values(), ids=MASK_FORMATS)
def test_masks_score_the_same_from_every_format(
    judge: Judge,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    write: Callable[[Path, make.Masks], Path],
) -> None:
    masks = judge.masks
    first = next(iter(masks))
    masks[first] = np.zeros_like(masks[first])  # an empty one each format must state
    expected = judge.expected(masks)
    assert 0.2 < expected["fixed"]["f1"] < 0.95
    assert judge(write(tmp_path, masks)) == expected
    assert "no threshold to learn" in capsys.readouterr().out
    with (judge.metrics_dir / "other_images.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["image"]: row for row in csv.DictReader(file)}
    assert list(rows) == [
        judge.store.records[position].image for position in judge.store.positions("test")
    ]
    assert all(int(row["tp"]) + int(row["fp"]) == masks[image].sum() for image, row in rows.items())


def test_masks_stay_without_a_threshold_even_with_validation_masks(
    judge: Judge, tmp_path: Path
) -> None:
    val = make.cut(make.make_levels(judge.store, "val"))
    found = judge(
        make.write_npys(tmp_path / "test", judge.masks), make.write_npys(tmp_path / "val", val)
    )
    assert found == judge.expected(judge.masks)


def test_masks_get_no_number_of_probabilities(judge: Judge, tmp_path: Path) -> None:
    """A mask is one operating point."""
    soft = judge(make.write_npys(tmp_path / "soft", floats(judge.maps)))
    hard = judge(make.write_npys(tmp_path / "hard", judge.masks))
    assert soft.keys() - hard.keys() == {
        "auprc",
        "auprc_low",
        "auprc_high",
        "brier",
        "ece",
        "iou_prob_50",
        "iou_prob_75",
        "iou_prob_90",
        "image_auprc",
        "image_auroc",
        "recall_at_1_fp",
    }
    assert hard["fixed"].keys() == soft["fixed"].keys()
    _, _, whole = build_scores(hard)
    shown = {row[0]: row[1] for row in whole.rows}
    assert {shown[key] for key in ("auprc", "brier", "ece", "iou_prob_90")} == {"–"}


def test_a_threshold_is_learned_as_for_our_model(judge: Judge, tmp_path: Path) -> None:
    maps = (
        judge.maps | make.make_levels(judge.store, "val") | make.make_levels(judge.store, "train")
    )
    folder = make.write_pngs(tmp_path / "all", maps)
    found = judge(folder, folder)
    scores = {}
    for threshold in (0.4, found["threshold"], 0.6):
        point = OperatingPoint(threshold)
        scorer = SplitScorer(judge.store.class_titles, (point,), 0.1, froc=False)
        for position in judge.store.positions("val"):
            image = judge.store.records[position].image
            scorer.update(image, maps[image], judge.store.class_masks(position))
        scores[threshold] = scorer.group(point)["dice"]
    assert max(scores, key=lambda threshold: scores[threshold]) == found["threshold"]
    assert found["fixed"] == judge.expected(judge.maps)["fixed"]
    assert found["optimal"] != found["fixed"]


def test_an_area_is_learned_with_the_threshold_and_in_force_in_every_number(
    judge: Judge, tmp_path: Path
) -> None:
    """Specks of 9 pixels, surer than the defects: no threshold is rid of them, an area is."""
    store, maps = judge.store, {}
    for split in ("val", "test"):
        for position in store.positions(split):
            truth = store.class_masks(position).any(axis=0)
            levels = np.where(truth, 60000, 3000).astype(np.uint16)
            levels[:3, :3] = 65535
            maps[store.records[position].image] = levels
    folder = make.write_pngs(tmp_path / "all", maps)
    judge.learning = threshold_params(min_areas_px=[0, 12])
    found = judge(folder, folder)
    assert found["min_area_px"] == 12
    assert found["optimal"]["dice"] > 0.99
    assert found["optimal"]["clean_false_alarm"] == 0
    assert found["optimal"]["image_precision"] == 1
    assert found["image_auroc"] == 1
    assert found["fixed"]["clean_false_alarm"] == 1
    with (judge.metrics_dir / "other_images.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["fp"] for row in rows} == {"0"}
    assert {row["detected"] for row in rows} == {"0", "1"}
    judge.learning = threshold_params(min_areas_px=[0, 4], max_clean_false_alarm=0.5)
    with pytest.raises(RunError, match=r"threshold\.max_clean_false_alarm 0\.5"):
        judge(folder, folder)


def test_scores_make_a_probability_map_by_maximum(judge: Judge, tmp_path: Path) -> None:
    results, floats = [], {}
    for number, (image, mask) in enumerate(judge.masks.items()):
        left, right = make.halves(mask)
        for half, score in ((left, 0.25), (right, 0.75)):
            runs = make.segmentation(half, compressed=bool(number % 2))
            results.append({"image_id": image, "segmentation": runs, "score": score})
        floats[image] = np.maximum(0.25 * left, 0.75 * right).astype(np.float32)
    assert judge(make.write_json(tmp_path / "results.json", results)) == judge.expected(floats)


def test_probabilities_of_another_size_are_brought_over_bilinearly(
    judge: Judge, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = {
        image: from_levels(cv2.resize(levels, (200, 32))) for image, levels in judge.maps.items()
    }
    native = {
        i: cv2.resize(v, (800, 128), interpolation=cv2.INTER_LINEAR) for i, v in small.items()
    }
    assert judge(make.write_npys(tmp_path / "preds", small)) == judge.expected(native)
    said = capsys.readouterr().out
    assert f"{len(small)} of {len(small)} test predictions were stretched" in said


@pytest.mark.parametrize("name", ["png_1", "coco_file", "supervisely"])
def test_masks_of_another_size_stay_masks(judge: Judge, tmp_path: Path, name: str) -> None:
    small = {image: mask[::4, ::4] for image, mask in judge.masks.items()}
    blocks = {
        image: np.kron(mask, np.ones((4, 4), bool)).astype(bool) for image, mask in small.items()
    }
    assert judge(MASK_FORMATS[name](tmp_path, small)) == judge.expected(blocks)


def test_nothing_but_zeros_is_an_answer(judge: Judge, tmp_path: Path) -> None:
    empty = {image: np.zeros_like(levels) for image, levels in judge.maps.items()}
    val = make.write_pngs(tmp_path / "val", make.make_levels(judge.store, "val"))
    found = judge(make.write_pngs(tmp_path / "preds", empty), val)
    assert found["optimal"]["recall"] == 0
    assert judge(tmp_path / "preds")["fixed"] == judge.expected(empty)["fixed"]


def test_nested_images_are_found_by_their_path(
    judge: Judge, store_dir: Path, tmp_path: Path
) -> None:
    shutil.copytree(store_dir, tmp_path / "prepared")
    index_path = tmp_path / "prepared" / "index.json"
    index = json.loads(index_path.read_text(encoding="utf-8"))
    for number, row in enumerate(row for row in index["records"] if row["split"] == "test"):
        judge.maps[f"coil_{number}/a.b/{row['image']}"] = judge.maps.pop(row["image"])
        row["image"] = f"coil_{number}/a.b/{row['image']}"
    write_json(index_path, index)
    judge.store_dir, judge.store = tmp_path / "prepared", Store(tmp_path / "prepared")
    assert judge(make.write_pngs(tmp_path / "preds", judge.maps)) == judge.expected(judge.maps)


def refused(judge: Judge, path: Path, *words: str) -> str:
    """Judge, expect one sentence with the words and nothing written, and return it."""
    with pytest.raises(DataError) as caught:
        judge(path)
    sentence = str(caught.value)
    for word in words:
        assert word in sentence
    assert "\n" not in sentence
    assert not judge.metrics_dir.exists()
    return sentence


@pytest.mark.parametrize("name", MASK_FORMATS)
def test_missing_images_are_counted_and_named(judge: Judge, tmp_path: Path, name: str) -> None:
    first, *others = judge.masks
    assert len(others) > 1
    kept = {image: judge.masks[image] for image in others[-1:]}
    path = MASK_FORMATS[name](tmp_path, kept)
    refused(
        judge,
        path,
        f"{len(others)} of {len(others) + 1} test images have no prediction",
        first,
        str(path),
    )


def test_missing_validation_images_are_named(judge: Judge, tmp_path: Path) -> None:
    folder = make.write_pngs(tmp_path / "preds", judge.maps)
    with pytest.raises(DataError, match="val images have no prediction"):
        judge(folder, folder)


def spoil(judge: Judge, tmp_path: Path, write: Callable[[Path], None]) -> tuple[Path, Path]:
    """Write all as float npy and spoil the second file; return the folder and that file."""
    folder = make.write_npys(
        tmp_path / "preds", {i: from_levels(levels) for i, levels in judge.maps.items()}
    )
    path = sorted(folder.iterdir())[1]
    write(path)
    return folder, path


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array([[0.1, 1.5]], np.float32), "values from 0.1 to 1.5"),
        (np.array([[-4.0, 0.5]], np.float64), "values from -4 to 0.5"),
        (np.array([[0.2, np.nan]], np.float32), "NaN"),
        (np.array([[0.2, np.inf]], np.float32), "values from 0.2 to inf"),
        (np.array([[0, 1]], np.int64), "int64"),
        (np.array([[0, 255]], np.uint8), "uint8"),
        (np.zeros((1, 2, 3), np.float32), "(1, 2, 3)"),
        (np.zeros((0, 2), np.float32), "npy"),
        (np.array([["a"]]), "type"),
        (np.array([[None]]), "cannot read"),
    ],
)
def test_arrays_that_are_no_probabilities_are_refused(
    judge: Judge, tmp_path: Path, values: np.ndarray[Any, Any], words: str
) -> None:
    folder, path = spoil(judge, tmp_path, lambda path: np.save(path, values))
    refused(judge, folder, words, str(path))


@pytest.mark.parametrize("raw", [b"", b"nothing", b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'"])
def test_broken_arrays_are_refused(judge: Judge, tmp_path: Path, raw: bytes) -> None:
    folder, path = spoil(judge, tmp_path, lambda path: path.write_bytes(raw) and None)
    refused(judge, folder, "cannot read the npy file", str(path))


def test_several_arrays_in_a_file_are_refused(judge: Judge, tmp_path: Path) -> None:
    def write(path: Path) -> None:
        with path.open("wb") as file:
            np.savez(file, one=np.zeros((2, 2)), two=np.zeros((2, 2)))

    folder, path = spoil(judge, tmp_path, write)
    refused(judge, folder, "several arrays", str(path))


def with_png(
    judge: Judge, tmp_path: Path, kind: type[np.generic], values: Any, keep: int = 1
) -> tuple[Path, Path]:
    """Write masks of 0 and 255 as PNG and give all but ``keep`` files other values; return the
    folder and the last."""
    folder = make.write_pngs(
        tmp_path / "p", {i: kind(255) * mask for i, mask in judge.masks.items()}
    )
    paths = sorted(folder.iterdir())[keep:]
    for path in paths:
        make.write_png(path, np.array(values, kind))
    return folder, paths[-1]


def test_masks_among_which_some_are_grey_are_refused(judge: Judge, tmp_path: Path) -> None:
    folder, path = with_png(judge, tmp_path, np.uint8, [[0, 7, 255]], keep=len(judge.masks) - 1)
    refused(judge, folder, "masks of 0 and 255", "1 have values in between", str(path))


def test_a_two_valued_map_among_grey_ones_is_a_probability(judge: Judge, tmp_path: Path) -> None:
    coarse = {image: (levels >> 8).astype(np.uint8) for image, levels in judge.maps.items()}
    first = next(iter(coarse))
    coarse[first] = (coarse[first] > 100).astype(np.uint8)
    floats = {
        image: values.astype(np.float32) / np.float32(255) for image, values in coarse.items()
    }
    assert judge(make.write_pngs(tmp_path / "preds", coarse)) == judge.expected(floats)


def test_faint_sixteen_bit_maps_stay_probabilities(judge: Judge, tmp_path: Path) -> None:
    first, *others = judge.maps
    for image in others:
        judge.maps[image] = np.minimum(judge.maps[image], 1)
    assert judge(make.write_pngs(tmp_path / "preds", judge.maps)) == judge.expected(judge.maps)
    assert judge.maps[first].max() > 1
    faint = {image: levels >> 12 for image, levels in judge.maps.items()}
    assert judge(make.write_pngs(tmp_path / "preds", faint)) == judge.expected(faint)


def test_class_numbers_are_not_taken_for_probabilities(judge: Judge, tmp_path: Path) -> None:
    classes = {image: np.uint8(3) * mask for image, mask in judge.masks.items()}
    refused(
        judge, make.write_pngs(tmp_path / "preds", classes), "no value", "3 of 255", "class numbers"
    )


def test_masks_of_different_values_are_refused(judge: Judge, tmp_path: Path) -> None:
    folder, _ = with_png(judge, tmp_path, np.uint8, [[0, 1]])
    refused(judge, folder, "0 and 255", "0 and 1 here")


def test_maps_of_different_depths_are_refused(judge: Judge, tmp_path: Path) -> None:
    folder, _ = with_png(judge, tmp_path, np.uint8, [[0, 255]])
    path = sorted(folder.iterdir())[1]
    make.write_png(path, np.array([[0, 255]], np.uint16))
    refused(judge, folder, "8-bit", "16-bit", str(path))


@pytest.mark.parametrize("shape", [(4, 5, 3), (4, 5, 4)])
def test_coloured_and_transparent_maps_are_refused(
    judge: Judge, tmp_path: Path, shape: tuple[int, ...]
) -> None:
    folder, path = with_png(
        judge, tmp_path, np.uint8, np.indices(shape).sum(axis=0), keep=len(judge.masks) - 1
    )
    refused(judge, folder, "coloured or transparent", str(path))


def test_grey_saved_in_three_channels_is_grey(judge: Judge, tmp_path: Path) -> None:
    stacked = {image: np.dstack([np.uint8(255) * mask] * 3) for image, mask in judge.masks.items()}
    assert judge(make.write_pngs(tmp_path / "preds", stacked)) == judge.expected(judge.masks)


def test_broken_pngs_are_refused(judge: Judge, tmp_path: Path) -> None:
    folder, path = with_png(judge, tmp_path, np.uint8, [[0, 255]], keep=len(judge.masks) - 1)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    refused(judge, folder, "cut off", str(path))
    path.write_bytes(b"GIF89a")
    refused(judge, folder, "not a PNG", str(path))


def test_several_formats_are_refused(judge: Judge, tmp_path: Path) -> None:
    folder = make.write_pngs(tmp_path / "preds", judge.maps)
    make.write_npys(folder, dict(list(judge.masks.items())[:1]))
    refused(judge, folder, f"(1 .npy, {len(judge.maps)} .png)", str(folder))


def test_places_without_predictions_are_refused(judge: Judge, tmp_path: Path) -> None:
    refused(judge, tmp_path / "nowhere", "not found", "nowhere")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".hidden.png").touch()
    refused(judge, tmp_path / "empty", "no predictions found", "COCO")
    (tmp_path / "empty" / "a.jpg").touch()
    refused(judge, tmp_path / "empty", ".jpg are not read")
    for name in ("a.json", "b.json"):
        make.write_results(tmp_path / "twice" / name, judge.masks)
    refused(judge, tmp_path / "twice", "2 .json files")


def test_two_predictions_of_one_image_are_refused(judge: Judge, tmp_path: Path) -> None:
    first = next(iter(judge.masks))
    twice = judge.masks | {f"other/{first}": judge.masks[first]}
    refused(judge, make.write_results(tmp_path / "results.json", twice), "two predictions", first)


COCO_FAULTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "unknown image": (lambda c: c["annotations"][0].update(image_id=1), "image_id 1 is no id"),
    "no image": (lambda c: c["annotations"][0].pop("image_id"), "image_id None"),
    "some scores": (lambda c: c["annotations"][0].update(score=0.5), "some masks have a score"),
    "high score": (lambda c: c["annotations"][0].update(score=1.5), "the score is 1.5"),
    "nan score": (lambda c: c["annotations"][0].update(score=float("nan")), "the score is nan"),
    "polygon": (
        lambda c: c["annotations"][0].update(segmentation=[[1, 2, 3, 4]]),
        "no run lengths",
    ),
    "no size": (lambda c: c["annotations"][0]["segmentation"].pop("size"), "no run lengths"),
    "two sizes": (
        lambda c: c["annotations"][0]["segmentation"].update(size=[800, 128]),
        "for one image",
    ),
    "no counts": (lambda c: c["annotations"][0]["segmentation"].pop("counts"), "counts"),
    "image twice": (lambda c: c["images"].append(c["images"][0]), "twice"),
    "no file name": (lambda c: c["images"][0].pop("file_name"), "no file_name"),
    "no list": (lambda c: c.update(annotations={}), "'annotations' is no list"),
    "no layout": (lambda c: c.pop("images"), "'results' is no list"),
}


@pytest.mark.parametrize("fault", COCO_FAULTS)
def test_faults_of_a_coco_file_are_named(judge: Judge, tmp_path: Path, fault: str) -> None:
    path = make.write_coco(tmp_path / "coco.json", judge.masks)
    content = json.loads(path.read_text(encoding="utf-8"))
    change, words = COCO_FAULTS[fault]
    change(content)
    make.write_json(path, content)
    refused(judge, path, words, str(path))


def test_broken_json_is_refused(judge: Judge, tmp_path: Path) -> None:
    path = tmp_path / "coco.json"
    path.write_text("{", encoding="utf-8")
    refused(judge, path, "broken JSON", str(path))


def test_run_lengths_that_leave_the_image_are_refused(judge: Judge, tmp_path: Path) -> None:
    path = make.write_kaggle(tmp_path / "submission.csv", judge.masks)
    first = next(iter(judge.masks))
    lines = path.read_text(encoding="utf-8").splitlines()
    changed = [f"{first},2,102400 2" if line.startswith(first) else line for line in lines]
    path.write_text("\n".join(dict.fromkeys(changed)), encoding="utf-8")
    refused(judge, path, "past the last pixel", first)


ABSURD: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a truth value as id": (lambda one: one.update(image_id=True), "is no id in images"),
    "a score of 400 digits": (lambda one: one.update(score=10**400), "the score is 1000"),
    "a truth value as score": (lambda one: one.update(score=True), "the score is True"),
    "no run lengths": (lambda one: one.update(segmentation={}), "no run lengths with a size"),
    "a negative size": (
        lambda one: one["segmentation"].update(size=[-4, -4]),
        "a map of -4x-4 pixels",
    ),
    "a gigantic size": (
        lambda one: one["segmentation"].update(size=[2**14, 2**14]),
        "a map of 16384x16384 pixels",
    ),
    "an endless size": (
        lambda one: one["segmentation"].update(size=[10**400, 1]),
        "a map of 1x1000",
    ),
    "half a character": (lambda one: one["segmentation"].update(counts="\ud800"), "broken JSON"),
}


@pytest.mark.parametrize("name", ABSURD)
def test_absurd_annotations_are_refused(judge: Judge, tmp_path: Path, name: str) -> None:
    path = make.write_coco(tmp_path / "coco.json", judge.masks)
    content = json.loads(path.read_text(encoding="utf-8"))
    spoil, words = ABSURD[name]
    for one in content["annotations"]:
        spoil(one)
    write_json(path, content)
    refused(judge, path, words)


def test_a_second_list_of_annotations_does_not_empty_the_first(
    judge: Judge, tmp_path: Path
) -> None:
    path = make.write_coco(tmp_path / "coco.json", judge.masks)
    path.write_text(
        path.read_text(encoding="utf-8")[:-1] + ', "annotations": []}', encoding="utf-8"
    )
    refused(judge, path, "the key 'annotations' stands twice")


@pytest.mark.parametrize(
    "head",
    ["(", "{'descr': '<f4', 'fortran_order': False, 'shape': (-40, 2), }", "{'shape': (10**20,)}"],
)
def test_heads_of_npy_files_that_make_no_sense_are_refused(
    judge: Judge, tmp_path: Path, head: str
) -> None:
    out_dir = make.write_npys(tmp_path / "p", judge.masks)
    path = sorted(out_dir.iterdir())[0]
    text = f"{head}\n".encode()
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
    refused(judge, out_dir, "cannot read the npy file", path.name)


def test_a_zip_that_is_none_is_refused(judge: Judge, tmp_path: Path) -> None:
    out_dir = make.write_npys(tmp_path / "p", judge.masks)
    path = sorted(out_dir.iterdir())[0]
    path.write_bytes(b"PK\x03\x04" + bytes(99))
    refused(judge, out_dir, "cannot read the npy file", path.name)


def test_predictions_named_otherwise_are_spoken_of(judge: Judge, tmp_path: Path) -> None:
    out_dir = make.write_npys(tmp_path / "p", judge.masks)
    for path in list(out_dir.iterdir()):
        path.rename(path.with_name(f"{path.stem}_pred.npy"))
    refused(judge, out_dir, "have no prediction", "are named after none of them, such as", "_pred")


@pytest.mark.parametrize("side", [0, -3, 2**20])
def test_absurd_sizes_in_a_project_are_refused(judge: Judge, tmp_path: Path, side: int) -> None:
    root = make.write_supervisely(tmp_path / "p", judge.masks)
    path = sorted((root / "some" / "ann").iterdir())[0]
    content = json.loads(path.read_text(encoding="utf-8"))
    write_json(path, content | {"size": {"height": side, "width": 2**20}})
    refused(judge, root, "a map of", str(path))


def test_masks_beside_probabilities_of_the_other_split_are_refused(
    judge: Judge, tmp_path: Path
) -> None:
    test = make.write_npys(tmp_path / "test", judge.masks)
    val = make.write_pngs(tmp_path / "val", make.make_levels(judge.store, "val"))
    with pytest.raises(DataError, match="the test predictions are masks"):
        judge(test, val)


def test_a_picture_in_two_splits_is_refused_for_other_models_too(
    judge: Judge, tmp_path: Path
) -> None:
    shutil.copytree(judge.store_dir, tmp_path / "prepared")
    index_path = tmp_path / "prepared" / "index.json"
    index = json.loads(index_path.read_text(encoding="utf-8"))
    index["records"][0]["content"] = index["records"][-1]["content"]
    write_json(index_path, index)
    judge.store_dir = tmp_path / "prepared"
    refused(
        judge,
        make.write_npys(tmp_path / "preds", judge.masks),
        "the same picture",
        index["records"][0]["image"],
    )


@pytest.mark.parametrize(
    "name", ["", "a/b", "..", ".a", "a b", "ä", "test", "Threshold", "data", "train"]
)
def test_names_that_would_hurt_are_refused(judge: Judge, tmp_path: Path, name: str) -> None:
    with pytest.raises(ParamsError, match="--name"):
        judge(make.write_pngs(tmp_path / "preds", judge.maps), name=name)
    assert not judge.metrics_dir.exists()


def test_the_table_sets_models_beside_this_run(judge: Judge, own_dir: Path, tmp_path: Path) -> None:
    val = make.write_pngs(tmp_path / "val", make.make_levels(judge.store, "val"))
    judge(make.write_pngs(tmp_path / "soft", judge.maps), val, name="soft")
    judge(make.write_npys(tmp_path / "hard", judge.masks), name="hard")
    write_json(judge.metrics_dir / "notes.json", {"threshold": 1})
    others = read_others(judge.metrics_dir)
    assert list(others) == ["hard", "soft"]
    own = json.loads((own_dir / "metrics" / "test.json").read_text(encoding="utf-8"))
    tables = build_others(own, others, judge.store.fingerprint)
    table, clean, whole = tables[0], tables[2], tables[-1]
    assert [row[0] for row in table.rows] == ["this run", "this run", "hard", "soft", "soft"]
    assert [row[1] for row in table.rows[2:]] == [
        "0.5000",
        f"{others['soft'].values['threshold']:.4f}",
        "0.5000",
    ]
    column = table.columns.index("dice_defect")
    assert table.rows[2][column] == f"{others['hard'].values['fixed']['dice_defect']:.4f}"
    alarms = others["hard"].values["fixed"]["clean_false_alarm"]
    number = others["hard"].values["images"] - others["hard"].values["defect_images"]
    assert clean.rows[2][2:4] == (f"{alarms:.4f}", f"{alarms * number:.0f} of {number}")
    assert whole.rows[1] == ("hard", "–", "–", "–", "–")
    assert whole.rows[2][1] == f"{others['soft'].values['auprc']:.4f}"
    assert "Left out" not in table.note
    stale = build_others(own, others, "another")[0]
    assert {row[0] for row in stale.rows} == {"this run"}
    assert "Left out, for they were judged on other data: hard, soft" in stale.note


def test_what_is_shown_has_no_empty_columns_without_a_threshold(
    judge: Judge, tmp_path: Path
) -> None:
    metrics = judge(make.write_npys(tmp_path / "hard", judge.masks))
    pairs, _, whole = build_scores(metrics)
    assert pairs.columns == ("metric", "0.5", "meaning")
    assert all(len(row) == 3 for row in pairs.rows)
    assert "threshold" not in {row[0] for row in whole.rows}
