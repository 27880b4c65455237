"""The learning rate, a function of the step alone, so that no state has to be saved."""

from __future__ import annotations

import math

from steelcli.params.train import TrainParams


def learning_rate(params: TrainParams, step: int, steps: int) -> float:
    """Return the rate of one step: a linear warm-up, then cosine annealing with warm restarts.

    Loshchilov & Hutter 2017, eq. 5, in fractions of epochs as they advise: within a period of T
    epochs, after t of them, ``min_lr + (lr - min_lr) · (1 + cos(π t / T)) / 2``. The first period
    begins when the warm-up ends; it lasts ``restart_epochs``, each next one ``restart_mult`` times
    as long.

    Args:
        step: steps done in the whole run.
        steps: steps in an epoch.
    """
    epochs = step / steps
    if epochs < params.warmup_epochs:
        return params.lr * min(1.0, (epochs + 1 / steps) / params.warmup_epochs)
    since, length = epochs - params.warmup_epochs, float(params.restart_epochs)
    while since >= length:
        since, length = since - length, length * params.restart_mult
    return (
        params.min_lr + (params.lr - params.min_lr) * (1 + math.cos(math.pi * since / length)) / 2
    )
