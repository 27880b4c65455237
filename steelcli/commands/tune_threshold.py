"""Stage ``tune-threshold``: learn the probability threshold on the validation split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from steelcli.common.metrics_file import format_metrics
from steelcli.common.outputs import format_csv, write_together
from steelcli.common.paths import MODELS_DIR, STORE_DIR, THRESHOLD_CURVE_PATH, THRESHOLD_PATH
from steelcli.model.trained_model import load_trained
from steelcli.params.threshold import ThresholdParams
from steelcli.scores.columns import CURVE_COLUMNS
from steelcli.scores.learning import learn_point
from steelcli.scores.parallel import Scored


def tune_threshold(
    params: ThresholdParams,
    store_dir: Path = STORE_DIR,
    models_dir: Path = MODELS_DIR,
    metrics_path: Path = THRESHOLD_PATH,
    curve_path: Path = THRESHOLD_CURVE_PATH,
) -> dict[str, Any]:
    """Learn the threshold of the trained model; return ``metrics/threshold.json``.

    Raises:
        UserError: a missing or foreign checkpoint or store.
    """
    trained = load_trained(models_dir, store_dir)
    store = trained.store
    images = (
        Scored(store.records[position].image, levels, store.class_masks(position))
        for position, levels in trained.iter_levels("val", params.batch_size)
    )
    metrics, curve = learn_point(params.objective, (0,), None, store.class_titles, images)
    tables = {curve_path: format_csv(curve, CURVE_COLUMNS)}
    text = format_metrics(metrics, store.fingerprint, trained.run_key, tables)
    write_together({**tables, metrics_path: text})
    return metrics
