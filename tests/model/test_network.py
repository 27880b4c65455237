"""Networks and their frames without memory."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from make_params import model_params

from steelcli.common.errors import ModelError, ParamsError
from steelcli.model.network import build_frame, build_model
from steelcli.model.weights import find_misfit


def small(architecture: str, **changes: Any) -> dict[str, Any]:
    """Return arguments of `build_model`; an FPN normalises by 32 groups of channels."""
    channels = [16, 32, 8, 8, 4] if architecture == "fpn" else [32, 16, 8, 8, 4]
    params = model_params(architecture=architecture, decoder_channels=channels, **changes)
    return params.model_dump()


@pytest.mark.parametrize("encoder", ["resnet18", "mit_b0", "tu-tf_efficientnet_lite0"])
@pytest.mark.parametrize("architecture", ["unet", "fpn"])
def test_a_frame_has_the_shapes_of_the_network(architecture: str, encoder: str) -> None:
    arguments = small(architecture, encoder_name=encoder)
    weights = build_model(**arguments, channels_last=False).state_dict()
    frame = build_frame(encoder, lambda: build_model(**arguments, channels_last=False)).state_dict()
    assert not find_misfit(weights, frame)
    name, tensor = next(iter(weights.items()))
    assert "1 missing and 0 unknown" in find_misfit(
        {key: value for key, value in weights.items() if key != name}, frame
    )
    assert "0 missing and 1 unknown, unknown is new" in find_misfit(
        weights | {"new": tensor}, frame
    )
    assert f"{name} is" in find_misfit(weights | {name: tensor[:1]}, frame)
    assert "of float64, not" in find_misfit(weights | {name: tensor.double()}, frame)


@pytest.mark.parametrize("architecture", ["unet", "unetplusplus", "fpn"])
@pytest.mark.parametrize("channels_last", [True, False])
def test_every_architecture_gives_one_logit_a_pixel(architecture: str, channels_last: bool) -> None:
    model = build_model(**small(architecture), channels_last=channels_last).eval()
    grey = torch.randint(0, 256, (2, 1, 32, 64), dtype=torch.uint8)
    with torch.inference_mode():
        logits = model(grey)
        assert logits.shape == (2, 1, 32, 64)
        assert torch.allclose(model(grey.expand(2, 3, 32, 64)), logits, atol=1e-5)


@pytest.mark.parametrize("encoder", ["resnt34", "tu-nonsense"])
def test_an_unknown_encoder_is_named(encoder: str) -> None:
    with pytest.raises(ModelError, match=encoder):
        build_model(**model_params(encoder_name=encoder).model_dump(), channels_last=False)


def test_an_fpn_takes_its_channels_from_the_first_two() -> None:
    decoder = build_model(**small("fpn"), channels_last=False).network.decoder
    assert decoder.p5.out_channels == 16
    assert decoder.seg_blocks[0].block[0].block[0].out_channels == 32
    with pytest.raises(ParamsError, match=r"multiple of 32.*model\.decoder_channels; correct it"):
        model_params(architecture="fpn", decoder_channels=[32, 16, 8, 8, 4])
