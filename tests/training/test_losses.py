"""BCE + Dice by hand."""

from __future__ import annotations

import math

import pytest
import torch

from steelcli.training.losses import loss_of_sums, pixel_sums


def test_the_loss_by_hand() -> None:
    logits = torch.tensor([0.0, math.log(3)]).reshape(1, 1, 1, 2)  # probabilities 1/2 and 3/4
    masks = torch.tensor([0, 1]).reshape(1, 1, 1, 2)
    bce = (math.log(2) - math.log(0.75)) / 2
    dice = (2 * 0.75 + 1) / (1.25 + 1 + 1)
    assert loss_of_sums(pixel_sums(logits, masks), 1, 0, 1).item() == pytest.approx(bce)
    assert loss_of_sums(pixel_sums(logits, masks), 0, 1, 1).item() == pytest.approx(1 - dice)
    assert loss_of_sums(pixel_sums(logits, masks), 0.3, 0.7, 1).item() == pytest.approx(
        0.3 * bce + 0.7 * (1 - dice)
    )


def test_dice_is_taken_over_the_whole_batch() -> None:
    logits = torch.randn(3, 1, 4, 5, generator=torch.Generator().manual_seed(0))
    masks = (torch.rand(3, 1, 4, 5, generator=torch.Generator().manual_seed(1)) < 0.3).to(
        torch.uint8
    )
    masks[2] = 0
    flat = loss_of_sums(
        pixel_sums(logits.reshape(1, 1, -1, 5), masks.reshape(1, 1, -1, 5)), 0, 1, 1
    )
    assert loss_of_sums(pixel_sums(logits, masks), 0, 1, 1).item() == pytest.approx(flat.item())
