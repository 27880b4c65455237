"""The graph that is exported: folded, for any number of images, the same as the network."""

from __future__ import annotations

import pytest
import torch
from make_params import model_params
from random_statistics import randomise_statistics

from steelcli.model.export import capture
from steelcli.model.inference import predict
from steelcli.model.network import build_model


def norms(graph: torch.fx.Graph) -> list[torch.fx.Node]:
    return [node for node in graph.nodes if "batch_norm" in str(node.target)]


@pytest.mark.parametrize(("channels", "flip_tta"), [(1, True), (3, False)])
def test_the_graph_gives_the_probabilities_of_any_number_of_images(
    channels: int, flip_tta: bool
) -> None:
    network = model_params()
    arguments = network.model_dump(exclude={"mean", "std"})
    torch.manual_seed(0)
    model = build_model(**arguments, mean=network.mean, std=network.std, channels_last=True)
    randomise_statistics(model)
    model.eval()
    program = capture(model, flip_tta, channels, image_size=(64, 32))
    assert not norms(program.graph)
    run = program.module()
    for number in (1, 3):
        images = torch.randint(0, 256, (number, channels, 32, 64), dtype=torch.uint8)
        with torch.no_grad():
            expected = predict(model, images, "fp32", flip_tta)
            assert expected.std() > 0.05
            torch.testing.assert_close(run(images), expected, atol=1e-4, rtol=0)
