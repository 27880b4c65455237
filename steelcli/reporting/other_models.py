"""Tables of other models, judged by their predictions, beside our own run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from steelcli.common.errors import quote
from steelcli.common.inputs import read_json
from steelcli.common.metrics_file import DATA_KEY, Metrics, read_metrics
from steelcli.common.paths import OWN_NAMES
from steelcli.common.progress import say
from steelcli.reporting.metric_tables import pick_group
from steelcli.reporting.shares import INTERVAL, INTERVAL_NOTE, count_whole, format_share
from steelcli.reporting.table import DECIMALS, Table, format_numbers

Models = list[tuple[str, Mapping[str, Any]]]
"""Name of each model and content of its json file."""
THIS_RUN = "this run"
MODEL = "model"
"""Heading of the column of names."""
NUMBERS = ("threshold", "min_area_px", "auprc_low", "auprc_high")
"""Keys of ``metrics/NAME.json`` that must hold a number, not a group."""
GROUPED = {
    "means over images": ("dice", "dice_defect", "iou", "iou_defect"),
    "all pixels together": ("f1", "precision", "recall"),
}
"""The metrics compared at a threshold, in a table each: one of all is wider than a terminal."""
IMAGES = {
    "clean_false_alarm": "clean images with a false alarm",
    "image_recall": "defect images with a detection",
    "image_precision": "images with a detection that have a defect",
}
"""The shares of images compared, in a table each."""
RANKING = ("image_auroc", "image_auprc")
"""How well images with a defect are told over all thresholds."""
FOUND = "recall_at_1_fp"
"""The share of defects compared."""


def read_others(metrics_dir: Path) -> dict[str, Metrics]:
    """Return the content of every ``metrics/NAME.json`` that `evaluate_foreign` wrote, by name.

    Raises:
        RunError: a json file that cannot be read.
    """
    remedy = "run `steelcli evaluate --predictions` again or remove the file"
    others = {}
    for path in sorted(metrics_dir.glob("*.json")):
        if path.stem in OWN_NAMES or path.name.startswith("."):
            continue
        if not _is_utf8(path.name):  # no name of ours, and nothing that a page could show
            say(f"note: {quote(path.name)} is left out: its name is no UTF-8")
            continue
        if DATA_KEY in read_json(path, remedy):
            others[path.stem] = read_metrics(path, remedy, NUMBERS)
    return others


def build_others(
    test: Mapping[str, Any],
    others: Mapping[str, Metrics],
    data_key: str,
    decimals: int = DECIMALS,
) -> list[Table]:
    """Return tables of our run and other models, each at its learned threshold and at 0.5.

    Args:
        test: ``metrics/test.json``.
        others: what `read_others` returned.
        data_key: of the data our numbers belong to. A model judged on other data is left out, and
            the note names it.
        decimals: digits after the point.
    """
    models: Models = [(THIS_RUN, test)]
    stale = []
    for name, metrics in others.items():
        if metrics.data_key == data_key:
            models.append((name, metrics.values))
        else:
            stale.append(name)
    note = (
        "All by the same code on the same test images, "
        "at the threshold learned on validation predictions and at 0.5."
    )
    if stale:
        names = ", ".join(stale)
        note += f" Left out, for they were judged on other data: {names}; evaluate them again."
    tables = []
    for title, keys in GROUPED.items():
        rows = []
        for name, threshold, group, _ in _iter_groups(models):
            numbers = [threshold, *(group.get(key) for key in keys)]
            rows.append((name, *format_numbers(numbers, decimals)))
        tables.append(
            Table(f"Other models: {title}", (MODEL, "threshold", *keys), tuple(rows), note)
        )
        note = ""
    tables += [_build_images(key, models, decimals) for key in IMAGES]
    ranking = []
    for name, values in models:
        ranking.append((name, *format_numbers((values.get(key) for key in RANKING), decimals)))
    title = "Other models: images told defective over all thresholds"
    tables.append(Table(title, (MODEL, *RANKING), tuple(ranking)))
    return [*tables, _build_over_thresholds(models, decimals)]


def _iter_groups(
    models: Models,
) -> Iterator[tuple[str, Any, Mapping[str, Any], Mapping[str, Any]]]:
    """Yield name, threshold, the numbers there and all numbers, for each model and threshold."""
    for name, values in models:
        for key, threshold in (("optimal", values.get("threshold")), ("fixed", 0.5)):
            if group := pick_group(values, key):
                yield name, threshold, group, values


def _build_images(key: str, models: Models, decimals: int) -> Table:
    rows = []
    for name, threshold, group, values in _iter_groups(models):
        numbers = format_numbers((threshold, group.get(key)), decimals)
        counted = format_share(group.get(key), count_whole(key, values, group), decimals)
        rows.append((name, *numbers, *counted))
    columns = (MODEL, "threshold", "share", "counted", INTERVAL)
    return Table(f"Other models: {IMAGES[key]}", columns, tuple(rows), INTERVAL_NOTE)


def _build_over_thresholds(models: Models, decimals: int) -> Table:
    rows = []
    for name, values in models:
        found = values.get(FOUND)
        numbers = format_numbers((values.get("auprc"), found), decimals)
        counted = format_share(found, count_whole(FOUND, values, values), decimals)
        rows.append((name, *numbers, *counted))
    note = f"Masks have no other threshold, so no such number. {INTERVAL_NOTE}"
    columns = (MODEL, "auprc", FOUND, "found", INTERVAL)
    return Table("Other models: over all thresholds", columns, tuple(rows), note)


def _is_utf8(name: str) -> bool:
    """Tell whether a file's name is text: Python writes other bytes as half characters."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
