"""The metrics of each stage as tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from steelcli.reporting.metric_meanings import (
    DATA_MEANINGS,
    GROUP_MEANINGS,
    OBJECTIVE_MEANINGS,
    SPEED_MEANINGS,
    TEST_MEANINGS,
    TRAINING_MEANINGS,
)
from steelcli.reporting.table import ABSENT, DECIMALS, MEANING, Table, format_number, show_tables


@dataclass(frozen=True)
class Report:
    """The tables of a whole run and the page that shows them with the curves."""

    tables: tuple[Table, ...]
    path: Path


def pick_group(metrics: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a group of metrics, empty where it is absent."""
    group = metrics.get(name)
    return group if isinstance(group, Mapping) else {}


def build_settings(title: str, settings: Mapping[str, str], names: Iterable[str]) -> Table:
    """List the named settings; all are text under dotted names."""
    return Table(
        title, ("setting", "value"), tuple((name, settings.get(name) or ABSENT) for name in names)
    )


def build_data(metrics: Mapping[str, Any], decimals: int = DECIMALS) -> list[Table]:
    """Return the counts of images and pixels in ``metrics/data.json``, per split and for the raw
    data."""
    splits = {name: group for name, group in metrics.items() if isinstance(group, Mapping)}
    keys = list(dict.fromkeys(key for group in splits.values() for key in group))
    rows = []
    for key in keys:
        kind, _, title = key.partition("_class.")
        label = {"images": f"images with {title}", "pixel_share": f"pixels of {title}, %"}.get(
            kind, key
        )
        values = [group.get(key) for group in splits.values()]
        if kind == "pixel_share":
            values = [None if value is None else 100.0 * value for value in values]
        rows.append(
            (
                label if title else key.replace("_", " "),
                *(format_number(value, decimals) for value in values),
            )
        )
    raw = {name: value for name, value in metrics.items() if name not in splits}
    return [
        Table("Images and pixels by split", ("", *splits), tuple(rows)),
        Table("Raw data", ("metric", "value", MEANING), _explained(raw, DATA_MEANINGS, decimals)),
    ]


def build_training(metrics: Mapping[str, Any], decimals: int = DECIMALS) -> Table:
    """Return ``metrics/train.json``."""
    return Table(
        "Result of training",
        ("metric", "value", MEANING),
        _explained(metrics, TRAINING_MEANINGS, decimals),
    )


def build_threshold(metrics: Mapping[str, Any], decimals: int = DECIMALS) -> Table:
    """Return ``metrics/threshold.json``: the best threshold and score of every objective."""
    objectives = [
        *OBJECTIVE_MEANINGS,
        *(key.removesuffix("_threshold") for key in metrics if key.endswith("_threshold")),
    ]
    rows = []
    for name in dict.fromkeys(objectives):
        values = (metrics.get(f"{name}_threshold"), metrics.get(f"{name}_score"))
        rows.append(
            (
                name,
                *(format_number(value, decimals) for value in values),
                OBJECTIVE_MEANINGS.get(name, ""),
            )
        )
    threshold = format_number(metrics.get("threshold"), decimals)
    title = f"Threshold {threshold}, learned on the validation split"
    return Table(title, ("objective", "threshold", "score", MEANING), tuple(rows))


def build_test(
    metrics: Mapping[str, Any], decimals: int = DECIMALS, class_titles: Sequence[str] | None = None
) -> list[Table]:
    """Return ``metrics/test.json`` as five tables: both thresholds, ungrouped numbers, by class, by
    size, speed.

    Args:
        metrics: the content of the file.
        decimals: digits after the point.
        class_titles: the classes to list, those without a pixel in the split too; None lists those
            that have a recall.
    """
    fixed, optimal = pick_group(metrics, "fixed"), pick_group(metrics, "optimal")
    threshold = format_number(metrics.get("threshold"), decimals)
    keys = dict.fromkeys([*GROUP_MEANINGS, *fixed, *optimal])
    pairs = tuple(
        (
            key,
            format_number(fixed.get(key), decimals),
            format_number(optimal.get(key), decimals),
            GROUP_MEANINGS.get(key, ""),
        )
        for key in keys
    )
    whole = {
        key: value
        for key, value in metrics.items()
        if not isinstance(value, Mapping)
        and key not in {*SPEED_MEANINGS, "auprc_low", "auprc_high"}
    }
    meanings = TEST_MEANINGS | {"auprc": TEST_MEANINGS["auprc"] + _bracket(metrics, decimals)}
    speed = {key: metrics.get(key) for key in SPEED_MEANINGS}
    return [
        Table(
            f"Test split at threshold 0.5 and at the learned {threshold}",
            ("metric", "0.5", threshold, MEANING),
            pairs,
        ),
        Table(
            "Test split as a whole",
            ("metric", "value", MEANING),
            _explained(whole, meanings, decimals),
        ),
        _build_by_class(metrics, decimals, class_titles or ()),
        _build_by_size(metrics, decimals),
        Table(
            "Speed, one image at a time",
            ("metric", "value", MEANING),
            _explained(speed, SPEED_MEANINGS, decimals),
            "Medians over test images, warm, on the device that evaluated.",
        ),
    ]


