"""Which parameters decay."""

from __future__ import annotations

import torch
from make_params import model_params, train_params

from steelcli.model.network import build_model
from steelcli.training.optimizer import build_optimizer

CPU = torch.device("cpu")


def test_norms_and_biases_decay_by_parameter_alone() -> None:
    model = build_model(**model_params().model_dump(), channels_last=False)
    everywhere = build_optimizer(model, train_params(decay_norm_and_bias=True), CPU).param_groups
    assert [group["weight_decay"] for group in everywhere] == [1e-4]
    spared = build_optimizer(model, train_params(decay_norm_and_bias=False), CPU).param_groups
    assert [group["weight_decay"] for group in spared] == [1e-4, 0.0]
    assert all(parameter.ndim == 1 for parameter in spared[1]["params"])
    assert sum(len(group["params"]) for group in spared) == len(everywhere[0]["params"])
