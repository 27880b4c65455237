"""Judge another model by its predictions, with the same scorer as our own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from steelcli.common.errors import DataError, ParamsError
from steelcli.common.metrics_file import format_metrics
from steelcli.common.outputs import format_csv, write_together
from steelcli.common.paths import METRICS_DIR, OWN_NAMES, STORE_DIR
from steelcli.common.progress import say, track
from steelcli.data.predictions.match import Predictions, match_predictions, open_predictions
from steelcli.data.predictions.source import Kind
from steelcli.data.store.reader import Store, open_store
from steelcli.data.types import Split
from steelcli.params.data import DataParams
from steelcli.params.evaluate import EvaluateParams
from steelcli.params.threshold import ThresholdParams
from steelcli.scores.columns import IMAGE_COLUMNS
from steelcli.scores.counts import FIXED, OperatingPoint
from steelcli.scores.learning import learn_point
from steelcli.scores.parallel import Scored, score_images
from steelcli.scores.scorer import SplitScorer
from steelcli.scores.summary import summarise

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)


def evaluate_foreign(
    path: Path,
    name: str,
    val_path: Path | None,
    data: DataParams,
    learning: ThresholdParams,
    params: EvaluateParams,
    store_dir: Path = STORE_DIR,
    metrics_dir: Path = METRICS_DIR,
) -> dict[str, Any]:
    """Score predictions of the test split; return ``metrics/NAME.json``.

    ``metrics/NAME_images.csv`` is written beside it.

    Args:
        path: predictions of the test images, in any format of `open_predictions`.
        name: what the other model is called in the files and the report.
        val_path: its predictions of the validation images, to learn its operating point on.
        data, learning, params: the sections ``data``, ``threshold`` and ``evaluate``.

    Raises:
        ParamsError: a name that cannot be used.
        DataError: predictions that are missing, broken or doubtful, or a missing store.
    """
    _check_name(name)
    store = open_store(store_dir)
    test = _open(store, "test", path, data)
    val = _open(store, "val", val_path, data) if val_path else None
    kind = _choose_kind(test, val, path)
    point: OperatingPoint | None = None
    if val and kind == "probs":
        images = _iter_images(store, "val", val, kind)
        learned, _ = learn_point(
            learning.objective,
            learning.min_areas_px,
            learning.max_clean_false_alarm,
            store.class_titles,
            images,
        )
        point = OperatingPoint(learned["threshold"], learned["min_area_px"])
        found = f"threshold {point.threshold:g} and min_area_px {point.min_area_px}, learned on"
        say(f"{found} the {len(val.name_of)} predictions of {val_path}")
    elif kind == "masks":
        say("the predictions are masks: no threshold to learn, they are scored as they are")
    else:
        say("no learned threshold without --val-predictions: scored at 0.5 alone")
    new_scorer = partial(
        SplitScorer,
        store.class_titles,
        (FIXED,) if point is None else (point, FIXED),
        params.min_overlap,
        image_area_px=0 if point is None else point.min_area_px,
    )
    scorer = score_images(new_scorer, _iter_images(store, "test", test, kind))
    metrics = summarise(scorer, point, kind == "masks")
    rows = scorer.image_rows(point or FIXED)
    tables = {metrics_dir / f"{name}_images.csv": format_csv(rows, IMAGE_COLUMNS)}
    text = format_metrics(metrics, store.fingerprint, tables=tables)
    write_together({**tables, metrics_dir / f"{name}.json": text})
    return metrics


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        remedy = "use letters, digits, dots, hyphens and underscores, a letter or digit first"
        raise ParamsError(f"{name!r} cannot be a file name", "--name", remedy)
    if name.casefold() in OWN_NAMES:
        what = f"metrics/{name}.json belongs to a stage"
        raise ParamsError(what, "--name", "choose another name")


def _open(store: Store, split: Split, path: Path, data: DataParams) -> Predictions:
    """Pair the predictions with the images of a split; say how many are left over."""
    images = [store.records[position].image for position in store.positions(split)]
    predictions = match_predictions(open_predictions(path, data), images, split, path)
    if predictions.outside:
        left_out = f"{predictions.outside} predictions in {path}"
        say(f"{left_out} are of no image of the {split} split and were left out")
    return predictions


def _choose_kind(test: Predictions, val: Predictions | None, path: Path) -> Kind:
    """Return what the predictions of both splits are; those that are all 0 go with the others."""
    kinds = {predictions.kind for predictions in (test, val) if predictions and predictions.kind}
    if len(kinds) > 1:
        what = f"the test predictions are {test.kind}, those of the validation images are not"
        raise DataError(what, path, "give both as probabilities")
    return kinds.pop() if kinds else "masks"


def _iter_images(
    store: Store, split: Split, predictions: Predictions, kind: Kind
) -> Iterator[Scored]:
    """Yield the images to score, one prediction in memory at a time.

    Say at the end how many predictions were stretched, and how many floats were rounded.
    """
    positions = store.positions(split)
    resized = rounded = 0
    for position in track(positions, split, len(positions)):
        record = store.records[position]
        found = predictions.read(record.image, record.height, record.width, kind)
        resized += found.resized
        rounded += found.rounded
        masks = store.class_masks(position)
        yield Scored(record.image, found.levels, masks, found.rounded)
    total = f"of {len(positions)} {split} predictions were"
    if resized:
        say(f"{resized} {total} stretched to the size of their image")
    if rounded:
        say(
            f"{rounded} {total} rounded to 16-bit levels; auprc_low and auprc_high bound the effect"
        )
