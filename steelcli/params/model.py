"""Section ``model``: the network."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from steelcli.common.paths import WEIGHTS_DIR
from steelcli.params.section import Float, Section, Text


def _refuse_addresses(name: str) -> str:
    """Refuse a name that timm would take for an address to download from, such as hf_hub:…"""
    if not re.fullmatch(r"[A-Za-z0-9_.+-]{1,100}", name):
        raise ValueError("not the name of an encoder, such as resnet34")
    return name


def _refuse_other_folders(name: str) -> str:
    """Refuse a file that lies elsewhere: the stage `train` depends on files of one folder."""
    if name == "None":  # a file of this name stands for null, see dvc.yaml
        raise ValueError("the name of no file; write null for random weights")
    if PurePath(name).name != name or name in ("", ".."):
        what = f"neither imagenet nor the name of a file in {WEIGHTS_DIR.as_posix()}"
        raise ValueError(f"{what}; copy the file there, give its name alone, such as resnet34.pth")
    return name


EncoderName = Annotated[str, AfterValidator(_refuse_addresses)]
Mean = Annotated[Float, Field(ge=0, le=1)]
Std = Annotated[Float, Field(gt=0, le=1)]
FPN_GROUPS = 32
"""Groups that the blocks of an FPN normalise by."""


class ModelParams(Section):
    architecture: Literal["unet", "unetplusplus", "fpn"]
    """Decoder: U-Net, U-Net++ or a feature pyramid network."""
    encoder_name: EncoderName
    """Any encoder of segmentation_models_pytorch, such as resnet34 or resnet50."""
    encoder_weights: Annotated[Text, AfterValidator(_refuse_other_folders)] | None
    """imagenet takes them from an installed package or downloads them, the name of a file in
    data/weights loads a state dict, null starts from random weights."""
    decoder_channels: Annotated[
        tuple[Annotated[int, Field(ge=1, le=1024)], ...], Field(min_length=5, max_length=5)
    ]
    """Channels of the five decoder stages, deepest first; an FPN takes those of its pyramid and of
    its segmentation blocks from the first two."""
    mean: tuple[Mean, Mean, Mean] | Literal["auto"]
    """Mean per colour channel, as a share of full scale, taken off the image; auto takes what the
    encoder's ImageNet weights were trained with."""
    std: tuple[Std, Std, Std] | Literal["auto"]
    """Standard deviation per colour channel, as a share of full scale, that divides the image; auto
    as for the mean."""

    @field_validator("decoder_channels")
    @classmethod
    def _check_fpn(cls, channels: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        if info.data.get("architecture") == "fpn" and channels[1] % FPN_GROUPS:
            what = f"an FPN needs a multiple of {FPN_GROUPS} in the second place"
            raise ValueError(f"{what}, as in 256, 128, 64, 32, 16")
        return channels


class NetworkParams(ModelParams):
    """The same with the normalisation in numbers: what a network is built from."""

    mean: tuple[Mean, Mean, Mean]
    """As above, never auto."""
    std: tuple[Std, Std, Std]
    """As above, never auto."""
