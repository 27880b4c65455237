"""Networks whose BatchNorms change what goes through them."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def randomise_statistics(model: nn.Module) -> None:
    """Give every BatchNorm statistics and weights that matter."""
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            for tensor, low, high in (
                (module.running_var, 0.5, 2),
                (module.running_mean, -1, 1),
                (module.weight, 0.5, 2),
                (module.bias, -1, 1),
            ):
                if tensor is not None:
                    nn.init.uniform_(tensor, low, high)
