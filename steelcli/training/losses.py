"""BCE + Dice on logits, from sums over pixels, which several processes can add up."""

from __future__ import annotations

import torch
from torch.nn import functional

from steelcli.model.network import to_probs


def pixel_sums(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Return ``Σ BCE, Σ p·g, Σ p + Σ g, pixels`` over all pixels, float32 [4], differentiable.

    Args:
        logits: any float dtype [N, 1, H, W]; computed in float32.
        masks: [N, 1, H, W], values 0 or 1.
    """
    logits = logits.float()
    truth = masks.to(logits.device, non_blocking=True).float()  # copied in their own type
    bce = functional.binary_cross_entropy_with_logits(logits, truth, reduction="sum")
    probs = to_probs(logits)
    pixels = bce.new_full((), truth.numel())  # new_tensor would wait for a copy to a GPU
    return torch.stack([bce, (probs * truth).sum(), probs.sum() + truth.sum(), pixels])


def loss_of_sums(
    sums: torch.Tensor, bce_weight: float, dice_weight: float, dice_smooth: float
) -> torch.Tensor:
    """Return ``bce_weight`` · mean BCE + ``dice_weight`` · (1 − batch Dice), a float32 scalar.

    The Dice term is soft and taken over all pixels of the batch at once (Milletari et al. 2016,
    V-Net, eq. 4, without the squares), so that clean images pull on it through the batch's sum
    alone and cannot blow it up: ``1 − (2·Σ p·g + s) / (Σ p + Σ g + s)``, where s stands for
    ``dice_smooth`` pixels.

    Args:
        sums: those of `pixel_sums`, of one batch or of its parts added up, float32 [4].
    """
    bce, overlap, total, pixels = sums
    dice = (2 * overlap + dice_smooth) / (total + dice_smooth)
    loss: torch.Tensor = bce_weight * bce / pixels + dice_weight * (1 - dice)
    return loss
