"""Stage ``evaluate``: score the test split at native size, at the frozen point and at 0.5."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from steelcli.common.errors import RunError
from steelcli.common.metrics_file import format_metrics, read_metrics
from steelcli.common.outputs import format_csv, staged_dir
from steelcli.common.paths import (
    FROC_NAME,
    MAKE_THRESHOLD,
    METRICS_DIR,
    MODELS_DIR,
    PR_CURVE_NAME,
    RELIABILITY_NAME,
    STORE_DIR,
    TEST_IMAGES_NAME,
    TEST_NAME,
    TEST_PREDICTIONS_DIR,
    THRESHOLD_PATH,
)
from steelcli.common.small_splits import warn_of_small_splits
from steelcli.data.predictions.saved import SavedPredictions
from steelcli.data.store.index import count_kinds
from steelcli.model.speed import measure_speed
from steelcli.model.trained_model import Trained, load_trained
from steelcli.params.evaluate import EvaluateParams
from steelcli.reporting.lowest import find_lowest
from steelcli.reporting.overlays import draw_overlays
from steelcli.scores.columns import FROC_COLUMNS, IMAGE_COLUMNS, PR_COLUMNS, RELIABILITY_COLUMNS
from steelcli.scores.counts import FIXED, OperatingPoint, cut
from steelcli.scores.parallel import Scored, score_images
from steelcli.scores.scorer import ImageRow, SplitScorer
from steelcli.scores.summary import summarise
from steelcli.training.trackers import Trackers

FILE_NAMES = (TEST_IMAGES_NAME, PR_CURVE_NAME, RELIABILITY_NAME, FROC_NAME, TEST_NAME)
"""In `METRICS_DIR`; the last one stands for all, see `write_together`."""


class Frozen(NamedTuple):
    """How maps are made and cut, learned on the validation split.

    Attributes:
        point: threshold and area.
        flip_tta: whether maps are means over image and mirror image.
        learned_for: key of the run.
    """

    point: OperatingPoint
    flip_tta: bool
    learned_for: str | None

    def refuse_other_run(self, run_key: str, path: Path) -> None:
        """Refuse a file, read from ``path``, that was learned for another checkpoint.

        Raises:
            RunError: it was.
        """
        if self.learned_for != run_key:
            what = "the threshold was learned for another checkpoint"
            raise RunError(what, path, MAKE_THRESHOLD)


def evaluate(
    params: EvaluateParams,
    store_dir: Path = STORE_DIR,
    models_dir: Path = MODELS_DIR,
    threshold_path: Path = THRESHOLD_PATH,
    metrics_dir: Path = METRICS_DIR,
    predictions_dir: Path = TEST_PREDICTIONS_DIR,
) -> dict[str, Any]:
    """Write maps, masks, overlays, curves and ``metrics/test.json``; return the latter's content.

    Raises:
        UserError: a missing threshold, one learned for another checkpoint, a missing or foreign
            checkpoint or store, or a test image that stands in another split.
    """
    frozen = read_frozen(threshold_path)
    point = frozen.point
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
        )
        scorer = score_images(new_scorer, _iter_saved(trained, params, frozen, saved))
        rows = scorer.image_rows(point)
        shown = draw_overlays(saved, store, rows, params.overlays) | _list_lowest(rows)
        if params.save_maps == "shown":
            saved.keep_maps(shown)
        metrics = summarise(scorer, point)
        metrics["flip_tta"] = int(frozen.flip_tta)
        metrics |= measure_speed(trained, point, frozen.flip_tta, params.timing_images)
        files[metrics_dir / TEST_IMAGES_NAME] = format_csv(rows, IMAGE_COLUMNS)
        files[metrics_dir / PR_CURVE_NAME] = format_csv(scorer.pr_curve(), PR_COLUMNS)
        files[metrics_dir / RELIABILITY_NAME] = format_csv(
            scorer.reliability(), RELIABILITY_COLUMNS
        )
        files[metrics_dir / FROC_NAME] = format_csv(scorer.froc_rows(), FROC_COLUMNS)
        tables = {path: text for path, text in files.items() if path.suffix == ".csv"}
        text = format_metrics(metrics, store.fingerprint, trained.run_key, tables)
        files[metrics_dir / TEST_NAME] = text
    trackers.log({"test": metrics})
    trackers.finish()
    warn_of_small_splits(count_kinds(store.records, ["test"]))
    return metrics


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
    """Return the images that the report lists."""
    dice, fp, fn = ([float(row[name]) for row in rows] for name in ("dice", "fp", "fn"))
    return {str(rows[index]["image"]) for index in find_lowest(dice, fp, fn)}


def read_frozen(path: Path) -> Frozen:
    """Return what ``tune-threshold`` froze.

    Raises:
        RunError: the file is missing, holds no threshold in (0, 1), no area or no ``flip_tta``.
    """
    metrics = read_metrics(path, MAKE_THRESHOLD, (*OperatingPoint._fields, "flip_tta"))
    threshold, area = (metrics.values.get(name) for name in OperatingPoint._fields)
    if threshold is None or not 0 < threshold < 1:
        raise RunError("the file holds no threshold between 0 and 1", path, MAKE_THRESHOLD)
    if not isinstance(area, int) or area < 0:
        raise RunError("the file holds no min_area_px in whole pixels", path, MAKE_THRESHOLD)
    flip_tta = metrics.values.get("flip_tta")
    if flip_tta not in (0, 1):
        raise RunError("the file holds no flip_tta of 0 or 1", path, MAKE_THRESHOLD)
    return Frozen(OperatingPoint(float(threshold), area), flip_tta == 1, metrics.run_key)
