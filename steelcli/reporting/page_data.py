"""What the page's script reads: one JSON object, described at the top of page.js."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from steelcli.reporting.cards import Card
from steelcli.reporting.misses import Cell
from steelcli.reporting.operating import Points

COUNTS = ("tp", "fp", "fn", "false_alarms", "detected", "found", "false_components")
MEANS = ("dice", "dice_defect", "iou")
CARD_KEYS = (
    "image",
    "kinds",
    "classes",
    "sizes",
    "dice",
    "defect_pixels",
    "missed",
    "scale",
    "probability",
)


def describe_for_script(
    points: Points, cards: Sequence[Card], misses: list[list[Cell]], decimals: int
) -> str:
    """Return the JSON, fit to stand in a script element: it holds no ``<``."""
    place_of = {card.image: place for place, card in enumerate(cards)}
    shown_misses = []
    for row in misses:
        for cell in row:
            shown_misses.append([place_of[name] for name in cell.images if name in place_of])
    data = {
        "decimals": decimals,
        "points": describe_points(points),
        "cards": [{key: getattr(card, key) for key in CARD_KEYS} for card in cards],
        "misses": shown_misses,
    }
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def describe_points(points: Points) -> dict[str, Any]:
    """Return the type `Points` of points.js."""
    counts = {key: [int(value) for value in points.columns[key]] for key in COUNTS}
    means = {}
    for key in MEANS:
        means[key] = [None if math.isnan(value) else value for value in points.columns[key]]
    return {
        "thresholds": points.thresholds,
        "areas": points.areas,
        "learned": points.split_row(points.learned),
        "fixed": points.split_row(points.fixed),
        "images": points.images,
        "defect_images": points.defect_images,
        "defects": points.defects,
        "columns": counts | means,
    }
