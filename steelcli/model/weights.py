"""Weights of an encoder from a file, and whether weights fit a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from steelcli.common.errors import ModelError, quote
from steelcli.common.fingerprint import file_digest
from steelcli.common.paths import WEIGHTS_DIR
from steelcli.model.packaged_weights import find_package
from steelcli.model.torch_file import copy_tensors, load_values


def find_misfit(weights: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> str:
    """Return how weights differ from those expected in names, shapes and types, or nothing."""
    missing = [name for name in expected if name not in weights]
    unknown = [name for name in weights if name not in expected]
    for kind, names in (("missing", missing), ("unknown", unknown)):
        if names:
            return f"{len(missing)} missing and {len(unknown)} unknown, {kind} is {quote(names[0])}"
    for name, tensor in weights.items():
        wanted = expected[name]
        if tensor.shape != wanted.shape or tensor.dtype != wanted.dtype:
            return f"{quote(name)} is {_describe(tensor)}, not {_describe(wanted)}"
    return ""


def _describe(tensor: torch.Tensor) -> str:
    shape = "×".join(map(str, tensor.shape)) or "a number"
    return f"{quote(shape)} of {str(tensor.dtype).removeprefix('torch.')}"


def weights_path(encoder_weights: str | None) -> Path | None:
    """Return the file that ``model.encoder_weights`` names, None for imagenet and random ones."""
    if encoder_weights is None or encoder_weights == "imagenet":
        return None
    return WEIGHTS_DIR / encoder_weights


def encoder_digest(encoder_name: str, encoder_weights: str | None) -> str | None:
    """Return the SHA-256 of the file that the encoder's weights come from.

    None for random weights, for those that are downloaded, and for a file that is missing.
    """
    if encoder_weights == "imagenet":
        package = find_package(encoder_name)
        return package.digest if package else None
    path = weights_path(encoder_weights)
    return file_digest(path) if path and path.is_file() else None


def load_encoder(network: nn.Module, path: Path) -> None:
    """Load a state dict from a file into the network's encoder.

    Raises:
        ModelError: a missing or bad file, or weights of another encoder.
    """
    what = "the file of encoder weights"
    remedy = "let model.encoder_weights name a state dict of this encoder"
    try:
        state = copy_tensors(load_values(path, what, remedy), path, what, remedy)
    except FileNotFoundError as error:
        fix = "copy them there or correct model.encoder_weights"
        raise ModelError("encoder weights not found", path, fix) from error
    try:
        network.encoder.load_state_dict(state)  # type: ignore[union-attr]
    except (RuntimeError, LookupError, TypeError, ValueError) as error:
        reason = quote(" ".join(str(error).split()), 160)
        what = f"the encoder weights do not fit the encoder ({reason})"
        raise ModelError(what, path, remedy) from error
