"""The five numbers to read first, each with one plain sentence: of the terminal and of the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from steelcli.reporting.metric_tables import pick_group
from steelcli.reporting.shares import count_whole, format_share
from steelcli.reporting.table import ABSENT, format_number


@dataclass(frozen=True)
class Headline:
    """One number of the headline.

    Attributes:
        key: of ``metrics/test.json``, ``optimal`` or the whole; ``found``: see `count_found`.
        label: a few words.
        value: 0..1, None where the split has nothing to divide by.
        text: the value formatted, a dash for None.
        interval: ``0.0138 to 0.1650``, 95 % (Wilson 1927), of a share; else empty.
        sentence: what the number says, without a full stop.
    """

    key: str
    label: str
    value: float | None
    text: str
    interval: str
    sentence: str


def build_headline(test: Mapping[str, Any], decimals: int) -> list[Headline]:
    """Return the numbers at the learned threshold and area.

    Args:
        test: ``metrics/test.json``.
        decimals: digits after the point.
    """
    optimal = pick_group(test, "optimal")
    defective, clean = test.get("defect_images"), count_whole("clean_false_alarm", test, optimal)
    found, defects = count_found(test)
    dice, precision = optimal.get("dice_defect"), test.get("auprc")
    alarms, recognised = optimal.get("clean_false_alarm"), optimal.get("image_recall")

    def tell(key: str, label: str, value: Any, sentence: str) -> Headline:
        sentence = "the test split has no defect" if value is None else sentence
        return Headline(key, label, value, format_number(value, decimals), "", sentence)

    def count(key: str, label: str, value: Any, whole: Any, noun: str, verb: str) -> Headline:
        text, interval = format_number(value, decimals), format_share(value, whole, decimals)[1]
        if interval == ABSENT:
            return Headline(key, label, value, text, "", f"the test split has no {noun}")
        part = round(value * whole)
        sentence = f"of {_count(whole, noun)} {part:,} {'is' if part == 1 else 'are'} {verb}"
        return Headline(key, label, value, text, interval, sentence)

    overlap = f"overlap of prediction and truth on {_count(defective, 'defective sheet')}"
    purity = f"of pixels called defect {_percent(precision)} are defect, "
    share, called = found / defects if defects else None, "called defective"
    known = "defective sheets recognised"
    return [
        tell("dice_defect", "Dice of defect images", dice, f"{overlap}; 1 is exact"),
        count("found", "defects found", share, defects, "defect", "found"),
        count("clean_false_alarm", f"clean sheets {called}", alarms, clean, "clean sheet", called),
        count("image_recall", known, recognised, defective, "defective sheet", called),
        tell("auprc", "average precision", precision, f"{purity}averaged over recall 0 to 1"),
    ]


def count_found(test: Mapping[str, Any]) -> tuple[int, int]:
    """Return how many defects are found at the learned pair, and how many there are.

    Both are summed over the thirds by size, where no class is told apart.
    """
    shares, defects = pick_group(test, "found_size"), pick_group(test, "defects_size")
    found = sum(round(shares.get(size, 0) * number) for size, number in defects.items())
    return found, sum(defects.values())


def _count(number: Any, noun: str) -> str:
    return f"{format_number(number, 0)} {noun}{'' if number == 1 else 's'}"


def _percent(share: Any) -> str:
    return f"{100 * share:.1f} %" if isinstance(share, (int, float)) else ABSENT
