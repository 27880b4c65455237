"""The network: an encoder-decoder of segmentation_models_pytorch from raw pixels to logits."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from types import ModuleType
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from steelcli.common.errors import ModelError, quote
from steelcli.model.depthwise import StripedWeightGradient
from steelcli.model.hub import cache_only, hub_answers
from steelcli.model.packaged_weights import INSTALL, PACKAGES, find_package, load_packaged
from steelcli.model.smp_import import import_smp
from steelcli.model.weights import load_encoder, weights_path

ARCHITECTURES = {"unet": "Unet", "unetplusplus": "UnetPlusPlus", "fpn": "FPN"}
COMPUTES_WHILE_BUILT = "mit_b"
"""How the encoders begin that cannot be built without memory; the largest takes 330 MB."""
_FILLS = (nn.init.normal_, nn.init.uniform_, torch.Tensor.normal_, torch.Tensor.uniform_)
"""What draws random numbers; all other filling with them calls these."""


class SegmentationModel(nn.Module):
    """Normalises uint8 images on the device and runs the network.

    Grey images are copied to three channels, as encoders trained on colour photographs want them.
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
        self.register_buffer("mean", _scale_to_bytes(mean), persistent=False)
        self.register_buffer("std", _scale_to_bytes(std), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images uint8 [N, C, H, W] with C = 1 or 3 to logits [N, 1, H, W]."""
        # [N, 3, H, W]: broadcasting copies a grey channel
        normalised = (images.float() - self.mean) / self.std
        normalised = normalised.contiguous(memory_format=self.memory_format)
        trains_on_cpu = self.training and images.device.type == "cpu"
        with StripedWeightGradient() if trains_on_cpu else nullcontext():
            logits: torch.Tensor = self.network(normalised)
        return logits


def _scale_to_bytes(values: Sequence[float]) -> torch.Tensor:
    """Return 255 times the values, float32 [1, 3, 1, 1], on the device of `torch.device` blocks.

    Computed on the CPU: without memory it would import torch's compiler.
    """
    scaled = 255 * torch.tensor(values, device="cpu").reshape(1, 3, 1, 1)
    return scaled.to(torch.get_default_device())


def to_probs(logits: torch.Tensor) -> torch.Tensor:
    """Map logits to probabilities, float32; no other place applies the sigmoid."""
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
    """Build the network.

    Args:
        encoder_weights: imagenet, a state dict's name, see `weights_path`, or None for random ones.

    Raises:
        ModelError: an unknown encoder, weights that are neither installed nor can be downloaded, or
            a file that does not fit the encoder.
    """
    if encoder_weights == "imagenet":
        network = _build_pretrained(architecture, encoder_name, decoder_channels)
    else:
        network = _build_network(architecture, encoder_name, decoder_channels, False)
    path = weights_path(encoder_weights)
    if path is not None:
        load_encoder(network, path)
    return SegmentationModel(network, mean, std, channels_last)


def build_frame(encoder_name: str, build: Callable[[], SegmentationModel]) -> SegmentationModel:
    """Build a network whose tensors have shapes but take no memory.

    A stranger's parameters may make it too large for any memory.
    """
    if encoder_name.startswith(COMPUTES_WHILE_BUILT):
        return build()
    with torch.device("meta"):
        return build()


def _build_pretrained(
    architecture: str, encoder_name: str, decoder_channels: Sequence[int]
) -> nn.Module:
    """Take the weights from a package or the local cache; ask the hub only where both lack them."""
    package = find_package(encoder_name)
    if package:
        network = _build_network(architecture, encoder_name, decoder_channels, False)
        load_packaged(network.encoder, package)  # type: ignore[arg-type]
        return network
    random_state = torch.get_rng_state()
    try:
        with cache_only():
            return _build_network(architecture, encoder_name, decoder_channels, True)
    except CannotLoadError:
        if not hub_answers():
            raise
    torch.set_rng_state(random_state)  # the first try drew from it
    try:
        return _build_network(architecture, encoder_name, decoder_channels, True)
    except CannotLoadError as error:
        remedy = error.remedy if encoder_name in PACKAGES else "set it to null or to a file"
        raise ModelError(error.what, error.where, remedy) from error


class CannotLoadError(ModelError):
    """Weights that are known but could not be loaded."""


def _build_network(
    architecture: str, encoder_name: str, decoder_channels: Sequence[int], pretrained: bool
) -> nn.Module:
    smp = import_smp()
    weights: str | bool | None = None
    if pretrained:  # timm's names carry the weights' own tag
        weights = True if encoder_name.startswith("tu-") else "imagenet"
    build = getattr(smp, ARCHITECTURES[architecture])
    arguments = {"in_channels": 3, "classes": 1, **_decoder(architecture, decoder_channels)}
    try:
        with warnings.catch_warnings(), _UnfilledFrames():
            warnings.simplefilter("ignore")  # smp's advice on names
            network: nn.Module = build(encoder_name, encoder_weights=weights, **arguments)
    except Exception as error:  # smp, timm and the hub's client each raise kinds of their own
        known = smp.encoders.encoders
        _check_name(encoder_name, smp.encoders)
        lines = str(error).strip().splitlines() or [type(error).__name__]
        network_name, reason = f"{architecture} with {encoder_name}", quote(lines[0], 160)
        if not pretrained:
            what = f"cannot build {network_name} ({reason})"
            raise ModelError(what, "model.encoder_name", "name another encoder") from error
        where = "model.encoder_weights"
        if encoder_name in known and weights not in known[encoder_name]["pretrained_settings"]:
            what = f"there are no imagenet weights for {encoder_name}"
            raise ModelError(what, where, "set it to null or to a file") from error
        what = f"cannot load imagenet weights for {network_name} ({reason})"
        remedy = "connect to the internet, or set it to null or a file"
        if encoder_name in PACKAGES:
            remedy = f"run `{INSTALL}`, or set it to null or a file"
        raise CannotLoadError(what, where, remedy) from error
    return network


class _UnfilledFrames(TorchFunctionMode):
    """Leave out the filling of tensors that have no memory: it would import torch's compiler."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        tensor: Any = args[0] if args else named.get("tensor")
        if func in _FILLS and tensor.is_meta:
            return tensor
        return func(*args, **named)


def _decoder(architecture: str, channels: Sequence[int]) -> dict[str, Any]:
    """Return what smp calls the decoder's channels."""
    if architecture == "fpn":
        return {
            "decoder_pyramid_channels": channels[0],
            "decoder_segmentation_channels": channels[1],
        }
    return {"decoder_channels": tuple(channels)}


def _check_name(name: str, encoders: ModuleType) -> None:
    """Raise a ModelError for an encoder that neither smp nor timm has."""
    import timm

    known = list(encoders.encoders)
    if name.startswith("tu-"):
        if timm.is_model(name.removeprefix("tu-")):
            return
        known = [f"tu-{model}" for model in timm.list_models()]
    elif name in known or encoders.is_equivalent_to_timm_universal(name):
        return
    close = difflib.get_close_matches(name, known, n=3)
    remedy = "see segmentation_models_pytorch's list of encoders"
    if close:
        remedy = f"did you mean {' or '.join(close)}"
    raise ModelError(f"unknown encoder {name}", "model.encoder_name", remedy)


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
