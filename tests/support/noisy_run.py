"""A run whose maps are the truth with noise, so that it has hits, misses and false alarms; all else
is what the stages write."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from make_params import (
    data_params,
    evaluate_params,
    model_params,
    report_params,
    threshold_params,
    train_params,
)
from numpy.typing import NDArray

from steelcli.commands.evaluate import evaluate
from steelcli.commands.prepare import prepare
from steelcli.commands.report import report
from steelcli.commands.synthesize import synthesize
from steelcli.commands.train import train
from steelcli.commands.tune_threshold import tune_threshold
from steelcli.data.levels import to_levels
from steelcli.data.store.reader import Store

MIN_AREAS_PX = [0, 16, 64, 256]
CODE = 'document.title="ran"'
TITLES = (
    f"</script><script>{CODE}</script>",
    f"\"'><img src=x onerror={CODE}><svg onload={CODE}>",
    "عيب على السطح \"'`${7*7}{{7*7}}%s\\u003c&lt;",
    "long" * 50,
    "<b>nothing</b>",
)
"""Of the classes, the last of which has no pixel."""
FILE_NAMES = [title.replace("/", "_")[:180] for title in TITLES]
"""How the images' names begin: without a slash, and at most 200 bytes together."""
PAGE_TITLE = f"</title><!--<script>{CODE}</script> \u202e]]> {'wide' * 50}"


class NoisyRun:
    """The stages' files in a folder, without those that nothing here reads."""

    def __init__(self, folder: Path) -> None:
        self.project_dir = folder / "project"
        self.store_dir, self.models_dir = folder / "prepared", folder / "models"
        self.metrics_dir = folder / "metrics"
        self.val_dir, self.test_dir = folder / "val", folder / "test"
        self.report_path = folder / "report.html"

    def synthesize(self, images: int) -> None:
        """Draw images, and give them and their classes names that hold markup."""
        synthesize(self.project_dir, images, 7)
        meta_path = self.project_dir / "meta.json"
        meta = json.loads(meta_path.read_text(encoding="utf-8"))
        *new, empty = TITLES
        old = [entry["title"] for entry in meta["classes"]]
        for entry, title in zip(meta["classes"], new, strict=True):
            entry["title"] = title
        meta["classes"].append(meta["classes"][0] | {"id": 99, "title": empty})
        meta_path.write_text(json.dumps(meta), encoding="utf-8")
        for index, path in enumerate(sorted(self.project_dir.glob("*/ann/*.json"))):
            text = path.read_text(encoding="utf-8")
            for title, other in zip(old, new, strict=True):
                text = text.replace(json.dumps(title), json.dumps(other))
            image_path = path.parent.with_name("img") / path.stem
            name = f"{FILE_NAMES[index % len(FILE_NAMES)]}{index}.jpg"
            image_path.rename(image_path.with_name(name))
            path.unlink()
            path.with_name(f"{name}.json").write_text(text, encoding="utf-8")

    def run(self, val_fraction: float = 0.3, test_fraction: float = 0.6) -> None:
        """Run every stage up to ``evaluate``."""
        fractions = {"val_fraction": val_fraction, "test_fraction": test_fraction}
        split = data_params(root=str(self.project_dir), keep_splits=False, **fractions)
        prepare(split, self.store_dir, self.metrics_dir / "data.json")
        small = model_params(decoder_channels=[16, 8, 8, 8, 4])
        paths = (self.store_dir, self.models_dir, self.metrics_dir / "train.json")
        train(small, train_params(epochs=1), *paths)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("steelcli.model.trained_model.iter_levels", _iter_levels)
            self._score()

    def _score(self) -> None:
        threshold_path = self.metrics_dir / "threshold.json"
        curve_path = self.metrics_dir / "threshold_curve.csv"
        params = threshold_params(objective="dice", min_areas_px=MIN_AREAS_PX)
        folders = (self.store_dir, self.models_dir, threshold_path)
        tune_threshold(params, "none", *folders, curve_path, self.val_dir)
        paths = (*folders, self.metrics_dir, self.test_dir)
        evaluate(evaluate_params(), MIN_AREAS_PX, *paths)

    def report(self, **changes: Any) -> None:
        paths = (self.metrics_dir, self.models_dir, self.report_path, self.store_dir, self.test_dir)
        report(report_params(**{"title": PAGE_TITLE, "cards": 12} | changes), *paths)


def _iter_levels(
    _: Any, store: Store, positions: Sequence[int], *__: Any
) -> Iterator[tuple[int, NDArray[np.uint16]]]:
    for position in positions:
        yield position, to_levels(_spoil(store.class_masks(position), position))


def _spoil(masks: NDArray[np.bool_], seed: int) -> NDArray[np.float32]:
    """Return a map float32 [H, W] of truth masks bool [C, H, W]: blurred and shifted.

    A third of the images loses the defects of one half, a third gets a false spot.
    """
    truth = masks.any(axis=0).astype(np.float32)
    height, width = truth.shape
    noise = np.random.default_rng(seed)
    if seed % 3 == 0:
        truth[:, : width // 2] = 0
    elif seed % 3 == 1:
        centre = (int(noise.integers(width)), int(noise.integers(height)))
        cv2.circle(truth, centre, 24, noise.uniform(0.5, 1.0), thickness=-1)
    shifted = np.roll(truth, 3, axis=1)
    return np.clip(cv2.GaussianBlur(shifted, (0, 0), 4.0), 0, 1)
