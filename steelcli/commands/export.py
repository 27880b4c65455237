"""``export``: the trained network for another runtime, once it gives the same there."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from steelcli import __version__
from steelcli.commands.export_int8 import MapPair, judge_int8, refuse_format
from steelcli.commands.frozen import Frozen, read_frozen
from steelcli.common.errors import RunError
from steelcli.common.formats import Format
from steelcli.common.metrics_file import format_metrics, read_metrics
from steelcli.common.outputs import staged_dir
from steelcli.common.paths import (
    EXPORT_NAME,
    EXPORTS_DIR,
    MAKE_THRESHOLD,
    METRICS_DIR,
    MODELS_DIR,
    STORE_DIR,
    THRESHOLD_PATH,
)
from steelcli.common.progress import say, track
from steelcli.data.types import channels_first
from steelcli.model.checkpoint import restore_model
from steelcli.model.export import capture, write_graph
from steelcli.model.exported import FILE_NAMES, PACKAGES, open_exported, refuse_missing
from steelcli.model.fold import copy_for_inference
from steelcli.model.inference import native_levels, predict
from steelcli.model.network import SegmentationModel
from steelcli.model.quantise import quantise
from steelcli.model.speed import WARM_UP
from steelcli.model.trained_model import Trained, load_trained
from steelcli.params.threshold import ThresholdParams
from steelcli.scores.learning import learn_point
from steelcli.scores.parallel import Scored

MAX_PROB_DIFFERENCE = 1e-3
MAX_DICE_DEFECT_CHANGE = 0.002
"""What exported and trained network may differ by on the validation images."""
LETTERBOX = (
    "scale = min(canvas height / height, canvas width / width); resize to the rounded height * "
    "scale and width * scale, INTER_AREA where either shrinks, else INTER_LINEAR; top = (canvas "
    "height - inner height) // 2, left likewise; the rest is 0. Probabilities are cut out of the "
    "canvas and resized to the image with INTER_LINEAR."
)
"""`data.store.letterbox` in words, with OpenCV's names."""

Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def export(
    wanted: Format,
    params: ThresholdParams,
    timing_images: int,
    store_dir: Path = STORE_DIR,
    models_dir: Path = MODELS_DIR,
    threshold_path: Path = THRESHOLD_PATH,
    metrics_path: Path = METRICS_DIR / EXPORT_NAME,
    exports_dir: Path = EXPORTS_DIR,
    *,
    int8: bool = False,
) -> dict[str, Any]:
    """Write a folder of ``exports/`` and its group of ``metrics/export.json``; return the group.

    Args:
        params: those that the threshold was learned with.
        timing_images: validation images that are timed.
        int8: see `quantise`.

    Raises:
        UserError: see `load_trained` and `read_frozen`; a package is missing; ``int8`` of a format
            that has none; or the exported network differs from the trained one, and then nothing
            is written.
    """
    refuse_missing(wanted, PACKAGES[wanted], f"--format {wanted.value}")
    if int8:
        refuse_format(wanted)
    frozen = read_frozen(threshold_path)
    trained = load_trained(models_dir, store_dir)
    frozen.refuse_other_run(trained.run_key, threshold_path)
    store = trained.store
    plain = restore_model(trained.checkpoint, trained.path)  # as trained: a wrong fold would show
    folded = copy_for_inference(plain, "fp32", store.image_size)
    others = _read_others(metrics_path, trained)
    files, group = {metrics_path: ""}, group_name(wanted, int8)
    with staged_dir(exports_dir / group, files) as partial_dir:
        path = partial_dir / FILE_NAMES[wanted]
        _write(path, wanted, plain, trained, frozen, int8)
        run = open_exported(path, wanted, torch.get_num_threads()).run
        maps = _iter_maps(trained, run, _in_torch(plain, frozen))
        if int8:
            metrics = judge_int8(trained.store, frozen.point, maps)
        else:
            metrics = _compare(trained, maps, params, threshold_path)
        images = [_image(trained, i) for i in store.positions("val")[:timing_images]]
        metrics["ms_per_image"] = _clock(run, images)
        metrics["ms_per_image_torch"] = _clock(_in_torch(folded, frozen), images)
        metrics["size_mb"] = sum(file.stat().st_size for file in partial_dir.iterdir()) / 1e6
        groups = {**others, group: metrics}
        files[metrics_path] = format_metrics(groups, store.fingerprint, trained.run_key)
    return metrics


def _in_torch(model: SegmentationModel, frozen: Frozen) -> Run:
    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return predict(model, torch.from_numpy(images), "fp32", frozen.flip_tta).numpy()

    return run


def _write(
    path: Path,
    wanted: Format,
    model: SegmentationModel,
    trained: Trained,
    frozen: Frozen,
    int8: bool,
) -> None:
    """Write the network with what goes with it."""
    say(f"writing the network for {wanted.value}, which can take a minute")
    store = trained.store
    channels = 1 if store.color == "grey" else 3
    program = capture(model, frozen.flip_tta, channels, store.image_size)
    write_graph(program, wanted, describe(trained, frozen), path)
    if int8:
        positions = store.positions("val")
        images = (_image(trained, i) for i in track(positions, "calibrating", len(positions)))
        quantise(path, images, len(positions))


