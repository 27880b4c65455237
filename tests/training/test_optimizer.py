"""Which parameters decay, and the moving average."""

from __future__ import annotations

import torch
from make_params import model_params, train_params

from steelcli.model.network import build_model
from steelcli.training.optimizer import MovingAverage, build_optimizer

CPU = torch.device("cpu")


def test_norms_and_biases_decay_by_parameter_alone() -> None:
    model = build_model(**model_params().model_dump(), channels_last=False)
    everywhere = build_optimizer(model, train_params(decay_norm_and_bias=True), CPU).param_groups
    assert [group["weight_decay"] for group in everywhere] == [1e-4]
    spared = build_optimizer(model, train_params(decay_norm_and_bias=False), CPU).param_groups
    assert [group["weight_decay"] for group in spared] == [1e-4, 0.0]
    assert all(parameter.ndim == 1 for parameter in spared[1]["params"])
    assert sum(len(group["params"]) for group in spared) == len(everywhere[0]["params"])


def test_the_average_is_that_of_the_formula_to_the_bit() -> None:
    model = build_model(**model_params().model_dump(), channels_last=False)
    average = MovingAverage(model, 0.3)
    expected: list[torch.Tensor] = []
    for steps in range(4):
        with torch.no_grad():
            for tensor in (*model.parameters(), *model.buffers()):
                tensor.copy_(torch.rand_like(tensor.float()))
        average.update_parameters(model)
        now = [parameter.detach().clone() for parameter in model.parameters()]
        share = 1 - min(0.3, (1 + steps) / (10 + steps))
        if expected:
            now = [mean.lerp(new, share) for mean, new in zip(expected, now, strict=True)]
        expected = now
        assert all(map(torch.equal, average.module.parameters(), expected))
        assert all(map(torch.equal, average.module.buffers(), model.buffers()))
