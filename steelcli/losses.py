"""BCE + Dice on logits."""

from __future__ import annotations

import torch
from torch.nn import functional

from steelcli.model import to_probs


def bce_dice_loss(
    logits: torch.Tensor, masks: torch.Tensor, bce_weight: float, dice_weight: float, dice_smooth: float
) -> torch.Tensor:
    """Return ``bce_weight`` · BCE + ``dice_weight`` · (1 − batch Dice), a float32 scalar.

    The Dice term is soft and taken over all pixels of the batch at once (Milletari et al. 2016, V-Net, eq. 4, without
    the squares), so that clean images pull on it through the batch's sum alone and cannot blow it up:
    ``1 − (2·Σ p·g + s) / (Σ p + Σ g + s)`` with s = ``dice_smooth`` pixels.

    Args:
        logits: any float dtype [N, 1, H, W]; computed in float32.
        masks: [N, 1, H, W], values 0 or 1.
    """
    logits, truth = logits.float(), masks.to(logits.device, torch.float32)
    bce = functional.binary_cross_entropy_with_logits(logits, truth)
    probs = to_probs(logits)
    overlap, total = (probs * truth).sum(), probs.sum() + truth.sum()
    dice = (2 * overlap + dice_smooth) / (total + dice_smooth)
    return bce_weight * bce + dice_weight * (1 - dice)
