"""Section ``threshold``: how threshold and area are learned, on the validation split alone."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from steelcli.params.section import Float, Section, Whole


def _refuse_repeats(areas: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(areas)) < len(areas):
        raise ValueError("an area stands there twice")
    return areas


class ThresholdParams(Section):
    batch_size: Annotated[int, Field(ge=1, le=4096)]
    """Images per forward pass."""
    flip_tta: bool
    """Test-time augmentation: whether every map is the mean of those of the image and of its
    mirror image (horizontal flip), here and in all that uses the operating point."""
    objective: Literal["dice", "dice_defect", "f1"]
    """Score to maximise: mean Dice of all images, or of those with a defect, or the pooled F1."""
    min_areas_px: Annotated[
        tuple[Whole, ...], Field(min_length=1, max_length=64), AfterValidator(_refuse_repeats)
    ]
    """Areas tried with every threshold, in pixels of the original image: predicted components of
    fewer pixels are removed. 0 removes none."""
    max_clean_false_alarm: Annotated[Float, Field(ge=0, le=1)] | None
    """Most that is allowed of the share of clean validation images with a predicted component;
    null: any."""
