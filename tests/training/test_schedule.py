"""The learning rate is torch's own schedule; patience knows its restarts."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from make_params import train_params

from steelcli.training.schedule import count_waiting, learning_rate


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


def stop_epoch(scores: list[float], patience: int, **changes: float) -> int | None:
    """Return the 1-based epoch at which a training with these scores stops early, if any."""
    params = train_params(patience=patience, **changes)
    for epoch in range(1, len(scores) + 1):
        if count_waiting(params, scores[:epoch])[0] >= patience:
            return epoch
    return None


RISE_AND_FALL = [0.1, 0.2, 0.3, 0.4, 0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.3, 0.3]
"""Two periods, of four epochs and of eight."""


@pytest.mark.parametrize(
    ("scores", "stop"),
    [
        (RISE_AND_FALL, 11),  # epochs 5 to 8 do not count, 9, 10 and 11 do
        ([*RISE_AND_FALL[:9], 0.4, 0.4, 0.4], 11),  # as good is no better
        ([*RISE_AND_FALL[:9], 0.5, 0.4, 0.4], None),
        ([*RISE_AND_FALL[:5], 0.5, *RISE_AND_FALL[6:]], 11),  # a best of an epoch without count
        ([0.4, 0.1, 0.1, 0.3], 4),  # the first period counts whole
        ([0.3, 0.4, 0.1, 0.3, 0.1, 0.2, 0.2, 0.2, 0.3], 9),  # counts go on after a restart
    ],
)
def test_early_stopping_waits_out_a_restart(scores: list[float], stop: int | None) -> None:
    assert stop_epoch(scores, 3, restart_epochs=4, restart_mult=2) == stop


@pytest.mark.parametrize(("warmup", "stop"), [(0, 6), (2, 4), (0.5, 6)])
def test_epochs_of_the_warm_up_count(warmup: float, stop: int) -> None:
    """Restarts after epoch 2, 4, 6 …, each two or half an epoch later behind the warm-up."""
    scores = [0.5, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
    assert stop_epoch(scores, 3, restart_epochs=2, restart_mult=1, warmup_epochs=warmup) == stop


def test_without_a_restart_every_epoch_counts() -> None:
    scores = [0.5, *[0.4] * 30]
    assert stop_epoch(scores, 25, restart_epochs=40) == 26
    assert count_waiting(train_params(restart_epochs=40), scores) == (30, 0)


def test_periods_of_one_epoch_count_whole() -> None:
    assert stop_epoch([0.5, *[0.4] * 9], 7, restart_epochs=1, restart_mult=1) == 8


@given(st.integers(1, 5), st.integers(1, 3), st.integers(0, 3))
@settings(deadline=None, max_examples=40)
def test_what_does_not_count_has_a_rate_above_the_mean(length: int, mult: int, warmup: int) -> None:
    params = train_params(
        lr=1.0, min_lr=0.2, restart_epochs=length, restart_mult=mult, warmup_epochs=warmup
    )
    for epoch in range(1, 30):
        counted, _ = count_waiting(params, [1.0, *[0.0] * epoch])
        before, _ = count_waiting(params, [1.0, *[0.0] * (epoch - 1)])
        rate = learning_rate(params, 2 * epoch + 1, 2)  # in its middle
        is_high = epoch >= warmup + length and rate > 0.6 + 1e-9
        assert counted - before == (not is_high)
