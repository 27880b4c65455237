"""Tables of the json files that each stage writes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from steelcli.reporting.metric_meanings import (
    DATA_MEANINGS,
    EXPORT_MEANINGS,
    GROUP_MEANINGS,
    OBJECTIVE_MEANINGS,
    SHARE_MEANINGS,
    SPEED_MEANINGS,
    TEST_MEANINGS,
    TRAINING_MEANINGS,
)
from steelcli.reporting.shares import (
    INTERVAL,
    INTERVAL_NOTE,
    count_whole,
    explain_share,
    format_share,
)
from steelcli.reporting.table import (
    ABSENT,
    DECIMALS,
    MEANING,
    Table,
    format_number,
    format_numbers,
)

SHOWN_ELSEWHERE = {*SPEED_MEANINGS, "auprc_low", "auprc_high"}
"""Keys that the table of the whole test split leaves out."""


RECALL_COLUMNS = ("pixels", "defects", "found", INTERVAL)


def pick_group(metrics: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a group of metrics, empty where it is absent."""
    group = metrics.get(name)
    return group if isinstance(group, Mapping) else {}


def describe_point(metrics: Mapping[str, Any], decimals: int) -> str:
    """Return the learned threshold, with the area where components are removed."""
    threshold, area = metrics.get("threshold"), metrics.get("min_area_px", 0)
    shown = format_number(threshold, decimals)
    return f"{shown} without components under {area:,} px" if area > 1 else shown


def build_settings(title: str, settings: Mapping[str, str], names: Iterable[str]) -> Table:
    """List the named settings, a dash where one is absent or empty."""
    rows = tuple((name, settings.get(name) or ABSENT) for name in names)
    return Table(title, ("setting", "value"), rows)


def build_data(metrics: Mapping[str, Any], decimals: int = DECIMALS) -> list[Table]:
    """Return ``metrics/data.json``: a table of the splits and one of the raw data."""
    splits = {name: group for name, group in metrics.items() if isinstance(group, Mapping)}
    raw = {name: value for name, value in metrics.items() if name not in splits}
    keys = dict.fromkeys(key for group in splits.values() for key in group)
    rows = []
    for key in keys:
        label, factor = _name_data_key(key)
        values = [group.get(key) for group in splits.values()]
        if factor != 1:
            values = [None if value is None else factor * value for value in values]
        rows.append((label, *format_numbers(values, decimals)))
    return [
        Table("Images and pixels by split", ("", *splits), tuple(rows)),
        _build_explained("Raw data", raw, DATA_MEANINGS, decimals),
    ]


def _name_data_key(key: str) -> tuple[str, float]:
    """Return what a key of ``data.json`` is called in the table, and the factor to its unit."""
    kind, _, title = key.partition("_class.")
    if title and kind == "images":
        return f"images with {title}", 1
    if title and kind == "pixel_share":
        return f"pixels of {title}, %", 100.0
    return key.replace("_", " "), 1


def build_training(metrics: Mapping[str, Any], decimals: int = DECIMALS) -> Table:
    """Return ``metrics/train.json``."""
    of_monitors = {"best_dice_defect", "best_f1"}  # only where that is the run's monitor
    meanings = {
        key: meaning
        for key, meaning in TRAINING_MEANINGS.items()
        if key in metrics or key not in of_monitors
    }
    return _build_explained("Result of training", metrics, meanings, decimals)


def build_threshold(metrics: Mapping[str, Any], decimals: int = DECIMALS) -> Table:
    """Return ``metrics/threshold.json``: the best pair and its score for every objective."""
    suffix = "_threshold"
    written = [key.removesuffix(suffix) for key in metrics if key.endswith(suffix)]
    rows = []
    for name in dict.fromkeys([*OBJECTIVE_MEANINGS, *written]):
        values = [metrics.get(f"{name}_{key}") for key in ("threshold", "min_area_px", "score")]
        meaning = OBJECTIVE_MEANINGS.get(name, "")
        rows.append((name, *format_numbers(values, decimals), meaning))
    title = f"Threshold {describe_point(metrics, decimals)}, learned on the validation split"
    columns = ("objective", "threshold", "min_area_px", "score", MEANING)
    notes = []
    if metrics.get("flip_tta"):
        notes.append("Every map is the mean of those of the image and of its mirror image.")
    if (alarms := metrics.get("clean_false_alarm")) is not None:
        share = format_number(100 * alarms, 1)
        notes.append(f"There {share} % of the clean images have a detection.")
    return Table(title, columns, tuple(rows), " ".join(notes))


