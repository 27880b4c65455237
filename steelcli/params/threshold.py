"""Section ``threshold``: what the threshold is learned for, on the validation split alone."""

from __future__ import annotations

from typing import Literal

from steelcli.params.section import Section


class ThresholdParams(Section):
    objective: Literal["dice", "dice_defect", "f1"]
    """Score to maximise: dice is the mean over all images, dice_defect over those with a defect, f1
    over all pixels."""
