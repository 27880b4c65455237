"""Section ``evaluate``: how components are matched, what is timed and what is drawn."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from steelcli.params.section import Count, Float, Section, Whole

SaveMaps = Literal["all", "shown", "none"]


class EvaluateParams(Section):
    min_overlap: Annotated[Float, Field(gt=0, le=1)]
    """Least share of its pixels for a true component to be found, a predicted one not false."""
    batch_size: Annotated[int, Field(ge=1, le=4096)]
    """Images per forward pass."""
    save_maps: SaveMaps
    """16-bit maps kept beside the masks: all, of the test images that overlays and the report show,
    or none."""
    overlays: Whole
    """Overlay pictures of each kind: the worst, the median and the best images."""
    timing_images: Count
    """Images timed one by one for ms_per_image."""
