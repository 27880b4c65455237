"""Every number of ``metrics/test.json`` once more, from the saved maps, with plain scikit-learn and
scipy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from scipy.ndimage import label
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    f1_score,
    jaccard_score,
    precision_score,
    recall_score,
)

from steelcli.data.store.reader import Store

EXACT = 1e-9
TIMES = {"ms_per_image", "ms_per_image_end_to_end"}


class Image(NamedTuple):
    """One test image: ``probs`` float32 [H, W], ``masks`` bool [C, H, W]."""

    probs: NDArray[np.float32]
    masks: NDArray[np.bool_]

    @property
    def truth(self) -> NDArray[np.bool_]:
        union: NDArray[np.bool_] = self.masks.any(axis=0)
        return union


def read_images(walked_dir: Path) -> tuple[list[Image], tuple[str, ...]]:
    store = Store(walked_dir / "data" / "prepared")
    images = []
    for position in store.positions("test"):
        path = (
            walked_dir
            / "predictions"
            / "test"
            / Path(store.records[position].image).with_suffix(".png")
        )
        levels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert levels.dtype == np.uint16
        images.append(
            Image((levels / np.float32(65535)).astype(np.float32), store.class_masks(position))
        )
    return images, tuple(store.class_titles)


def components(mask: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    labels, number = label(mask, structure=np.ones((3, 3)))
    return [labels == index for index in range(1, number + 1)]


def mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def score(images: list[Image], threshold: float) -> dict[str, float | None]:
    """Return one of the groups ``optimal`` and ``fixed``."""
    dices, ious, defects, alarms = [], [], [], []
    for image in images:
        pred, truth = image.probs >= np.float32(threshold), image.truth
        dices.append(f1_score(truth.ravel(), pred.ravel(), zero_division=1.0))
        both_empty = not truth.any() and not pred.any()
        ious.append(
            1.0 if both_empty else jaccard_score(truth.ravel(), pred.ravel(), zero_division=0.0)
        )
        defects.append(bool(truth.any()))
        if not truth.any():
            alarms.append(float(label(pred)[1] > 0))
    pred = np.concatenate([(image.probs >= np.float32(threshold)).ravel() for image in images])
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
        "clean_false_alarm": mean(alarms),
    }


def recall_at_one(images: list[Image], min_overlap: float, min_area_px: int) -> float:
    recalls = [0.0]
    for step in range(1, 100):
        found, false, number = 0, 0, 0
        for image in images:
            pred = image.probs >= np.float32(step / 100)
            hits = [float(pred[one].mean()) for one in components(image.truth)]
            found, number = (
                found + sum(hit >= min_overlap - 1e-12 for hit in hits),
                number + len(hits),
            )
            labels, blobs = label(pred, structure=np.ones((3, 3)))
            areas = np.bincount(labels.ravel(), minlength=blobs + 1)[1:]
            true = np.bincount(labels[image.truth], minlength=blobs + 1)[1:]
            false += int(((true < min_overlap * areas - 1e-9) & (areas >= min_area_px)).sum())
        if false <= len(images):
            recalls.append(found / number)
    return max(recalls)


def by_component(
    images: list[Image], titles: tuple[str, ...], threshold: float, min_overlap: float
) -> dict[str, Any]:
    cut = np.float32(threshold)
    found_class = {}
    for channel, title in enumerate(titles):
        hits = [
            float((image.probs[one] >= cut).mean())
            for image in images
            for one in components(image.masks[channel])
        ]
        found_class[title] = mean([float(hit >= min_overlap - 1e-12) for hit in hits])
    union = [
        (int(one.sum()), int((image.probs[one] >= cut).sum()))
        for image in images
        for one in components(image.truth)
    ]
    areas = sorted(area for area, _ in union)
    small, medium = (
        areas[int(np.ceil(len(areas) / 3)) - 1],
        areas[int(np.ceil(2 * len(areas) / 3)) - 1],
    )
    ranges = {"small": (0, small), "medium": (small, medium), "large": (medium, np.inf)}
    groups: dict[str, Any] = {"found_class": found_class, "found_size": {}, "recall_size": {}}
    for size, (low, high) in ranges.items():
        chosen = [(area, hits) for area, hits in union if low < area <= high]
        groups["found_size"][size] = mean(
            [float(hits >= min_overlap * area - 1e-9) for area, hits in chosen]
        )
        groups["recall_size"][size] = (
            sum(h for _, h in chosen) / sum(a for a, _ in chosen) if chosen else None
        )
    return groups | {"size_bounds_px": {"small_max": small, "medium_max": medium}}


def calibration_error(probs: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    edges = np.linspace(0, 1, 16).astype(np.float32).astype(np.float64)
    edges[0] = -1  # the first bin holds 0 as well
    error = 0.0
    for low, high in pairwise(edges):
        inside = (probs > low) & (probs <= high)
        error += np.abs(probs[inside].sum() - truth[inside].sum())
    return float(error / probs.size)


def iter_scalars(values: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for key, value in values.items():
        for name, scalar in value.items() if isinstance(value, dict) else [("", value)]:
            if scalar is not None:
                yield f"{key}.{name}".rstrip("."), scalar


@pytest.mark.slow
def test_every_number_comes_back_from_the_saved_maps(walked_dir: Path) -> None:
    metrics = json.loads((walked_dir / "metrics" / "test.json").read_text(encoding="utf-8"))
    settings = yaml.safe_load((walked_dir / "params.yaml").read_text(encoding="utf-8"))["evaluate"]
    (images, titles), threshold = read_images(walked_dir), metrics["threshold"]
    probs = np.concatenate([image.probs.ravel() for image in images]).astype(np.float64)
    truth = np.concatenate([image.truth.ravel() for image in images])
    assert metrics["auprc_low"] <= metrics["auprc_high"]
    precision = average_precision_score(truth, probs)
    assert metrics["auprc_low"] - EXACT <= precision <= metrics["auprc_high"] + EXACT
    expected = {
        "images": len(images),
        "defect_images": sum(image.truth.any() for image in images),
        **dict.fromkeys(
            ("auprc", "auprc_low", "auprc_high"), precision
        ),  # 16-bit maps: the bracket is closed
        "brier": brier_score_loss(truth, probs, pos_label=1),
        "ece": calibration_error(probs, truth),
        "recall_at_1_fp": recall_at_one(images, settings["min_overlap"], settings["min_area_px"]),
        **{
            f"iou_prob_{100 * cut:.0f}": score(images, cut)["iou_defect"]
            for cut in (0.5, 0.75, 0.9)
        },
        "threshold": json.loads(
            (walked_dir / "metrics" / "threshold.json").read_text(encoding="utf-8")
        )["threshold"],
        "optimal": score(images, threshold),
        "fixed": score(images, 0.5),
        "recall_class": {
            title: recall_score(
                np.concatenate([image.masks[channel].ravel() for image in images]),
                np.concatenate(
                    [(image.probs >= np.float32(threshold)).ravel() for image in images]
                ),
            )
            for channel, title in enumerate(titles)
            if any(image.masks[channel].any() for image in images)
        },
        **by_component(images, titles, threshold, settings["min_overlap"]),
    }
    left_out = {*TIMES, "data_key", "run_key", "tables"}
    for counts in (metrics.pop("defects_class"), metrics.pop("defects_size")):
        assert sum(counts.values()) >= metrics["defects"]
    assert metrics.pop("defects") > 0
    written = {key: value for key, value in metrics.items() if key not in left_out}
    assert dict(iter_scalars(written)) == pytest.approx(
        dict(iter_scalars(expected)), abs=EXACT, rel=EXACT
    )
