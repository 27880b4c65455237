"""Milliseconds that a map of 1600×256 takes to be scored, on one core, and what others take.

Ours are `SplitScorer` as the validation of a training, ``evaluate`` and a run without components
use it, and `PairScorer` of ``tune-threshold``. The others score all maps together: scikit-learn's
average precision with a sweep of 99 thresholds in NumPy, torchmetrics' average precision with its
F1 at 99 thresholds; *plain labelling* is OpenCV's at each of the 99 thresholds and nothing more.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from bench.data import ROOT, draw_maps
from bench.figure import Figure
from bench.timing import interleave, ratio, spread
from steelcli.common.memory import keep_freed_memory
from steelcli.common.paths import MODELS_DIR, STORE_DIR, VAL_PREDICTIONS_DIR
from steelcli.data.levels import from_levels, to_levels
from steelcli.data.predictions.saved import SavedPredictions
from steelcli.data.store.reader import Store
from steelcli.model.smp_import import import_smp
from steelcli.params.all import load_params
from steelcli.scores.counts import FIXED, OperatingPoint
from steelcli.scores.curves import average_precision
from steelcli.scores.histogram import GRID, PixelHistogram
from steelcli.scores.learning import PairScorer
from steelcli.scores.parallel import Scored, Scorer
from steelcli.scores.scorer import SplitScorer

DRAWN = 24
"""Maps where there are none of a run."""
ROUNDS = 3
THRESHOLDS = GRID[9::10][:99]
"""99 of steelcli's 1023, so that both sides can be compared."""
PIXELS = 10**7
MAP_TARGET_MS, SAVED_TARGET = 12.0, 100.0


class Maps(NamedTuple):
    """Maps with their truth.

    Attributes:
        titles: of the classes.
        source: where the maps come from, in words.
    """

    images: list[Scored]
    titles: tuple[str, ...]
    source: str


def measure(work_dir: Path) -> list[Figure]:  # noqa: ARG001
    """Return the milliseconds with and without components, the ratios, and the saved map's."""
    keep_freed_memory()  # as the stages do
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    maps = load_maps()
    areas = load_params(ROOT / "params.yaml").threshold.min_areas_px
    new = partial(SplitScorer, maps.titles)
    point = OperatingPoint(0.4, 32)
    scorers: dict[str, Callable[[], Scorer]] = {
        "without components": lambda: new((FIXED,), 0.1, froc=False),
        "validation": lambda: new((FIXED,), 0.1),
        "evaluate": lambda: new((point, FIXED), 0.1, image_area_px=32, min_areas_px=areas),
        "tune-threshold": lambda: PairScorer(areas, len(maps.titles)),
    }
    ways: dict[str, Callable[[], object]] = {
        name: partial(_score, new_scorer, maps.images) for name, new_scorer in scorers.items()
    }
    probs = np.concatenate([from_levels(image.levels).ravel() for image in maps.images])
    truth = np.concatenate([image.class_masks.any(axis=0).ravel() for image in maps.images])
    check_alike(maps, probs, truth)
    ways["scikit-learn"] = lambda: by_scikit_learn(probs, truth)
    ways["torchmetrics"] = lambda: by_torchmetrics(probs, truth)
    ways["plain labelling"] = lambda: label_all(maps.images)
    seconds = interleave(ways, ROUNDS, clock=time.process_time)
    return [*_list_figures(seconds, maps), _measure_saved_map()]


def _list_figures(seconds: dict[str, list[float]], maps: Maps) -> list[Figure]:
    note = f"{len(maps.images)} maps: {maps.source}; AUPRC and F1 equal scikit-learn's"
    number = len(maps.images)
    ms = {way: [1000 * taken / number for taken in times] for way, times in seconds.items()}
    figures = []
    for way in ("without components", "validation", "evaluate", "tune-threshold"):
        target = None if way == "without components" else MAP_TARGET_MS
        name = f"scoring a map, {way}"
        figures.append(Figure(name, spread(ms[way]), target, "at most", "ms", note=note))
    for ours, other in (
        ("without components", "scikit-learn"),
        ("without components", "torchmetrics"),
        ("validation", "plain labelling"),
    ):
        times = {f"{way} ms": spread(ms[way]).median for way in (other, ours)}
        label = f"{other} ÷ scoring, {ours}"
        figures.append(Figure(label, ratio(ms[other], ms[ours]), absolute=times, note=note))
    return figures


