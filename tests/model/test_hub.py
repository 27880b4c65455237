"""The hub is asked only for weights that the cache lacks, and only if it answers."""

from __future__ import annotations

from collections.abc import Callable
from email.message import Message
from pathlib import Path
from urllib.error import HTTPError, URLError

import pytest
import torch
from huggingface_hub import constants
from make_params import model_params
from safetensors.torch import save_file

from steelcli.common.errors import ModelError
from steelcli.model.hub import cache_only, hub_answers
from steelcli.model.network import build_model
from steelcli.model.smp_import import import_smp


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))


def refuse(code: int, calls: list[int]) -> Callable[..., None]:
    """Return an `urlopen` that fails with an HTTP code, or without an answer for code 0."""

    def answer(*_: object, **__: object) -> None:
        calls.append(code)
        if code:
            raise HTTPError("https://hub", code, "no", Message(), None)
        raise URLError("no route")

    return answer


@pytest.mark.parametrize(("code", "answers"), [(404, True), (0, False)])
def test_a_refusal_is_an_answer(code: int, answers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr("urllib.request.urlopen", refuse(code, calls))
    assert hub_answers() is answers
    assert calls == [code]


def test_a_user_who_is_offline_by_choice_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr("urllib.request.urlopen", refuse(404, calls))
    with cache_only():
        assert not hub_answers()
    assert not constants.HF_HUB_OFFLINE
    assert not calls


def test_weights_outside_the_cache_are_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr("urllib.request.urlopen", refuse(0, calls))
    params = model_params(encoder_name="resnet18", encoder_weights="imagenet")
    with pytest.raises(ModelError, match=r"model\.encoder_weights; connect to the internet"):
        build_model(**params.model_dump(), channels_last=False)
    assert calls == [0]


def test_the_network_is_the_same_whether_the_cache_had_the_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first try, which the cache fails, leaves no trace in the random numbers."""
    smp = import_smp()
    donor = smp.encoders.get_encoder("resnet18")
    path = tmp_path / "model.safetensors"
    save_file(donor.state_dict(), path)

    def download(*_: object, **__: object) -> str:
        if constants.HF_HUB_OFFLINE and not is_cached:
            raise FileNotFoundError("not in the cache")
        return str(path)

    calls: list[int] = []
    monkeypatch.setattr("urllib.request.urlopen", refuse(404, calls))
    monkeypatch.setattr(smp.encoders, "hf_hub_download", download)
    params = model_params(encoder_name="resnet18", encoder_weights="imagenet")
    states = []
    for is_cached in (True, False):
        torch.manual_seed(1)
        model = build_model(**params.model_dump(), channels_last=False)
        states.append(model.state_dict())
        assert len(calls) == int(not is_cached)
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    name = "network.encoder.conv1.weight"
    assert torch.equal(states[0][name], donor.state_dict()["conv1.weight"])