def group_name(wanted: Format, int8: bool) -> str:
    """Return the name of the folder in ``exports/`` and of the group of the metrics."""
    return f"{wanted.value}-int8" if int8 else wanted.value


def describe(trained: Trained, frozen: Frozen) -> dict[str, str]:
    """Return what goes with the graph: all that leads from an image file to the mask.

    Numbers and lists are JSON.
    """
    network, store = trained.checkpoint.params.model, trained.store
    return {
        "color": store.color,
        "canvas_size": json.dumps(store.image_size),  # width, height
        "letterbox": LETTERBOX,
        "normalisation": "inside: (value / 255 - mean) / std",
        "mean": json.dumps(network.mean),
        "std": json.dumps(network.std),
        "flip_tta": json.dumps(frozen.flip_tta),  # inside too
        "threshold": json.dumps(frozen.point.threshold),
        "min_area_px": json.dumps(frozen.point.min_area_px),
        "class_titles": json.dumps(store.class_titles),
        "run_key": trained.run_key,
        "steelcli": __version__,
    }


def _read_others(path: Path, trained: Trained) -> dict[str, Any]:
    """Return the groups of the formats that were exported from the same run."""
    if not path.exists():
        return {}
    metrics = read_metrics(path, "remove it")
    is_same = metrics.run_key == trained.run_key
    return metrics.values if is_same and metrics.data_key == trained.store.fingerprint else {}


def _image(trained: Trained, position: int) -> NDArray[np.uint8]:
    """Return an image of the store, uint8 [1, C, H, W]."""
    return np.stack([channels_first(trained.store.images[position])])


def _iter_maps(trained: Trained, run: Run, run_torch: Run) -> Iterator[MapPair]:
    """Yield what both networks make of each validation image."""
    positions = trained.store.positions("val")
    for position in track(positions, "comparing", len(positions)):
        images = _image(trained, position)
        yield MapPair(position, run(images), run_torch(images))


def _compare(
    trained: Trained, maps: Iterator[MapPair], params: ThresholdParams, threshold_path: Path
) -> dict[str, float]:
    """Return by how much the exported network differs from torch, and from what is frozen.

    Raises:
        RunError: it differs by more than is allowed.
    """
    store = trained.store
    differences: list[float] = []

    def iter_images() -> Iterator[Scored]:
        for position, probs, torch_probs in maps:
            name = store.records[position].image
            difference = float(np.abs(probs - torch_probs).max())
            if not difference <= MAX_PROB_DIFFERENCE:  # nor NaN
                limit = f"more than {MAX_PROB_DIFFERENCE:g}"
                what = f"the exported network's probabilities are {difference:g} off, {limit}"
                raise RunError(what, name, "use torch or another format for this network")
            differences.append(difference)
            levels = native_levels(torch.from_numpy(probs[0]), store.letterbox(position))
            yield Scored(name, levels, store.class_masks(position))

    learned, _ = learn_point(
        params.objective,
        params.min_areas_px,
        params.max_clean_false_alarm,
        store.class_titles,
        iter_images(),
    )
    frozen = read_metrics(threshold_path, MAKE_THRESHOLD).values
    changes = _list_changes(frozen, learned, threshold_path)
    return {"max_prob_difference": max(differences), **changes}


def _list_changes(
    frozen: Mapping[str, Any], learned: Mapping[str, Any], path: Path
) -> dict[str, float]:
    """Return the largest change of a score, a threshold and an area, of all in the frozen file.

    Raises:
        RunError: it holds other numbers, or ``dice_defect`` changes by more than is allowed.
    """
    if learned.keys() != frozen.keys() - {"flip_tta"}:
        raise RunError("the file holds other numbers than are learned now", path, MAKE_THRESHOLD)
    changes = {name: abs(float(learned[name] - frozen[name])) for name in learned}
    change = changes.get("dice_defect_score", 0.0)
    if change > MAX_DICE_DEFECT_CHANGE:
        limit = f"by {change:.4f}, more than {MAX_DICE_DEFECT_CHANGE:g}"
        what = f"the exported network changes dice_defect_score {limit}"
        remedy = f"{MAKE_THRESHOLD}, in case section threshold was changed"
        raise RunError(what, path, remedy)
    units = ("threshold", "min_area_px")
    largest = {
        unit: max(value for name, value in changes.items() if name.endswith(unit)) for unit in units
    }
    scores = [value for name, value in changes.items() if not name.endswith(units)]
    return {
        "max_score_change": max(scores),
        "max_threshold_change": largest["threshold"],
        "max_area_change_px": largest["min_area_px"],
    }


def _clock(run: Run, images: list[NDArray[np.uint8]]) -> float:
    """Return the median milliseconds of a run of one image, warm."""
    for _ in range(WARM_UP):
        run(images[0])
    times = []
    for image in images:
        started = time.perf_counter()
        run(image)
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times)
