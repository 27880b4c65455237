"""Section ``train.augment``: random changes to training images that keep them realistic."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from steelcli.params.section import Float, Section

Probability = Annotated[Float, Field(ge=0, le=1)]
Share = Annotated[Float, Field(ge=0, lt=1)]


class AugmentParams(Section):
    enabled: bool
    """Whether training images are augmented at all."""
    horizontal_flip: Probability
    """Probability of a left-right flip. No vertical flip: a strip is lit from one side."""
    geometry: Probability
    """Probability of one rotation, scaling and shift."""
    rotate_degrees: Annotated[Float, Field(ge=0, le=10)]
    """Largest rotation either way, degrees, at most 10."""
    scale: Share
    """Largest relative change of size either way."""
    shift: Share
    """Largest shift either way, as a share of width and height."""
    brightness_contrast: Probability
    """Probability of a change of brightness and contrast."""
    brightness: Share
    """Largest change of brightness either way, as a share of full scale."""
    contrast: Share
    """Largest relative change of contrast either way."""
    noise: Probability
    """Probability of Gaussian noise."""
    noise_std: Share
    """Largest standard deviation of the noise, as a share of full scale."""
    blur: Probability
    """Probability of a Gaussian blur."""
    blur_sigma: Annotated[Float, Field(gt=0, le=3)]
    """Largest standard deviation of the blur, pixels."""
