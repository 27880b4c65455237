"""A comparison as a table in the terminal."""

from __future__ import annotations

from steelcli.commands.compare import Comparison, ScoredImages
from steelcli.reporting.table import ABSENT, Table, format_number, show_tables
from steelcli.scores.bootstrap import Difference


def build_comparison(comparison: Comparison, decimals: int) -> Table:
    """Return a row per metric: both values, the difference, its interval and p-value."""
    a, b = comparison.a, comparison.b
    title = f"A = {_describe(a)}, B = {_describe(b)}"
    images = len(a.images)
    note = (
        f"{images:,} {'image' if images == 1 else 'images'}, {comparison.defect_images:,} with a defect. "
        f"95 % interval and two-sided p of B - A by paired bootstrap over images: {comparison.resamples:,} resamples, "
        f"seed {comparison.seed}. The p-values are not corrected for testing several metrics."
    )
    rows = tuple(_row(difference, decimals) for difference in comparison.differences)
    return Table(title, ("metric", "A", "B", "B - A", "low", "high", "p"), rows, note)


def show_comparison(comparison: Comparison, decimals: int) -> None:
    """Print the table."""
    show_tables([build_comparison(comparison, decimals)])


def _describe(scored: ScoredImages) -> str:
    return f"{scored.name} ({scored.source})"


def _row(row: Difference, decimals: int) -> tuple[str, ...]:
    values = (format_number(value, decimals) for value in (row.a, row.b))
    signed = (_signed(value, decimals) for value in (row.difference, row.low, row.high))
    p_value = ABSENT if row.p_value is None else f"{row.p_value:.4f}"
    return (row.metric, *values, *signed, p_value)


def _signed(value: float | None, decimals: int) -> str:
    text = format_number(value, decimals)
    return f"+{text}" if value is not None and value > 0 else text
