"""Tables of other models, judged by their predictions, beside our own run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steelcli.common.inputs import read_json
from steelcli.common.metrics_file import DATA_KEY, Metrics, read_metrics
from steelcli.common.paths import OWN_NAMES
from steelcli.reporting.metric_tables import pick_group
from steelcli.reporting.table import DECIMALS, Table, format_numbers

THIS_RUN = "this run"
NUMBERS = ("threshold", "auprc_low", "auprc_high")
"""Keys of ``metrics/NAME.json`` that must hold a number, not a group."""
WHOLE = ("auprc", "recall_at_1_fp")
GROUPED = ("dice", "dice_defect", "iou_defect", "f1", "precision", "recall", "clean_false_alarm")
"""The metrics compared: without a threshold, and at one."""


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
        if DATA_KEY in read_json(path, remedy):
            others[path.stem] = read_metrics(path, remedy, NUMBERS)
    return others


def build_others(
    test: Mapping[str, Any],
    others: Mapping[str, Metrics],
    data_key: str,
    decimals: int = DECIMALS,
) -> Table:
    """Return our run and other models in one table, each at its learned threshold and at 0.5.

    Args:
        test: ``metrics/test.json``.
        others: what `read_others` returned.
        data_key: of the data our numbers belong to. A model judged on other data is left out, and
            the note names it.
        decimals: digits after the point.
    """
    rows = _rows(THIS_RUN, test, decimals)
    stale = []
    for name, metrics in others.items():
        if metrics.data_key == data_key:
            rows += _rows(name, metrics.values, decimals)
        else:
            stale.append(name)
    note = (
        "All by the same code on the same test images, "
        "at the threshold learned on validation predictions and at 0.5."
    )
    if stale:
        names = ", ".join(stale)
        note += f" Left out, for they were judged on other data: {names}; evaluate them again."
    return Table("Other models", ("model", "threshold", *WHOLE, *GROUPED), tuple(rows), note)


def _rows(name: str, values: Mapping[str, Any], decimals: int) -> list[tuple[str, ...]]:
    """Return a row for each threshold the model was judged at."""
    rows = []
    whole = [values.get(metric) for metric in WHOLE]
    for key, threshold in (("optimal", values.get("threshold")), ("fixed", 0.5)):
        group = pick_group(values, key)
        if group:
            numbers = [threshold, *whole, *(group.get(metric) for metric in GROUPED)]
            rows.append((name, *format_numbers(numbers, decimals)))
    return rows
