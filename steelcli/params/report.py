"""Section ``report``: how results are shown."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from steelcli.params.base import Section


class ReportParams(Section):
    title: str
    """Heading of reports/report.html."""
    decimals: Annotated[int, Field(ge=1, le=8)]
    """Digits after the point in the tables."""
