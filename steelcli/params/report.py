"""Section ``report``: how results are shown and compared."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from steelcli.params.section import Section, Text, Whole


class ReportParams(Section):
    title: Text
    """Heading of reports/report.html."""
    decimals: Annotated[int, Field(ge=1, le=8)]
    """Digits after the point in the tables."""
    bootstrap_resamples: Annotated[int, Field(ge=100, le=1_000_000)]
    """Times that `compare` draws the images again."""
    bootstrap_seed: Whole
    """Seed of those draws; the same seed gives the same interval."""
    cards: Annotated[int, Field(ge=0, le=500)]
    """Test images shown as pictures; 0 shows none and reads none."""
    baseline: Text | None
    """What the run is judged against: an experiment, a git revision or another model's name."""
    against: tuple[Text, ...]
    """Others that it is compared with, each image by image."""