def _build_by_class(
    metrics: Mapping[str, Any], decimals: int, class_titles: Sequence[str]
) -> Table:
    pixels, found = pick_group(metrics, "recall_class"), pick_group(metrics, "found_class")
    rows = [
        (title, *(format_number(group.get(title), decimals) for group in (pixels, found)))
        for title in dict.fromkeys([*class_titles, *pixels, *found])
    ]
    threshold = format_number(metrics.get("threshold"), decimals)
    note = "Share of the class's pixels that are predicted, and of its defects that are found."
    return Table(
        f"Recall by class at {threshold}", ("class", "pixels", "defects"), tuple(rows), note
    )


def _build_by_size(metrics: Mapping[str, Any], decimals: int) -> Table:
    """Return the recall of small, medium and large defects, each with its bounds in pixels."""
    pixels, found = pick_group(metrics, "recall_size"), pick_group(metrics, "found_size")
    bounds = pick_group(metrics, "size_bounds_px")
    small, medium = (
        format_number(bounds.get(name), decimals) for name in ("small_max", "medium_max")
    )
    labels = {
        "small": f"small, up to {small}",
        "medium": f"medium, up to {medium}",
        "large": f"large, over {medium}",
    }
    rows = [
        (label, *(format_number(group.get(size), decimals) for group in (pixels, found)))
        for size, label in labels.items()
    ]
    threshold = format_number(metrics.get("threshold"), decimals)
    note = "Thirds of the split's defects by their area in pixels; no class is told apart."
    return Table(
        f"Recall by size at {threshold}",
        ("area", "pixels", "defects"),
        tuple(rows) if bounds else (),
        note,
    )


def show_data(metrics: Mapping[str, Any]) -> None:
    """Print ``metrics/data.json``."""
    show_tables(build_data(metrics))


def show_training(metrics: Mapping[str, Any]) -> None:
    """Print ``metrics/train.json``."""
    show_tables([build_training(metrics)])


def show_threshold(metrics: Mapping[str, Any]) -> None:
    """Print ``metrics/threshold.json``."""
    show_tables([build_threshold(metrics)])


def show_test(metrics: Mapping[str, Any]) -> None:
    """Print ``metrics/test.json``."""
    show_tables(build_test(metrics))


def show_report(report: Report) -> None:
    """Print every table and where the page lies."""
    show_tables(report.tables)
    Console().print(Text(f"With curves: {report.path}"), soft_wrap=True)


def _explained(
    values: Mapping[str, Any], meanings: Mapping[str, str], decimals: int
) -> tuple[tuple[str, ...], ...]:
    """Return rows name, value, meaning: the known metrics in the order of their meanings, then the
    unknown ones."""
    names = dict.fromkeys([*meanings, *values])
    return tuple(
        (name, format_number(values.get(name), decimals), meanings.get(name, "")) for name in names
    )


def _bracket(metrics: Mapping[str, Any], decimals: int) -> str:
    """Put the certified bounds of AUPRC in words, rounded outwards so that they stay bounds."""
    low, high = metrics.get("auprc_low"), metrics.get("auprc_high")
    if low is None or high is None:
        return ""
    digits = decimals + 2
    low, high = math.floor(low * 10**digits) / 10**digits, math.ceil(high * 10**digits) / 10**digits
    return f"; certified within {low:.{digits}f} and {high:.{digits}f}"
