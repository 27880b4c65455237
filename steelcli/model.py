"""The network: an encoder-decoder of segmentation_models_pytorch that takes raw pixels and gives logits."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from steelcli.errors import ModelError
from steelcli.vision import import_smp

ARCHITECTURES = {"unet": "Unet", "unetplusplus": "UnetPlusPlus"}


class SegmentationModel(nn.Module):
    """Normalises uint8 images on the device and runs the network.

    Grey images are copied to the three channels, so that encoders trained on colour photographs fit.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self, network: nn.Module, mean: Sequence[float], std: Sequence[float], channels_last: bool = False
    ) -> None:
        super().__init__()
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.network = network.to(memory_format=self.memory_format)  # type: ignore[call-overload]
        self.register_buffer("mean", 255 * torch.tensor(mean).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(std).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images uint8 [N, C, H, W] with C = 1 or 3 to logits [N, 1, H, W]."""
        normalised = (images.float() - self.mean) / self.std  # [N, 3, H, W]: broadcasting copies a grey channel
        logits: torch.Tensor = self.network(normalised.contiguous(memory_format=self.memory_format))
        return logits


def to_probs(logits: torch.Tensor) -> torch.Tensor:
    """Map logits of any float dtype to probabilities, float32: the one place where the sigmoid is applied."""
    return torch.sigmoid(logits.float())


def build_model(
    architecture: str,
    encoder_name: str,
    encoder_weights: str | None,
    decoder_channels: Sequence[int],
    mean: Sequence[float],
    std: Sequence[float],
    channels_last: bool,
) -> SegmentationModel:
    """Build the network; ``encoder_weights`` is imagenet, the path of an encoder's state dict, or None for random.

    Raises:
        ModelError: an unknown encoder, weights that cannot be downloaded, or a file that does not fit the encoder.
    """
    smp = import_smp()
    downloads = encoder_weights == "imagenet"
    pretrained = True if encoder_name.startswith("tu-") else "imagenet"  # timm's names carry the weights' own tag
    arguments: dict[str, Any] = {"in_channels": 3, "classes": 1, "decoder_channels": tuple(decoder_channels)}
    try:
        network = getattr(smp, ARCHITECTURES[architecture])(
            encoder_name, encoder_weights=pretrained if downloads else None, **arguments
        )
    except KeyError as error:
        if encoder_name in smp.encoders.encoders:
            what = f"there are no imagenet weights for {encoder_name}"
            raise ModelError(what, "model.encoder_weights", "set it to null or to a file") from error
        close = difflib.get_close_matches(encoder_name, smp.encoders.encoders, n=3)
        remedy = f"did you mean {' or '.join(close)}" if close else "see segmentation_models_pytorch's list of encoders"
        raise ModelError(f"unknown encoder {encoder_name}", "model.encoder_name", remedy) from error
    except (OSError, RuntimeError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        what = "cannot load imagenet weights for" if downloads else "cannot build"
        remedy = (
            "connect to the internet or set model.encoder_weights to null or to a file"
            if downloads
            else "name another encoder"
        )
        raise ModelError(
            f"{what} {architecture} with {encoder_name} ({reason})", "model.encoder_name", remedy
        ) from error
    if encoder_weights is not None and not downloads:
        _load_encoder(network, Path(encoder_weights))
    return SegmentationModel(network, mean, std, channels_last)


def _load_encoder(network: nn.Module, path: Path) -> None:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.encoder.load_state_dict(state)  # type: ignore[union-attr]
    except FileNotFoundError as error:
        raise ModelError("encoder weights not found", path, "correct model.encoder_weights") from error
    except Exception as error:  # torch raises many kinds for a file that is no fitting state dict
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"encoder weights do not fit ({reason})", path, "give a state dict of this encoder") from error


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
