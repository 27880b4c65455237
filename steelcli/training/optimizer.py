"""AdamW and the moving average of the weights."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from steelcli.params.train import TrainParams


def build_optimizer(
    model: nn.Module, params: TrainParams, device: torch.device
) -> torch.optim.AdamW:
    """Return AdamW; biases and norm parameters decay only under ``decay_norm_and_bias``."""
    decayed: list[nn.Parameter] = []
    spared: list[nn.Parameter] = []
    for parameter in model.parameters():
        decays = params.decay_norm_and_bias or parameter.ndim > 1
        (decayed if decays else spared).append(parameter)
    groups = [{"params": decayed, "weight_decay": params.weight_decay}]
    if spared:
        groups.append({"params": spared, "weight_decay": 0.0})
    return torch.optim.AdamW(groups, lr=params.lr, fused=device.type in ("cpu", "cuda"))


def build_average(model: nn.Module, decay: float) -> AveragedModel:
    """Return the exponential moving average of the weights.

    Its decay grows with the number of steps n as (1 + n) / (10 + n), up to ``decay``.
    """

    def average(mean: torch.Tensor, now: torch.Tensor, steps: torch.Tensor | int) -> torch.Tensor:
        return mean.lerp(now, 1 - min(decay, (1 + int(steps)) / (10 + int(steps))))

    return AveragedModel(model, avg_fn=average)
