"""Encoder and weights that can be had here."""

from __future__ import annotations

from steelcli.commands.examine_packages import ask_hub
from steelcli.commands.plan_choices import Choices
from steelcli.model.hub import cache_only
from steelcli.model.network import (
    CannotLoadError,
    SegmentationModel,
    build_frame,
    build_model,
)
from steelcli.model.normalisation import resolve_normalisation
from steelcli.model.packaged_weights import INSTALL, PACKAGES, find_package
from steelcli.params.model import ModelParams


def plan_network(choices: Choices) -> None:
    """Choose encoder and weights that can be had here.

    Raises:
        ModelError: an unknown encoder, or one without such weights.
    """
    model = choices.params.model
    build_random_frame(model)  # an encoder that cannot be built is told first
    if model.encoder_weights != "imagenet" or choices.is_given("model.encoder_weights"):
        return
    if found := _find_weights(model):
        choices.choose("model.encoder_name", model.encoder_name, "as in the config")
        choices.choose("model.encoder_weights", "imagenet", found)
        return
    missing = f"ImageNet weights of {model.encoder_name} are not installed, and no hub answers"
    installed = [name for name in PACKAGES if find_package(name)]
    if installed and not choices.is_given("model.encoder_name"):
        choices.choose("model.encoder_name", installed[-1], f"{missing}; those of this one are")
        found = _find_weights(choices.params.model)
        choices.choose("model.encoder_weights", "imagenet", found)
        return
    advice = f"`{INSTALL}` brings those of {', '.join(PACKAGES)}; docs/weights.md"
    choices.choose("model.encoder_name", model.encoder_name, "as in the config")
    choices.choose("model.encoder_weights", None, f"random: {missing}; {advice}")


def _find_weights(model: ModelParams) -> str:
    """Return where the encoder's ImageNet weights come from, empty where from nowhere."""
    if package := find_package(model.encoder_name):
        return f"from the installed package {package.module}"
    try:
        with cache_only():
            build_with(model, model.encoder_weights)
    except CannotLoadError:
        return "from the hub, which answers" if ask_hub() else ""
    return "from the local cache of the hub"


def build_with(model: ModelParams, weights: str | None) -> SegmentationModel:
    """Build the network with other weights than its parameters say."""
    settings = resolve_normalisation(model).model_dump() | {"encoder_weights": weights}
    return build_model(**settings, channels_last=True)


def build_random_frame(model: ModelParams) -> SegmentationModel:
    """Build the network without memory, see `build_frame`."""
    return build_frame(model.encoder_name, lambda: build_with(model, None))
