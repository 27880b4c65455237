"""Every number of ``metrics/test.json`` once more, from the saved maps and the raw annotations,
with plain scikit-learn and scipy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from saved_images import Image, read_image, read_mask
from scipy.ndimage import gaussian_filter, label
from scipy.special import expit
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    f1_score,
    jaccard_score,
    precision_score,
    recall_score,
    roc_auc_score,
)
from walk import steelcli

from steelcli.data.levels import from_levels, to_levels
from steelcli.scores.counts import FIXED, OperatingPoint
from steelcli.scores.scorer import SplitScorer
from steelcli.scores.summary import summarise

EXACT = 1e-9
TIMES = {"ms_per_image", "ms_per_image_end_to_end"}
KEYS_OF_FILES = {"data_key", "run_key", "tables"}


def components(mask: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    labels, number = label(mask, structure=np.ones((3, 3)))
    return [labels == index for index in range(1, number + 1)]


def predict(image: Image, threshold: float, min_area_px: int) -> NDArray[np.bool_]:
    """Cut the map, then remove small components."""
    labels, _ = label(image.probs >= np.float32(threshold), structure=np.ones((3, 3)))
    is_kept = np.bincount(labels.ravel()) >= min_area_px
    is_kept[0] = False
    pred: NDArray[np.bool_] = is_kept[labels]
    return pred


def true_part(pred: NDArray[np.bool_], truth: NDArray[np.bool_], share: float) -> NDArray[np.bool_]:
    """Return the predicted components of which enough is defect."""
    part = np.zeros_like(pred)
    for one in components(pred):
        if truth[one].sum() >= share * one.sum() - 1e-9:
            part |= one
    return part


def image_score(image: Image, min_area_px: int) -> float:
    """Return the highest probability at which a component of that area is left, by bisection."""
    probs = [0.0, *np.unique(image.probs).tolist()]
    kept, lost = 0, len(probs)
    while lost - kept > 1:
        middle = (kept + lost) // 2
        if predict(image, probs[middle], min_area_px).any():
            kept = middle
        else:
            lost = middle
    return probs[kept]


def mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def score(images: list[Image], threshold: float, min_area_px: int = 0) -> dict[str, float | None]:
    """Return one of the groups ``optimal`` and ``fixed``."""
    dices, ious, defects = [], [], []
    preds = [predict(image, threshold, min_area_px) for image in images]
    for image, pred in zip(images, preds, strict=True):
        truth = image.truth
        dices.append(f1_score(truth.ravel(), pred.ravel(), zero_division=1.0))
        both_empty = not truth.any() and not pred.any()
        ious.append(
            1.0 if both_empty else jaccard_score(truth.ravel(), pred.ravel(), zero_division=0.0)
        )
        defects.append(bool(truth.any()))
    yes = [bool(pred.any()) for pred in preds]
    pred = np.concatenate([pred.ravel() for pred in preds])
    truth = np.concatenate([image.truth.ravel() for image in images])
    with_defect = [iou for iou, defect in zip(ious, defects, strict=True) if defect]
    return {
        "iou": mean(ious),
        "dice": mean(dices),
        "iou_defect": mean(with_defect),
        "dice_defect": mean([dice for dice, defect in zip(dices, defects, strict=True) if defect]),
        "iou_pooled": jaccard_score(truth, pred),
        "precision": precision_score(truth, pred) if pred.any() else None,
        "recall": recall_score(truth, pred),
        "f1": f1_score(truth, pred),
        **{
            f"iou_{100 * hit:.0f}": mean([float(iou >= hit) for iou in with_defect])
            for hit in (0.5, 0.75, 0.9)
        },
        "clean_false_alarm": mean([float(y) for y, d in zip(yes, defects, strict=True) if not d]),
        "image_recall": recall_score(defects, yes),
        "image_precision": precision_score(defects, yes) if any(yes) else None,
    }


def recall_at_one(images: list[Image], min_overlap: float) -> float:
    recalls = [0.0]
    for step in range(1, 100):
        found, false, number = 0, 0, 0
        for image in images:
            pred = predict(image, step / 100, 0)
            true = true_part(pred, image.truth, min_overlap)
            defects = components(image.truth)
            found += sum(true[one].sum() >= min_overlap * one.sum() - 1e-9 for one in defects)
            number += len(defects)
            false += label(pred & ~true, structure=np.ones((3, 3)))[1]
        if false <= len(images):
            recalls.append(found / number)
    return max(recalls)


def by_component(
    images: list[Image], titles: tuple[str, ...], preds: list[NDArray[np.bool_]], share: float
) -> dict[str, Any]:
    true = [true_part(pred, image.truth, share) for image, pred in zip(images, preds, strict=True)]
    found_class, defects_class = {}, {}
    for channel, title in enumerate(titles):
        hits = [
            float(part[one].mean())
            for image, part in zip(images, true, strict=True)
            for one in components(image.masks[channel])
        ]
        found_class[title] = mean([float(hit >= share - 1e-12) for hit in hits])
        defects_class[title] = len(hits) or None
    union = [
        (int(one.sum()), int(pred[one].sum()), int(part[one].sum()))
        for image, pred, part in zip(images, preds, true, strict=True)
        for one in components(image.truth)
    ]
    areas = sorted(area for area, _, _ in union)
    small, medium = (
        areas[int(np.ceil(len(areas) / 3)) - 1],
        areas[int(np.ceil(2 * len(areas) / 3)) - 1],
    )
    ranges = {"small": (0, small), "medium": (small, medium), "large": (medium, np.inf)}
    groups: dict[str, Any] = {"found_class": found_class, "defects_class": defects_class}
    groups |= {"found_size": {}, "recall_size": {}, "defects_size": {}}
    for size, (low, high) in ranges.items():
        chosen = [defect for defect in union if low < defect[0] <= high]
        groups["defects_size"][size] = len(chosen) or None
        groups["found_size"][size] = mean(
            [float(hits >= share * area - 1e-9) for area, _, hits in chosen]
        )
        groups["recall_size"][size] = (
            sum(h for _, h, _ in chosen) / sum(a for a, _, _ in chosen) if chosen else None
        )
    groups["defects"] = len(union)
    return groups | {"size_bounds_px": {"small_max": small, "medium_max": medium}}


def calibration_error(probs: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    edges = np.linspace(0, 1, 16).astype(np.float32).astype(np.float64)
    edges[0] = -1  # the first bin holds 0 as well
    error = 0.0
    for low, high in pairwise(edges):
        inside = (probs > low) & (probs <= high)
        error += np.abs(probs[inside].sum() - truth[inside].sum())
    return float(error / probs.size)


def iter_scalars(values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        for name, scalar in value.items() if isinstance(value, dict) else [("", value)]:
            yield f"{key}.{name}".rstrip("."), scalar


def expect(
    images: list[Image], titles: tuple[str, ...], threshold: float, area: int, share: float
) -> dict[str, Any]:
    """Return all numbers of the split; those with nothing to divide by are None or missing."""
    probs = np.concatenate([image.probs.ravel() for image in images]).astype(np.float64)
    truth = np.concatenate([image.truth.ravel() for image in images])
    precision = average_precision_score(truth, probs)
    preds = [predict(image, threshold, area) for image in images]
    defect = [bool(image.truth.any()) for image in images]
    heights = [image_score(image, area) for image in images]
    present = {
        title: channel
        for channel, title in enumerate(titles)
        if any(image.masks[channel].any() for image in images)
    }
    return {
        "images": len(images),
        "defect_images": sum(defect),
        # 16-bit maps: the bracket is closed
        **dict.fromkeys(("auprc", "auprc_low", "auprc_high"), precision),
        "brier": brier_score_loss(truth, probs, pos_label=1),
        "ece": calibration_error(probs, truth),
        "recall_at_1_fp": recall_at_one(images, share),
        "image_auroc": roc_auc_score(defect, heights),
        "image_auprc": average_precision_score(defect, heights),
        **{
            f"iou_prob_{100 * cut:.0f}": score(images, cut)["iou_defect"]
            for cut in (0.5, 0.75, 0.9)
        },
        "threshold": threshold,
        "min_area_px": area,
        "optimal": score(images, threshold, area),
        "fixed": score(images, 0.5),
        "recall_class": {
            title: recall_score(
                np.concatenate([image.masks[channel].ravel() for image in images]),
                np.concatenate([pred.ravel() for pred in preds]),
            )
            for title, channel in present.items()
        },
        **by_component(images, titles, preds, share),
    }


def assert_equal(metrics: dict[str, Any], expected: dict[str, Any]) -> None:
    """Compare every key but the times and those that name other files."""
    exempt = TIMES | KEYS_OF_FILES
    written = dict(iter_scalars({k: v for k, v in metrics.items() if k not in exempt}))
    recomputed = {key: value for key, value in iter_scalars(expected) if value is not None}
    assert written.keys() == recomputed.keys()
    assert written == pytest.approx(recomputed, abs=EXACT, rel=EXACT)


def read_json(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values


@pytest.mark.slow
def test_every_number_comes_back_from_saved_maps_and_raw_annotations(
    walked_dir: Path, project_dir: Path, tmp_path: Path
) -> None:
    """At a point at which components are removed; that of a short training removes none."""
    work_dir = tmp_path / "walk"
    shutil.copytree(walked_dir, work_dir)
    learned_path = work_dir / "metrics" / "threshold.json"
    maps_dir = work_dir / "predictions" / "test" / "maps"
    titles = tuple(one["title"] for one in read_json(project_dir / "meta.json")["classes"])
    images = {p.name: read_image(p, project_dir, titles) for p in sorted(maps_dir.glob("*.png"))}
    threshold = float(np.median([image.probs for image in images.values()]))
    learned = read_json(learned_path) | {"threshold": threshold, "min_area_px": 600}
    learned_path.write_text(json.dumps(learned), encoding="utf-8")
    done = steelcli(work_dir, "evaluate")
    assert done.returncode == 0, done.stderr

    removed = 0
    for name, image in images.items():
        mask = read_mask(maps_dir.with_name("masks") / name)
        np.testing.assert_array_equal(mask, predict(image, threshold, 600))
        removed += np.count_nonzero(predict(image, threshold, 0) & ~mask)
        assert mask.any()
    assert removed

    metrics = read_json(work_dir / "metrics" / "test.json")
    assert metrics.keys() >= TIMES | KEYS_OF_FILES
    assert metrics["images"] == read_json(work_dir / "metrics" / "data.json")["test"]["images"]
    params = yaml.safe_load((work_dir / "params.yaml").read_text(encoding="utf-8"))
    share = params["evaluate"]["min_overlap"]
    expected = expect(list(images.values()), titles, threshold, 600, share)
    assert_equal(metrics, expected | {"flip_tta": learned["flip_tta"]})


@pytest.mark.parametrize("area", [0, 9, 40])
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_every_number_of_random_maps(area: int, share: float) -> None:
    """Blobs of all sizes, some of them defects; every third image is clean."""
    rng = np.random.default_rng(area)
    point, titles = OperatingPoint(0.4, area), ("a", "b")
    scorer = SplitScorer(titles, [point, FIXED], share, image_area_px=area)
    images = []
    for index in range(9):
        field = gaussian_filter(rng.normal(size=(24, 40)), 1.5)
        masks = gaussian_filter(rng.normal(size=(2, 24, 40)), (0, 1, 1)) > 0.35
        masks &= bool(index % 3)
        logits = 3 * field / field.std() + 4 * masks.any(axis=0) - 3
        levels = to_levels(expit(logits).astype(np.float32))
        scorer.update(str(index), levels, masks)
        images.append(Image(from_levels(levels), masks))
    metrics = summarise(scorer, point)
    assert 0 < metrics["found_size"]["small"] < 1
    assert_equal(metrics, expect(images, titles, *point, share))
