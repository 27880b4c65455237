"""The run in one line, and whether it beats the baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from steelcli.reporting.comparison import Comparison
from steelcli.reporting.metric_tables import describe_point
from steelcli.reporting.table import ABSENT, format_signed

JUDGED = {
    "dice_defect": ("Dice of defect images", 1),
    "image_recall": ("defective sheets recognised", 1),
    "clean_false_alarm": ("clean sheets called defective", -1),
}
"""The numbers of the verdict: what each is called, and whether more is better (1) or worse (-1)."""


class Judgement(NamedTuple):
    """One number of the verdict: better, worse, no clear difference, or too few images."""

    label: str
    word: str
    detail: str


def describe_run(settings: Mapping[str, str], test: Mapping[str, Any], decimals: int) -> str:
    """Return network, size, training, machine and operating point in one line."""

    def setting(name: str) -> str:
        return settings.get(name) or ABSENT

    parts = [
        f"{setting('model.architecture')} with {setting('model.encoder_name')}",
        f"{setting('run.image_width')} × {setting('run.image_height')} px",
        f"seed {setting('train.seed')}",
        setting("run.device"),
        f"commit {setting('run.code')[:10]}",
        f"threshold {describe_point(test, decimals)}",
    ]
    return " · ".join(parts)


def judge(comparison: Comparison, decimals: int) -> list[Judgement]:
    """Say of each number of JUDGED whether B, this run, is better than A, with its interval."""
    rows = {row.metric: row for row in comparison.differences}
    judgements = []
    for key, (label, sign) in JUDGED.items():
        row = rows.get(key)
        if row is None or row.difference is None:
            continue
        detail = format_signed(row.difference, decimals)
        if row.low is None or row.high is None:
            judgements.append(Judgement(label, "too few images to tell", detail))
            continue
        low, high = (format_signed(bound, decimals) for bound in (row.low, row.high))
        word = "the same" if row.low == row.high == 0 else "no clear difference"
        if row.low > 0 or row.high < 0:
            word = "better" if row.low * sign > 0 else "worse"
        judgements.append(Judgement(label, word, f"{detail}, 95 % interval {low} to {high}"))
    return judgements
