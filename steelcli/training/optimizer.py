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


class MovingAverage(AveragedModel):
    """The exponential moving average of a model's weights; its buffers are the model's.

    Its decay grows with the number of steps n as (1 + n) / (10 + n), up to ``decay``. The number is
    counted on the host, so that no step waits for a GPU.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__(model)
        self.decay = decay

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Take in the weights that ``model`` has after a step."""
        steps = int(self.n_averaged)
        means: list[torch.Tensor] = list(self.module.parameters())
        weights: list[torch.Tensor] = list(model.parameters())
        if steps == 0:
            torch._foreach_copy_(means, weights)
        else:
            share = 1 - min(self.decay, (1 + steps) / (10 + steps))
            torch._foreach_lerp_(means, weights, share)
        for mean, buffer in zip(self.module.buffers(), model.buffers(), strict=True):
            mean.copy_(buffer)
        self.n_averaged += 1
