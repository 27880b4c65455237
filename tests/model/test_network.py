"""Networks and their frames without memory."""

from __future__ import annotations

import pytest
import torch
from make_params import model_params

from steelcli.common.errors import ModelError
from steelcli.model.network import build_frame, build_model
from steelcli.model.weights import find_misfit


@pytest.mark.parametrize("encoder", ["resnet18", "mit_b0", "tu-tf_mobilenetv3_small_minimal_100"])
def test_a_frame_has_the_shapes_of_the_network(encoder: str) -> None:
    arguments = model_params(encoder_name=encoder).model_dump()
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


@pytest.mark.parametrize("architecture", ["unet", "unetplusplus"])
@pytest.mark.parametrize("channels_last", [True, False])
def test_both_architectures_give_one_logit_a_pixel(architecture: str, channels_last: bool) -> None:
    model = build_model(
        **model_params(architecture=architecture).model_dump(), channels_last=channels_last
    ).eval()
    grey = torch.randint(0, 256, (2, 1, 32, 64), dtype=torch.uint8)
    with torch.inference_mode():
        logits = model(grey)
        assert logits.shape == (2, 1, 32, 64)
        assert torch.allclose(model(grey.expand(2, 3, 32, 64)), logits, atol=1e-5)


@pytest.mark.parametrize("encoder", ["resnt34", "tu-nonsense"])
def test_an_unknown_encoder_is_named(encoder: str) -> None:
    with pytest.raises(ModelError, match=encoder):
        build_model(**model_params(encoder_name=encoder).model_dump(), channels_last=False)
