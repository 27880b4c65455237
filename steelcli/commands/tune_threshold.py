"""Stage ``tune-threshold``: learn the probability threshold on the validation split, and nothing
else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from steelcli.common.outputs import write_csv, write_json
from steelcli.common.progress import say
from steelcli.model.inference import from_levels
from steelcli.model.trained_model import MODELS_DIR, STORE_DIR, load_trained
from steelcli.params.threshold import ThresholdParams
from steelcli.scores.curves import Objective, Row, choose_threshold
from steelcli.scores.parallel import Scored, score_images
from steelcli.scores.scorer import SplitScorer

METRICS_PATH = Path("metrics/threshold.json")
CURVE_PATH = Path("metrics/threshold_curve.csv")
CURVE_COLUMNS = (
    "threshold",
    "dice",
    "dice_defect",
    "f1",
    "iou",
    "iou_defect",
    "precision",
    "recall",
)
OBJECTIVES: tuple[Objective, ...] = ("dice", "dice_defect", "f1")
BATCH_SIZE = 8  # images per forward pass; the result does not depend on it beyond rounding


def tune_threshold(
    params: ThresholdParams,
    store_dir: Path = STORE_DIR,
    models_dir: Path = MODELS_DIR,
    metrics_path: Path = METRICS_PATH,
    curve_path: Path = CURVE_PATH,
) -> dict[str, Any]:
    """Learn the threshold of the trained model; return ``metrics/threshold.json``.

    Raises:
        UserError: a missing or foreign checkpoint or store.
    """
    trained = load_trained(models_dir, store_dir)
    store = trained.store
    images = (
        (store.records[position].image, from_levels(levels), store.class_masks(position))
        for position, levels in trained.iter_levels("val", BATCH_SIZE)
    )
    metrics, curve = learn_threshold(params.objective, store.class_titles, images)
    metrics["run_fingerprint"] = trained.fingerprint
    write_csv(curve_path, curve, CURVE_COLUMNS)
    write_json(metrics_path, metrics)
    return metrics


def learn_threshold(
    objective: Objective, class_titles: Sequence[str], images: Iterable[Scored]
) -> tuple[dict[str, Any], list[Row]]:
    """Score every threshold of the grid on validation images in one pass, of whatever model.

    Returns:
        ``threshold``, the objective's best, with the best threshold and score of every objective;
        and the whole curve.
    """
    scorer = score_images(lambda: SplitScorer(class_titles, (), 1.0, 0, froc=False), images)
    curve = scorer.threshold_curve()
    chosen = choose_threshold(curve, objective)
    if chosen.is_flat:
        say(
            f"warning: {objective} hardly depends on the threshold; {chosen.threshold:g} is one of many"
        )
    if chosen.at_edge:
        say(f"warning: the best {objective} lies at the edge of the grid, at {chosen.threshold:g}")
    metrics: dict[str, Any] = {"threshold": chosen.threshold}
    for name in OBJECTIVES:
        if any(
            name in row for row in curve
        ):  # dice_defect has no value where no image has a defect
            best = choose_threshold(curve, name)
            metrics |= {f"{name}_threshold": best.threshold, f"{name}_score": best.score}
    return metrics, curve
