"""Section ``threshold``: what the threshold is learned for, on the validation split alone."""

from __future__ import annotations

from typing import Literal

from steelcli.params.section import Section


class ThresholdParams(Section):
    objective: Literal["dice", "dice_defect", "f1"]
    """Score to maximise: mean Dice of all images, or of those with a defect, or the pooled F1."""
