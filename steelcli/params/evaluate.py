"""Section ``evaluate``: how components are matched, what is timed and what is drawn."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from steelcli.params.section import Float, Section


class EvaluateParams(Section):
    min_overlap: Annotated[Float, Field(gt=0, le=1)]
    """Share of its pixels from which on a true component is found and a predicted one is not
    false."""
    min_area_px: Annotated[int, Field(ge=0)]
    """Pixels at native resolution under which a predicted component is ignored in the component
    scores."""
    batch_size: Annotated[int, Field(ge=1, le=4096)]
    """Images per forward pass."""
    overlays: Annotated[int, Field(ge=0)]
    """Overlay pictures drawn of the worst, of the median and of the best images, this many each."""
    timing_images: Annotated[int, Field(ge=1)]
    """Images timed one by one for ms_per_image."""
