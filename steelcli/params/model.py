"""Section ``model``: the network."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from steelcli.params.base import Float, Section

Channel = Annotated[Float, Field(gt=0, lt=1)]


class ModelParams(Section):
    architecture: Literal["unet", "unetplusplus"]
    """Decoder: U-Net or U-Net++."""
    encoder_name: str
    """Any encoder of segmentation_models_pytorch, such as resnet34 or resnet50."""
    encoder_weights: str | None
    """imagenet downloads them, a path loads a state dict of the encoder, null starts from random weights."""
    decoder_channels: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=5, max_length=5)]
    """Channels of the five decoder stages, deepest first."""
    mean: tuple[Channel, Channel, Channel]
    """Mean per colour channel, as a share of full scale, taken off the image."""
    std: tuple[Channel, Channel, Channel]
    """Standard deviation per colour channel, as a share of full scale, that the image is divided by."""
