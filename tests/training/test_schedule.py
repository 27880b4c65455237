"""The learning rate is torch's own schedule."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from make_params import train_params

from steelcli.training.schedule import learning_rate


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 7))
@settings(deadline=None, max_examples=40)
def test_the_schedule_is_that_of_torch(length: int, mult: int, steps: int) -> None:
    params = train_params(lr=1.0, min_lr=0.1, restart_epochs=length, restart_mult=mult)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=params.lr)
    oracle = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(
        optimizer, length, mult, eta_min=0.1
    )
    for step in range(1, 12 * steps):
        optimizer.step()
        oracle.step(step / steps)
        assert learning_rate(params, step, steps) == pytest.approx(
            optimizer.param_groups[0]["lr"], abs=1e-9
        )


def test_the_warm_up_comes_before_the_first_period() -> None:
    params = train_params(lr=1.0, min_lr=0.0, restart_epochs=2, warmup_epochs=1.5)
    rates = [learning_rate(params, step, 4) for step in range(20)]
    assert rates[:6] == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1])
    assert rates[6:14] == [
        learning_rate(train_params(lr=1.0, min_lr=0.0, restart_epochs=2), step, 4)
        for step in range(8)
    ]
    assert rates[14] == 1.0