def build_scores(
    metrics: Mapping[str, Any], decimals: int = DECIMALS, class_titles: Sequence[str] = ()
) -> list[Table]:
    """Return the tables of ``metrics/test.json`` or ``metrics/NAME.json`` without the speed.

    Where no threshold was learned, what needs one is left out.

    Args:
        metrics: the content of the file.
        decimals: digits after the point.
        class_titles: classes to list even where the split has no pixel of them.
    """
    tables = [
        build_groups(metrics, decimals),
        build_shares(metrics, decimals),
        build_whole(metrics, decimals),
    ]
    if "optimal" in metrics:
        tables.append(build_by_class(metrics, decimals, class_titles))
        tables.append(build_by_size(metrics, decimals))
    return tables


def build_groups(metrics: Mapping[str, Any], decimals: int) -> Table:
    """Return the metrics at threshold 0.5 and, where there is one, at the learned threshold."""
    columns, title = ["0.5"], "Test split at threshold 0.5"
    groups = [pick_group(metrics, "fixed")]
    if "optimal" in metrics:
        threshold = format_number(metrics.get("threshold"), decimals)
        columns.append(threshold)
        title += f" and at the learned {describe_point(metrics, decimals)}"
        groups.append(pick_group(metrics, "optimal"))
    keys = dict.fromkeys(GROUP_MEANINGS)
    for group in groups:
        keys |= dict.fromkeys(group)
    rows = []
    for key in keys:
        if key in SHARE_MEANINGS:  # see `build_shares`
            continue
        numbers = format_numbers((group.get(key) for group in groups), decimals)
        rows.append((key, *numbers, GROUP_MEANINGS.get(key, "")))
    return Table(title, ("metric", *columns, MEANING), tuple(rows))


def build_shares(metrics: Mapping[str, Any], decimals: int) -> Table:
    """Return the shares of images, at the learned threshold and at 0.5, with their intervals."""
    rows = []
    for key in SHARE_MEANINGS:
        for name, threshold in (("optimal", metrics.get("threshold")), ("fixed", 0.5)):
            if name in metrics:
                group = pick_group(metrics, name)
                share, whole = group.get(key), count_whole(key, metrics, group)
                numbers = format_numbers((threshold, share), decimals)
                rows.append((key, *numbers, *format_share(share, whole, decimals)))
    meanings = "; ".join(f"{key}: {meaning}" for key, meaning in SHARE_MEANINGS.items())
    columns = ("share of images", "threshold", "share", "counted", INTERVAL)
    return Table("Shares of test images", columns, tuple(rows), f"{meanings}. {INTERVAL_NOTE}")


def build_whole(metrics: Mapping[str, Any], decimals: int) -> Table:
    """Return the metrics that belong to no group."""
    recall_key = "recall_at_1_fp"
    found = explain_share(recall_key, metrics, metrics, decimals)
    meanings = TEST_MEANINGS | {
        "auprc": TEST_MEANINGS["auprc"] + _bracket(metrics, decimals),
        recall_key: TEST_MEANINGS[recall_key] + found,
    }
    if "optimal" not in metrics:
        del meanings["threshold"], meanings["min_area_px"]
    values = {}
    for key, value in metrics.items():
        if not isinstance(value, Mapping) and key not in SHOWN_ELSEWHERE:
            values[key] = value
    return _build_explained("Test split as a whole", values, meanings, decimals)


