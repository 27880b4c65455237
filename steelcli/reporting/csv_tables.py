"""Tables of the csv files that `evaluate` writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from steelcli.reporting.lowest import find_lowest
from steelcli.reporting.shares import INTERVAL, INTERVAL_NOTE, format_share
from steelcli.reporting.stage_files import Columns
from steelcli.reporting.table import Table, format_number, format_numbers


def build_froc(froc: Columns, defects: Any, decimals: int) -> Table:
    """Return ``metrics/froc.csv``; ``defects`` is their number, None where nobody noted it."""
    names = ("max_fp_per_image", "recall", "fp_per_image", "threshold")
    rows = []
    for limit, *values in zip(*(froc[name] for name in names), strict=True):
        found = format_share(values[0], defects, decimals)
        rows.append((f"{limit:g}", *format_numbers(values, decimals), *found))
    return Table(
        "Share of defects found by false components allowed per image",
        ("allowed", "recall", "false per image", "threshold", "found", INTERVAL),
        tuple(rows),
        "The highest recall over thresholds 0.01 to 0.99; "
        f"components are 8-connected, clean images count too. {INTERVAL_NOTE}",
    )


def build_reliability(curve: Columns, decimals: int) -> Table:
    """Return ``metrics/reliability.csv``."""
    rows = []
    for index, pixels in enumerate(curve["pixels"]):
        low, high = curve["probability_low"][index], curve["probability_high"][index]
        values = (curve["mean_probability"][index], curve["defect_share"][index])
        bounds = f"{low:.3f} to {high:.3f}"
        rows.append((bounds, *format_numbers(values, decimals), f"{pixels:,.0f}"))
    return Table(
        "Probability and truth",
        ("probability", "mean", "share of defect", "pixels"),
        tuple(rows),
        "Where the network means what it says, both columns agree; "
        "`ece` is their mean distance over all pixels.",
    )


def build_lowest(names: Sequence[str], images: Columns, decimals: int) -> Table:
    """List the images of `find_lowest`."""
    counts = ("defect_pixels", "tp", "fp", "fn")
    rows = []
    for index in find_lowest(images["dice"], images["fp"], images["fn"]):
        pixels = [f"{images[name][index]:,.0f}" for name in counts]
        iou = format_number(images["iou"][index], decimals)
        dice = format_number(images["dice"][index], decimals)
        rows.append((names[index], *pixels, iou, dice))
    return Table(
        "Test images with the lowest Dice",
        ("image", "defect pixels", "tp", "fp", "fn", "iou", "dice"),
        tuple(rows),
        "Pixels: true defect, rightly predicted (tp), wrongly predicted (fp), missed (fn); "
        "at the learned threshold.",
    )
