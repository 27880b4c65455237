"""The network: an encoder-decoder of segmentation_models_pytorch that takes raw pixels and gives
logits."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from steelcli.common.errors import ModelError, quote
from steelcli.model.hub import offline_where_unreachable
from steelcli.model.smp_import import import_smp
from steelcli.model.weights import load_encoder

ARCHITECTURES = {"unet": "Unet", "unetplusplus": "UnetPlusPlus"}


class SegmentationModel(nn.Module):
    """Normalises uint8 images on the device and runs the network.

    Grey images are copied to the three channels, so that encoders trained on colour photographs
    fit.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self,
        network: nn.Module,
        mean: Sequence[float],
        std: Sequence[float],
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.network = network.to(memory_format=self.memory_format)  # type: ignore[call-overload]
        self.register_buffer("mean", 255 * torch.tensor(mean).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(std).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images uint8 [N, C, H, W] with C = 1 or 3 to logits [N, 1, H, W]."""
        normalised = (
            images.float() - self.mean
        ) / self.std  # [N, 3, H, W]: broadcasting copies a grey channel
        logits: torch.Tensor = self.network(normalised.contiguous(memory_format=self.memory_format))
        return logits


def to_probs(logits: torch.Tensor) -> torch.Tensor:
    """Map logits of any float dtype to probabilities, float32: the one place where the sigmoid is
    applied."""
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
    """Build the network; ``encoder_weights`` is imagenet, the path of an encoder's state dict, or
    None for random.

    Raises:
        ModelError: an unknown encoder, weights that cannot be downloaded, or a file that does not
            fit the encoder.
    """
    if encoder_weights == "imagenet":
        with offline_where_unreachable() as is_online:
            network = _build_network(architecture, encoder_name, True, decoder_channels, is_online)
    else:
        network = _build_network(architecture, encoder_name, False, decoder_channels)
        if encoder_weights is not None:
            load_encoder(network, Path(encoder_weights))
    return SegmentationModel(network, mean, std, channels_last)


def build_frame(build: Callable[[], SegmentationModel]) -> SegmentationModel:
    """Build a network whose tensors have shapes but take no memory, however large a stranger's
    parameters make it."""
    try:
        with torch.device("meta"):
            return build()
    except ModelError as error:
        if "meta tensors" not in error.what:
            raise
        return build()  # mit_b0 … mit_b5 compute while they are built; the largest takes 330 MB


def _build_network(
    architecture: str,
    encoder_name: str,
    downloads: bool,
    decoder_channels: Sequence[int],
    is_online: bool = True,
) -> nn.Module:
    smp = import_smp()
    pretrained = (
        True if encoder_name.startswith("tu-") else "imagenet"
    )  # timm's names carry the weights' own tag
    arguments: dict[str, Any] = {
        "in_channels": 3,
        "classes": 1,
        "decoder_channels": tuple(decoder_channels),
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # smp's advice on names, which a sentence below gives where it matters
            network: nn.Module = getattr(smp, ARCHITECTURES[architecture])(
                encoder_name, encoder_weights=pretrained if downloads else None, **arguments
            )
    except KeyError as error:
        if encoder_name in smp.encoders.encoders:
            what = f"there are no imagenet weights for {encoder_name}"
            raise ModelError(
                what, "model.encoder_weights", "set it to null or to a file"
            ) from error
        raise _unknown_encoder(encoder_name, smp.encoders.encoders) from error
    except Exception as error:  # smp, timm and the hub's client each raise kinds of their own
        if encoder_name.startswith("tu-") and "Unknown model" in str(error):
            raise _unknown_encoder(encoder_name, _timm_names()) from error
        reason = quote(next(iter(str(error).strip().splitlines()), type(error).__name__), 160)
        if downloads:
            what = f"cannot load imagenet weights for {architecture} with {encoder_name} ({reason})"
            remedy = (
                "set it to null or to a file"
                if is_online
                else "connect to the internet, or set it to null or a file"
            )
            raise ModelError(what, "model.encoder_weights", remedy) from error
        what = f"cannot build {architecture} with {encoder_name} ({reason})"
        raise ModelError(what, "model.encoder_name", "name another encoder") from error
    return network


def _unknown_encoder(name: str, known: Iterable[str]) -> ModelError:
    close = difflib.get_close_matches(name, list(known), n=3)
    remedy = (
        f"did you mean {' or '.join(close)}"
        if close
        else "see segmentation_models_pytorch's list of encoders"
    )
    return ModelError(f"unknown encoder {name}", "model.encoder_name", remedy)


def _timm_names() -> list[str]:
    import timm

    return [f"tu-{name}" for name in timm.list_models()]


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