def build_by_class(
    metrics: Mapping[str, Any], decimals: int, class_titles: Sequence[str] = ()
) -> Table:
    """Return the recall of each class at the learned threshold."""
    pixels, found = pick_group(metrics, "recall_class"), pick_group(metrics, "found_class")
    defects = pick_group(metrics, "defects_class")
    rows = []
    for title in dict.fromkeys([*class_titles, *pixels, *found]):
        rows.append((title, *_recall_cells(title, pixels, found, defects, decimals)))
    threshold = format_number(metrics.get("threshold"), decimals)
    note = "Share of the class's pixels that are predicted, and of its defects that are found."
    columns = ("class", *RECALL_COLUMNS)
    title = f"Recall by class at {threshold}"
    return Table(title, columns, tuple(rows), f"{note} {INTERVAL_NOTE}")


def _recall_cells(
    key: str,
    pixels: Mapping[str, Any],
    found: Mapping[str, Any],
    defects: Mapping[str, Any],
    decimals: int,
) -> tuple[str, ...]:
    """Return the cells of RECALL_COLUMNS."""
    numbers = format_numbers((pixels.get(key), found.get(key)), decimals)
    return (*numbers, *format_share(found.get(key), defects.get(key), decimals))


def build_by_size(metrics: Mapping[str, Any], decimals: int) -> Table:
    """Return the recall of small, medium and large defects, each with its bounds in pixels."""
    pixels, found = pick_group(metrics, "recall_size"), pick_group(metrics, "found_size")
    bounds, defects = pick_group(metrics, "size_bounds_px"), pick_group(metrics, "defects_size")
    rows = []
    if bounds:
        small = format_number(bounds.get("small_max"), decimals)
        medium = format_number(bounds.get("medium_max"), decimals)
        labels = {
            "small": f"small, up to {small}",
            "medium": f"medium, up to {medium}",
            "large": f"large, over {medium}",
        }
        for size, label in labels.items():
            rows.append((label, *_recall_cells(size, pixels, found, defects, decimals)))
    threshold = format_number(metrics.get("threshold"), decimals)
    note = "Thirds of the split's defects by their area in pixels; no class is told apart."
    columns = ("area", *RECALL_COLUMNS)
    return Table(f"Recall by size at {threshold}", columns, tuple(rows), note)


def build_speed(metrics: Mapping[str, Any], decimals: int) -> Table:
    """Return the milliseconds per image."""
    speed = {key: metrics.get(key) for key in SPEED_MEANINGS}
    note = "Medians over test images, warm, on the device that evaluated."
    return _build_explained("Speed, one image at a time", speed, SPEED_MEANINGS, decimals, note)


def build_export(metrics: Mapping[str, Any], folder: Path) -> Table:
    """Return a format's group of ``metrics/export.json``; ``folder`` is what was written."""
    note = "All on the validation images, on the CPU."
    meanings = {name: text for name, text in EXPORT_MEANINGS.items() if name in metrics}
    return _build_explained(f"Written: {folder}", metrics, meanings, 6, note)


def _build_explained(
    title: str,
    values: Mapping[str, Any],
    meanings: Mapping[str, str],
    decimals: int,
    note: str = "",
) -> Table:
    """List name, value and meaning: the known metrics in the order of ``meanings``, then others."""
    rows = []
    for name in dict.fromkeys([*meanings, *values]):
        number = format_number(values.get(name), decimals)
        rows.append((name, number, meanings.get(name, "")))
    return Table(title, ("metric", "value", MEANING), tuple(rows), note)


def _bracket(metrics: Mapping[str, Any], decimals: int) -> str:
    """Say the certified bounds of AUPRC, rounded outwards so that they stay bounds."""
    low, high = metrics.get("auprc_low"), metrics.get("auprc_high")
    if low is None or high is None:
        return ""
    digits = decimals + 2
    unit = 10**digits
    low, high = math.floor(low * unit) / unit, math.ceil(high * unit) / unit
    return f"; certified within {low:.{digits}f} and {high:.{digits}f}"
