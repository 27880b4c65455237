"""The faster weight gradient of wide depthwise convolutions."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from make_params import model_params
from torch import nn

from steelcli.model import depthwise
from steelcli.model.depthwise import StripedWeightGradient
from steelcli.model.network import SegmentationModel, build_model
from steelcli.model.smp_import import import_smp


def gradients(layer: nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
    """Return the output of a layer and the gradients of its input and its parameters."""
    images = images.detach().requires_grad_()
    outputs = layer(images)
    pull = torch.linspace(-1, 1, outputs.numel(), dtype=torch.float64)
    pull = pull[torch.randperm(len(pull), generator=torch.Generator().manual_seed(0))]
    wanted = [images, *layer.parameters()]
    (outputs.double() * pull.reshape(outputs.shape)).sum().backward()
    return [outputs.detach()] + [tensor.grad for tensor in wanted if tensor.grad is not None]


def build_layer(kind: str, kernel: int, stride: int) -> nn.Module:
    torch.manual_seed(0)
    if kind == "same":
        import_smp()
        from timm.layers.conv2d_same import Conv2dSame

        return Conv2dSame(32, 32, kernel, stride, groups=32, bias=False)
    return nn.Conv2d(32, 32, kernel, stride, padding=kernel // 2, groups=32, bias=kernel == 7)


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Collect the shapes of the weights whose gradients are computed in strips."""
    shapes: list[tuple[int, ...]] = []
    compute = depthwise._weight_gradient

    def note(gradient: torch.Tensor, images: torch.Tensor, weight: torch.Tensor, *rest: Any) -> Any:
        shapes.append(tuple(weight.shape))
        return compute(gradient, images, weight, *rest)

    monkeypatch.setattr(depthwise, "_weight_gradient", note)
    return shapes


@pytest.mark.parametrize(
    ("kernel", "width", "stride"), [(7, 1, 1), (9, 1, 1), (9, 2, 2), (5, 1, 1)]
)
def test_images_narrower_than_the_filter_keep_their_gradients(
    kernel: int, width: int, stride: int
) -> None:
    layer = build_layer("plain", kernel, stride)
    images = torch.randn(2, 32, 6, width)
    stock = gradients(deepcopy(layer), images)
    with StripedWeightGradient():
        ours = gradients(deepcopy(layer), images)
    for mine, theirs in zip(ours, stock, strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("size", [(12, 20), (3, 17)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 4, 5, 7])
@pytest.mark.parametrize("kind", ["plain", "same"])
def test_gradients_are_those_of_float64(
    kind: str,
    kernel: int,
    stride: int,
    size: tuple[int, int],
    memory_format: torch.memory_format,
    replaced: list[tuple[int, ...]],
) -> None:
    layer = build_layer(kind, kernel, stride)
    images = torch.randn(2, 32, *size).contiguous(memory_format=memory_format)
    exact = gradients(deepcopy(layer).double(), images.double())
    stock = gradients(deepcopy(layer), images)
    with StripedWeightGradient():
        ours = gradients(deepcopy(layer), images)
    assert torch.equal(ours[0], stock[0])
    assert len(ours) == len(exact) == (4 if kind == "plain" and kernel == 7 else 3)
    for mine, true in zip(ours, exact, strict=True):
        assert (mine - true).norm() <= 1e-6 * true.norm()
    assert replaced == ([(32, 1, kernel, kernel)] if kernel > 3 else [])


@pytest.mark.parametrize("stride", [1, 2])
def test_in_bf16_the_error_is_no_larger_than_before(stride: int) -> None:
    layer, images = build_layer("same", 5, stride), torch.randn(4, 32, 12, 20)
    exact = gradients(deepcopy(layer).double(), images.double())
    errors: list[list[float]] = []
    for fast in (False, True):
        with torch.autocast("cpu", torch.bfloat16):
            if fast:
                with StripedWeightGradient():
                    results = gradients(deepcopy(layer), images)
            else:
                results = gradients(deepcopy(layer), images)
        assert results[0].dtype == torch.bfloat16
        assert results[2].dtype == torch.float32
        errors.append(
            [float((a - b).norm() / b.norm()) for a, b in zip(results, exact, strict=True)]
        )
    for stock, ours in zip(*errors, strict=True):
        assert ours <= 1.05 * stock < 0.02


def default_network(channels_last: bool = True) -> SegmentationModel:
    torch.manual_seed(0)
    params = model_params(encoder_name="tu-tf_efficientnet_lite0")
    return build_model(**params.model_dump(), channels_last=channels_last)


@pytest.mark.parametrize("channels_last", [True, False])
def test_a_training_replaces_the_wide_layers_of_the_network_and_of_its_copy(
    channels_last: bool, replaced: list[tuple[int, ...]]
) -> None:
    network = default_network(channels_last)
    wide = [
        tuple(layer.weight.shape)
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d) and layer.groups > 1 and layer.kernel_size == (5, 5)
    ]
    assert len(wide) == 9
    images = torch.randint(0, 256, (2, 1, 160, 160), dtype=torch.uint8)
    for model in (network, deepcopy(network)):
        results = [[], []]  # type: list[list[torch.Tensor]]
        for result in results:
            model.zero_grad()
            model.train()(images).square().mean().backward()
            result += [parameter.grad for parameter in model.parameters()]
        assert sorted(replaced) == sorted(2 * wide)
        assert all(map(torch.equal, *results))  # the same bits again
        replaced.clear()
    network.eval()(images).square().mean().backward()
    assert not replaced
