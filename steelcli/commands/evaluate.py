"""Stage ``evaluate``: score the test split at native size, at the frozen point and at 0.5."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from steelcli.commands.frozen import Frozen, read_frozen
from steelcli.common.memory import keep_freed_memory
from steelcli.common.metrics_file import format_metrics
from steelcli.common.outputs import format_csv, staged_dir
from steelcli.common.paths import (
    FROC_NAME,
    METRICS_DIR,
    MODELS_DIR,
    PR_CURVE_NAME,
    RELIABILITY_NAME,
    STORE_DIR,
    TEST_DEFECTS_NAME,
    TEST_IMAGES_NAME,
    TEST_NAME,
    TEST_POINTS_NAME,
    TEST_PREDICTIONS_DIR,
    THRESHOLD_PATH,
)
from steelcli.common.small_splits import warn_of_small_splits
from steelcli.data.predictions.saved import SavedPredictions
from steelcli.data.store.index import count_kinds
from steelcli.model.speed import measure_speed
from steelcli.model.trained_model import Trained, load_trained
from steelcli.params.evaluate import EvaluateParams
from steelcli.reporting.card_choice import CARDS, choose_cards, count_missed
from steelcli.reporting.lowest import find_lowest
from steelcli.reporting.overlays import draw_overlays
from steelcli.scores.columns import (
    DEFECT_COLUMNS,
    FROC_COLUMNS,
    IMAGE_COLUMNS,
    POINT_COLUMNS,
    PR_COLUMNS,
    RELIABILITY_COLUMNS,
)
from steelcli.scores.counts import FIXED, OperatingPoint, cut
from steelcli.scores.parallel import Scored, score_images
from steelcli.scores.scorer import ImageRow, SplitScorer
from steelcli.scores.summary import summarise
from steelcli.training.trackers import Trackers

FILE_NAMES = (
    TEST_IMAGES_NAME,
    TEST_DEFECTS_NAME,
    TEST_POINTS_NAME,
    PR_CURVE_NAME,
    RELIABILITY_NAME,
    FROC_NAME,
    TEST_NAME,
)
"""In `METRICS_DIR`; the last one stands for all, see `write_together`."""


def evaluate(
    params: EvaluateParams,
    min_areas_px: Sequence[int],
    store_dir: Path = STORE_DIR,
    models_dir: Path = MODELS_DIR,
    threshold_path: Path = THRESHOLD_PATH,
    metrics_dir: Path = METRICS_DIR,
    predictions_dir: Path = TEST_PREDICTIONS_DIR,
) -> dict[str, Any]:
    """Write maps, masks, overlays, tables and ``metrics/test.json``; return the latter's content.

    ``min_areas_px`` are the areas that the learned one was chosen from: ``test_points.csv`` has
    each of them at every threshold.

    Raises:
        UserError: a missing threshold, one learned for another checkpoint, a missing or foreign
            checkpoint or store, or a test image that stands in another split.
    """
    frozen = read_frozen(threshold_path)
    point = frozen.point
    keep_freed_memory()
    trained = load_trained(models_dir, store_dir)
    frozen.refuse_other_run(trained.run_key, threshold_path)
    store = trained.store
    run = trained.settings.run.trackers
    trackers = Trackers(
        trained.settings.train.trackers, run.model_dump(exclude_none=True) if run else {}
    )
    files = dict.fromkeys([metrics_dir / name for name in FILE_NAMES], "")
    with staged_dir(predictions_dir, files) as partial_dir:
        saved = SavedPredictions(partial_dir)
        new_scorer = partial(
            SplitScorer,
            store.class_titles,
            (point, FIXED),
            params.min_overlap,
            image_area_px=point.min_area_px,
            min_areas_px=min_areas_px,
        )
        scorer = score_images(new_scorer, _iter_saved(trained, params, frozen, saved))
        rows = scorer.image_rows(point)
        shown = draw_overlays(saved, store, rows, params.overlays) | _list_lowest(rows)
        shown.update(choose_cards(rows, count_missed(scorer.defect_rows(point)), CARDS))
        if params.save_maps == "shown":
            saved.keep_maps(shown)
        metrics = summarise(scorer, point)
        metrics["flip_tta"] = int(frozen.flip_tta)
        metrics |= measure_speed(trained, point, frozen.flip_tta, params.timing_images)
        for name, (table, columns) in list_tables(scorer, point).items():
            files[metrics_dir / name] = format_csv(table, columns)
        tables = {path: text for path, text in files.items() if path.suffix == ".csv"}
        text = format_metrics(metrics, store.fingerprint, trained.run_key, tables)
        files[metrics_dir / TEST_NAME] = text
    trackers.log({"test": metrics})
    trackers.finish()
    warn_of_small_splits(count_kinds(store.records, ["test"]))
    return metrics


def list_tables(
    scorer: SplitScorer, point: OperatingPoint
) -> dict[str, tuple[Sequence[Mapping[str, Any]], Sequence[str]]]:
    """Return rows and columns of each csv of the test split by its name."""
    return {
        TEST_IMAGES_NAME: (scorer.image_rows(point), IMAGE_COLUMNS),
        TEST_DEFECTS_NAME: (scorer.defect_rows(point), DEFECT_COLUMNS),
        TEST_POINTS_NAME: (scorer.point_rows(), POINT_COLUMNS),
        PR_CURVE_NAME: (scorer.pr_curve(), PR_COLUMNS),
        RELIABILITY_NAME: (scorer.reliability(), RELIABILITY_COLUMNS),
        FROC_NAME: (scorer.froc_rows(), FROC_COLUMNS),
    }


def _iter_saved(
    trained: Trained, params: EvaluateParams, frozen: Frozen, saved: SavedPredictions
) -> Iterator[Scored]:
    """Save map and mask of each test image, then yield it to be scored."""
    store = trained.store
    for position, levels in trained.iter_levels("test", params.batch_size, frozen.flip_tta):
        image = store.records[position].image
        if params.save_maps != "none":
            saved.save_map(image, levels)
        saved.save_mask(image, cut(levels, frozen.point))
        yield Scored(image, levels, store.class_masks(position))


def _list_lowest(rows: Sequence[ImageRow]) -> set[str]:
    """Return the images that the report lists by their Dice."""
    dice, fp, fn = ([float(row[name]) for row in rows] for name in ("dice", "fp", "fn"))
    return {str(rows[index]["image"]) for index in find_lowest(dice, fp, fn)}
