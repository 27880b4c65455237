"""Section ``threshold``: how the threshold is learned, on the validation split alone."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from steelcli.params.section import Section


class ThresholdParams(Section):
    batch_size: Annotated[int, Field(ge=1, le=4096)]
    """Images per forward pass."""
    objective: Literal["dice", "dice_defect", "f1"]
    """Score to maximise: mean Dice of all images, or of those with a defect, or the pooled F1."""