def load_maps() -> Maps:
    """Return those of the run in this folder, of its validation split, else drawn ones."""
    if not (STORE_DIR / "index.json").is_file():
        return Maps(*draw_maps(DRAWN), "drawn, for there is no run in this folder")
    store = Store(STORE_DIR)
    saved = SavedPredictions(VAL_PREDICTIONS_DIR)
    positions = store.positions("val")
    names = [store.records[position].image for position in positions]
    if all(saved.has_map(name) for name in names):
        levels = [saved.load_map(name) for name in names]
        source = f"the validation maps of {VAL_PREDICTIONS_DIR}"
    elif MODELS_DIR.is_dir():
        from steelcli.model.trained_model import load_trained

        levels = [own for _, own in load_trained(MODELS_DIR, STORE_DIR).iter_levels("val", 8, True)]
        source = f"the validation split through the network of {MODELS_DIR}"
    else:
        return Maps(*draw_maps(DRAWN), "drawn, for there is no run in this folder")
    images = [
        Scored(name, own, store.class_masks(position))
        for name, own, position in zip(names, levels, positions, strict=True)
    ]
    return Maps(images, store.class_titles, source)


def _score(new_scorer: Callable[[], Scorer], images: Sequence[Scored]) -> Scorer:
    scorer = new_scorer()
    for image in images:
        scorer.update(*image)
    return scorer


def by_scikit_learn(probs: NDArray[np.float32], truth: NDArray[np.bool_]) -> tuple[float, float]:
    """Return average precision and the best F1 of `THRESHOLDS`, of float32 [N] and bool [N]."""
    f1 = 0.0
    positives = int(np.count_nonzero(truth))
    for threshold in THRESHOLDS:
        predicted = probs >= threshold
        tp = np.count_nonzero(predicted & truth)
        f1 = max(f1, 2 * int(tp) / max(1, int(np.count_nonzero(predicted)) + positives))
    return float(average_precision_score(truth, probs)), f1


def by_torchmetrics(probs: NDArray[np.float32], truth: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the same two by torchmetrics."""
    import_smp()  # mends torchvision, which torchmetrics imports
    from torchmetrics.functional.classification import (
        binary_average_precision,
        binary_precision_recall_curve,
    )

    preds, target = torch.from_numpy(probs), torch.from_numpy(truth.astype(np.int64))
    thresholds = torch.from_numpy(THRESHOLDS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        auprc = binary_average_precision(preds, target)
        precision, recall, _ = binary_precision_recall_curve(preds, target, thresholds)
    f1 = 2 * precision * recall / (precision + recall).clamp(min=1e-12)
    return float(auprc), float(f1.max())


def label_all(images: Sequence[Scored]) -> int:
    """Label every map at every threshold; return the number of components."""
    levels = np.rint(THRESHOLDS * 65535)
    found = 0
    for image in images:
        for level in levels:
            mask = (image.levels >= level).view(np.uint8)
            found += cv2.connectedComponents(mask, connectivity=8)[0] - 1
    return found


def check_alike(maps: Maps, probs: NDArray[np.float32], truth: NDArray[np.bool_]) -> None:
    """Refuse to compare sides that find other numbers.

    Raises:
        RuntimeError: AUPRC or F1 differ by more than 1e-6 (torchmetrics computes in float32: 1e-3).
    """
    scorer = SplitScorer(maps.titles, (FIXED,), 0.1, froc=False)
    for image in maps.images:
        scorer.update(*image)
    ours = scorer.summary()["auprc"], max(row["f1"] for row in scorer.threshold_curve()[9::10][:99])
    for found, limit in (
        (by_scikit_learn(probs, truth), 1e-6),
        (by_torchmetrics(probs, truth), 1e-3),
    ):
        if max(abs(one - other) for one, other in zip(ours, found, strict=True)) > limit:
            raise RuntimeError(f"the scores differ: {ours} and {found}")


def _measure_saved_map() -> Figure:
    """Return scikit-learn ÷ ours for the average precision of one saved map of 10⁷ pixels."""
    rng = np.random.default_rng(0)
    shape = 25, PIXELS // 25
    # runs, as defects have them
    truth = np.repeat(rng.random((25, shape[1] // 100), np.float32) < 0.04, 100, axis=1)
    logits = 3 * rng.standard_normal(shape, np.float32)
    logits += np.where(truth, np.float32(2), np.float32(-4))
    levels = to_levels((1 / (1 + np.exp(-logits))).astype(np.float32))

    def ours() -> float:
        found = average_precision(PixelHistogram.of_image(levels, truth))
        assert found
        return found.value

    def theirs() -> float:
        return float(average_precision_score(truth.ravel(), from_levels(levels).ravel()))

    if abs(ours() - theirs()) > 1e-9:
        raise RuntimeError("the average precisions of the saved map differ")
    seconds = interleave({"scikit-learn": theirs, "ours": ours}, 5, clock=time.process_time)
    return Figure(
        "average precision of a saved map of 10⁷ pixels: scikit-learn ÷ ours",
        ratio(seconds["scikit-learn"], seconds["ours"]),
        SAVED_TARGET,
        absolute={f"{way} s": spread(taken).median for way, taken in seconds.items()},
        note="equal to 1e-9",
    )
