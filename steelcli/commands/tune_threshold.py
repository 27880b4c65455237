"""Stage ``tune-threshold``: learn threshold and least area on the validation split."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from steelcli.common.memory import keep_freed_memory
from steelcli.common.metrics_file import format_metrics
from steelcli.common.outputs import format_csv, staged_dir
from steelcli.common.paths import (
    MODELS_DIR,
    STORE_DIR,
    THRESHOLD_CURVE_PATH,
    THRESHOLD_PATH,
    VAL_PREDICTIONS_DIR,
)
from steelcli.common.progress import track
from steelcli.data.predictions.saved import SavedPredictions
from steelcli.data.store.reader import Store
from steelcli.model.trained_model import load_trained
from steelcli.params.evaluate import SaveMaps
from steelcli.params.threshold import ThresholdParams
from steelcli.scores.columns import CURVE_COLUMNS
from steelcli.scores.counts import OperatingPoint, cut
from steelcli.scores.learning import learn_point
from steelcli.scores.parallel import Scored


def tune_threshold(
    params: ThresholdParams,
    save_maps: SaveMaps,
    store_dir: Path = STORE_DIR,
    models_dir: Path = MODELS_DIR,
    metrics_path: Path = THRESHOLD_PATH,
    curve_path: Path = THRESHOLD_CURVE_PATH,
    predictions_dir: Path = VAL_PREDICTIONS_DIR,
) -> dict[str, Any]:
    """Learn the operating point of the trained model; return ``metrics/threshold.json``.

    The masks that it cuts from the validation maps are written too, and with ``save_maps: all``
    the maps.

    Raises:
        UserError: a missing or foreign checkpoint or store; no point keeps the limit.
    """
    keep_freed_memory()
    trained = load_trained(models_dir, store_dir)
    store = trained.store
    files = dict.fromkeys([curve_path, metrics_path], "")
    with staged_dir(predictions_dir, files) as partial_dir:
        saved = SavedPredictions(partial_dir)

        def iter_images() -> Iterator[Scored]:
            for position, levels in trained.iter_levels("val", params.batch_size, params.flip_tta):
                image = store.records[position].image
                saved.save_map(image, levels)
                yield Scored(image, levels, store.class_masks(position))

        metrics, curve = learn_point(
            params.objective,
            params.min_areas_px,
            params.max_clean_false_alarm,
            store.class_titles,
            iter_images(),
        )
        metrics["flip_tta"] = int(params.flip_tta)
        point = OperatingPoint(metrics["threshold"], metrics["min_area_px"])
        _cut_masks(saved, store, point)
        if save_maps != "all":  # no page shows validation images
            saved.keep_maps([])
        files[curve_path] = format_csv(curve, CURVE_COLUMNS)
        tables = {curve_path: files[curve_path]}
        files[metrics_path] = format_metrics(metrics, store.fingerprint, trained.run_key, tables)
    return metrics


def _cut_masks(saved: SavedPredictions, store: Store, point: OperatingPoint) -> None:
    """Cut the masks from the saved maps: the point is known only after the network has run."""
    positions = store.positions("val")
    for position in track(positions, "val masks", len(positions)):
        image = store.records[position].image
        saved.save_mask(image, cut(saved.load_map(image), point))
