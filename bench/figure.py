"""What a module of this folder measures, and how all of it is shown and written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from bench.timing import Spread
from steelcli.common.outputs import staged_file
from steelcli.reporting.table import Table


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        name: what is compared.
        value: median and quartiles, in ``unit``.
        target: what the issue promises, None where it promises nothing.
        sense: whether the value must be at least or at most the target.
        unit: × for a ratio.
        absolute: medians of both sides with the unit in the name; they are this machine's alone.
        note: what was taken, and how both sides were seen to compute the same.
    """

    name: str
    value: Spread
    target: float | None = None
    sense: Literal["at least", "at most"] = "at least"
    unit: str = "×"
    absolute: dict[str, float] = field(default_factory=dict)
    note: str = ""

    @property
    def held(self) -> bool | None:
        """Whether the median keeps the target; None without a target."""
        if self.target is None:
            return None
        if self.sense == "at least":
            return self.value.median >= self.target
        return self.value.median <= self.target


def build_table(figures: Sequence[Figure]) -> Table:
    """Return the figures as a table for the terminal."""
    columns = ("figure", "median", "quartiles", "target", "held", "absolute")
    rows = []
    for figure in figures:
        target = "–"
        if figure.target is not None:
            sign = "≥" if figure.sense == "at least" else "≤"
            target = f"{sign} {figure.target:g} {figure.unit}"
        held = {None: "–", True: "yes", False: "NO"}[figure.held]
        median, low, high = map(_short, figure.value)
        absolute = ", ".join(f"{name} {_short(value)}" for name, value in figure.absolute.items())
        quartiles = f"{low} – {high}"
        rows.append(
            (figure.name, f"{median} {figure.unit}", quartiles, target, held, absolute or "–")
        )
    return Table("Ratios of one run", columns, tuple(rows))


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def write_results(
    path: Path, machine: dict[str, Any], groups: dict[str, list[Figure]], seconds: float
) -> None:
    """Write ``results.json``: the machine, the seconds of the whole, and the figures by group."""
    figures = {name: [_plain(figure) for figure in measured] for name, measured in groups.items()}
    values = {**machine, "seconds": round(seconds, 1), "figures": figures}
    text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    with staged_file(path) as partial_path:
        partial_path.write_text(text, encoding="utf-8")


def _plain(figure: Figure) -> dict[str, Any]:
    values = asdict(figure)
    return values | {"value": figure.value._asdict(), "held": figure.held}
