"""What is read first: five numbers in plain words, the run, and whether it beats the baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from steelcli.reporting.comparison import Comparison
from steelcli.reporting.metric_tables import describe_point, pick_group
from steelcli.reporting.shares import format_share
from steelcli.reporting.table import ABSENT, format_number, format_signed

JUDGED = {
    "dice_defect": ("Dice of defect images", 1),
    "image_recall": ("defective sheets called defective", 1),
    "clean_false_alarm": ("clean sheets called defective", -1),
}
"""The numbers of the verdict: what each is called, and whether more is better (1) or worse (-1)."""


class Fact(NamedTuple):
    """One number of the headline; ``interval`` is empty where it has none."""

    label: str
    value: str
    sentence: str
    interval: str = ""


class Judgement(NamedTuple):
    """One number of the verdict: better, worse, no clear difference, or too few images."""

    label: str
    word: str
    detail: str


def build_facts(test: Mapping[str, Any], found: int, decimals: int) -> list[Fact]:
    """Return the five numbers to read first, at the learned pair.

    Args:
        test: ``metrics/test.json``.
        found: defects found there.
        decimals: digits after the point.
    """
    optimal = pick_group(test, "optimal")
    images, defect_images, defects = (
        test.get(key, 0) for key in ("images", "defect_images", "defects")
    )
    clean_images = images - defect_images
    caught, alarms = optimal.get("image_recall"), optimal.get("clean_false_alarm")
    return [
        Fact(
            "Dice",
            format_number(optimal.get("dice"), decimals),
            f"How well prediction and truth overlap, mean over {images:,} sheets; 1 is perfect.",
        ),
        Fact(
            "Dice of defect images",
            format_number(optimal.get("dice_defect"), decimals),
            f"The same over the {defect_images:,} sheets that have a defect.",
        ),
        _count("Defects found", found / defects if defects else None, defects, "defects", decimals),
        _count("Defective sheets caught", caught, defect_images, "defective sheets", decimals),
        _count("False alarms", alarms, clean_images, "clean sheets", decimals),
    ]


def _count(label: str, share: Any, whole: int, noun: str, decimals: int) -> Fact:
    if share is None:
        return Fact(label, ABSENT, f"The test split has no {noun}.")
    part = round(share * whole)
    verb = "is" if part == 1 else "are"
    what = "found" if noun == "defects" else "called defective"
    sentence = f"Of {whole:,} {noun} {part:,} {verb} {what}."
    interval = f"95 % interval {format_share(share, whole, decimals)[1]}"
    return Fact(label, format_number(share, decimals), sentence, interval)


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
        word = "no clear difference" if row.difference else "the same"
        if row.low > 0 or row.high < 0:
            word = "better" if row.low * sign > 0 else "worse"
        judgements.append(Judgement(label, word, f"{detail}, 95 % interval {low} to {high}"))
    return judgements
