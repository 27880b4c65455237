"""The network for inference: the same logits, without the BatchNorms that follow convolutions."""

from __future__ import annotations

import pytest
import torch
from random_statistics import randomise_statistics
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from steelcli.model.fold import copy_for_inference, fold_batchnorm
from steelcli.model.network import SegmentationModel, build_model

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.2, 0.3)


def norms(model: nn.Module) -> set[str]:
    return {name for name, layer in model.named_modules() if isinstance(layer, _BatchNorm)}


def check_same(model: SegmentationModel, folded: SegmentationModel) -> None:
    """Compare both in evaluation mode, up to rounding."""
    images = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    with torch.inference_mode():
        expected = model.eval()(images)
        assert expected.std() > 0
        atol = 1e-4 * float(expected.abs().max())
        torch.testing.assert_close(folded(images), expected, atol=atol, rtol=0)


class Norms(nn.Module):
    """BatchNorms that can be folded, and others that cannot, for a reason each."""

    def __init__(self, bias: bool, padding: int | str) -> None:
        super().__init__()
        self.pairs = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(3, 3, 3, padding=padding, groups=groups, bias=bias),
                nn.BatchNorm2d(3, eps=0.1, affine=affine),
            )
            for groups, affine in ((1, True), (3, True), (1, False))
        )
        self.shared, self.twice, self.own = (nn.Conv2d(3, 3, 1, bias=bias) for _ in range(3))
        self.of_shared, self.of_twice, self.repeated, self.of_none = (
            nn.BatchNorm2d(3) for _ in range(4)
        )
        self.of_batch = nn.BatchNorm2d(3, track_running_stats=False)
        self.mix = nn.Conv2d(3, 1, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = images
        for layer in self.pairs:
            hidden = layer(hidden).relu()
        shared = self.shared(hidden)
        hidden = self.of_shared(shared) + shared
        hidden = self.of_twice(self.twice(hidden)) + self.twice(hidden)
        hidden = self.repeated(self.own(hidden)) + self.repeated(hidden)
        out: torch.Tensor = self.mix(self.of_none(self.of_batch(hidden).relu()))
        return out


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("padding", [1, "same"])
def test_a_batchnorm_goes_into_the_convolution_whose_output_it_alone_takes(
    bias: bool, padding: int | str
) -> None:
    torch.manual_seed(0)
    network = Norms(bias, padding)
    randomise_statistics(network)
    model = SegmentationModel(network, MEAN, STD)
    folded = fold_batchnorm(model, (16, 8))
    left = ("of_shared", "of_twice", "repeated", "of_none", "of_batch")
    assert norms(folded) == {f"network.{name}" for name in left}
    check_same(model, folded)


@pytest.mark.parametrize(
    ("encoder_name", "left"),
    [("resnet18", 0), ("efficientnet-b0", 1), ("tu-test_efficientnet", 0), ("densenet121", 62)],
)
def test_a_folded_network_gives_the_same(encoder_name: str, left: int) -> None:
    """EfficientNet's last BatchNorm is not run, timm's hold an activation, DenseNet's stand before
    their convolutions."""
    torch.manual_seed(0)
    model = build_model("unet", encoder_name, None, (16, 8, 8, 8, 8), MEAN, STD, True)
    randomise_statistics(model)
    folded = fold_batchnorm(model, (96, 64))
    assert len(norms(folded)) == left < len(norms(model))
    check_same(model, folded)


class Shared(nn.Module):
    """A convolution and its BatchNorm under two names each, and two convolutions of one kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.first = self.again = nn.Conv2d(3, 3, 1)
        self.norm = self.alias = nn.BatchNorm2d(3)
        self.used, self.unused = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
        self.unused.weight = self.used.weight
        self.kept = nn.BatchNorm2d(3)
        self.of_same_mean = nn.BatchNorm2d(3)  # as timm's conversion to SyncBatchNorm leaves it
        self.of_same_mean.running_mean = self.norm.running_mean

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.kept(self.used(self.alias(self.again(images)).relu()))
        return out


def test_what_has_two_names_is_folded_under_both() -> None:
    torch.manual_seed(0)
    network = Shared()
    randomise_statistics(network)
    model = SegmentationModel(network, MEAN, STD)
    folded = fold_batchnorm(model, (16, 8))
    assert norms(folded) == {"network.kept", "network.of_same_mean"}
    check_same(model, folded)


def test_fewer_bits_keep_their_batchnorms() -> None:
    model = build_model("unet", "resnet18", None, (16, 8, 8, 8, 8), MEAN, STD, False)
    assert not norms(copy_for_inference(model, "fp32", (64, 32)))
    copy = copy_for_inference(model, "bf16", (64, 32))
    assert norms(copy) == norms(model)
    assert not copy.training
    assert model.training


def test_the_network_itself_goes_on_training() -> None:
    model = build_model("unet", "resnet18", None, (16, 8, 8, 8, 8), MEAN, STD, False).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    folded = fold_batchnorm(model, (64, 32))
    assert not folded.training
    assert model.training
    torch.testing.assert_close(dict(model.state_dict()), before, atol=0, rtol=0)
    assert all(parameter.requires_grad for parameter in model.parameters())
