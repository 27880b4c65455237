"""The graph that is exported: folded, for any number of images, the same as the network."""

from __future__ import annotations

import pytest
import torch
from make_params import model_params
from torch import nn

from steelcli.model.export import capture, fold_batchnorm
from steelcli.model.inference import predict
from steelcli.model.network import build_model


def randomise(model: nn.Module) -> nn.Module:
    """Give every BatchNorm statistics that matter."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.running_mean, -1, 1)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 2)
                nn.init.uniform_(module.bias, -1, 1)
    return model.eval()


def norms(graph: torch.fx.Graph) -> list[torch.fx.Node]:
    return [node for node in graph.nodes if "batch_norm" in str(node.target)]


class Norms(nn.Module):
    """A BatchNorm after a convolution, one before, one after a shared one, and a bare one."""

    def __init__(self, bias: bool, padding: int | str) -> None:
        super().__init__()
        self.first, self.second, self.third = (
            nn.Conv2d(4, 4, 3, padding=padding, groups=groups, bias=bias) for groups in (1, 2, 4)
        )
        self.after, self.before, self.shared = (nn.BatchNorm2d(4, eps=0.1) for _ in range(3))
        self.bare = nn.BatchNorm2d(4, affine=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = self.after(self.first(images)).relu()
        hidden = self.second(self.before(hidden).relu())
        return self.bare(self.shared(hidden) + self.third(hidden))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("padding", [1, "same"])
def test_every_batchnorm_goes_into_a_convolution(bias: bool, padding: int | str) -> None:
    model = randomise(Norms(bias, padding))
    images = torch.randn(2, 4, 6, 9)
    with torch.no_grad():
        module = torch.export.export(model, (images,)).module(check_guards=False)
        assert isinstance(module, torch.fx.GraphModule)
        assert len(norms(module.graph)) == 4
        fold_batchnorm(module)
        assert not norms(module.graph)
        convolutions = [node for node in module.graph.nodes if "conv2d" in str(node.target)]
        assert len(convolutions) == 3 + 3  # one BatchNorm found a convolution of its own
        torch.testing.assert_close(module(images), model(images))
    assert not [name for name in module.state_dict() if "running" in name]


@pytest.mark.parametrize(("channels", "flip_tta"), [(1, True), (3, False)])
def test_the_graph_gives_the_probabilities_of_any_number_of_images(
    channels: int, flip_tta: bool
) -> None:
    network = model_params()
    arguments = network.model_dump(exclude={"mean", "std"})
    model = build_model(**arguments, mean=network.mean, std=network.std, channels_last=True)
    randomise(model)
    program = capture(model, flip_tta, channels, image_size=(64, 32))
    assert not norms(program.graph)
    run = program.module()
    for number in (1, 3):
        images = torch.randint(0, 256, (number, channels, 32, 64), dtype=torch.uint8)
        with torch.no_grad():
            expected = predict(model, images, "fp32", flip_tta)
            assert expected.std() > 0.05
            torch.testing.assert_close(run(images), expected, atol=1e-4, rtol=0)
