"""Tables of other models, judged by their predictions, beside our own run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from steelcli.common.fingerprint import fingerprint
from steelcli.common.inputs import read_json, read_metrics
from steelcli.reporting.metric_tables import build_test, pick_group
from steelcli.reporting.table import ABSENT, DECIMALS, Table, format_number

OWN_FILES = ("data.json", "train.json", "threshold.json", "test.json")
THIS_RUN = "this run"
NUMBERS = ("threshold", "data_fingerprint", "auprc_low", "auprc_high")
WHOLE = ("auprc", "recall_at_1_fp")
GROUPED = ("dice", "dice_defect", "iou_defect", "f1", "precision", "recall", "clean_false_alarm")


def read_others(metrics_dir: Path) -> dict[str, dict[str, Any]]:
    """Return the content of every ``metrics/NAME.json`` that `evaluate_foreign` wrote, by name.

    Raises:
        RunError: a json file that cannot be read.
    """
    remedy = "run `steelcli evaluate --predictions` again or remove the file"
    paths = sorted(
        path
        for path in metrics_dir.glob("*.json")
        if path.name not in OWN_FILES and path.name[0] != "."
    )
    ours = [path for path in paths if "data_fingerprint" in read_json(path, remedy)]
    return {path.stem: read_metrics(path, remedy, NUMBERS) for path in ours}


def build_others(
    test: Mapping[str, Any],
    others: Mapping[str, Mapping[str, Any]],
    store: str | None,
    decimals: int = DECIMALS,
) -> Table:
    """Set other models beside ``metrics/test.json``, each at its learned threshold, where it has
    one, and at 0.5.

    Args:
        test: our own numbers.
        others: what `read_others` returned.
        store: fingerprint of the data our numbers belong to; models judged on other data are named
            and left out.
        decimals: digits after the point.
    """
    ours = fingerprint([store]) if store else None
    fitting = {
        name: values for name, values in others.items() if values["data_fingerprint"] == ours
    }
    rows = []
    for name, values in {THIS_RUN: test, **fitting}.items():
        for key, threshold in (("optimal", values.get("threshold")), ("fixed", 0.5)):
            group = pick_group(values, key)
            numbers = [
                *(values.get(metric) for metric in WHOLE),
                *(group.get(metric) for metric in GROUPED),
            ]
            if group:
                rows.append(
                    (name, *(format_number(number, decimals) for number in (threshold, *numbers)))
                )
    note = "All by the same code on the same test images, at the threshold learned on validation predictions and at 0.5."
    if stale := [name for name in others if name not in fitting]:
        note += f" Left out, for they were judged on other data: {', '.join(stale)}; evaluate them again."
    return Table("Other models", ("model", "threshold", *WHOLE, *GROUPED), tuple(rows), note)


def build_foreign(metrics: Mapping[str, Any]) -> list[Table]:
    """Return ``metrics/NAME.json`` as tables, without what needs a learned threshold where there is
    none."""
    shown = {key: value for key, value in metrics.items() if key != "data_fingerprint"}
    pairs, whole, by_class, by_size, _ = build_test(shown)
    if "optimal" in metrics:
        return [pairs, whole, by_class, by_size]
    columns = tuple(name for name in pairs.columns if name != ABSENT)
    rows = tuple((metric, fixed, meaning) for metric, fixed, _, meaning in pairs.rows)
    known = tuple(row for row in whole.rows if row[0] != "threshold")
    return [Table("Test split at threshold 0.5", columns, rows), replace(whole, rows=known)]
