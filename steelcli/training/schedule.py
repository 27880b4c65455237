"""Learning rate and patience: functions of step and scores alone, so no state has to be saved."""

from __future__ import annotations

import math
from collections.abc import Sequence

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
    _, since, length = _find_period(params, epochs)
    return (
        params.min_lr + (params.lr - params.min_lr) * (1 + math.cos(math.pi * since / length)) / 2
    )


def count_waiting(params: TrainParams, scores: Sequence[float]) -> tuple[int, int]:
    """Return how many epochs since the best count towards ``patience``, and how many do not.

    After a warm restart the rate is high again, and scores fall for a while. So an epoch whose
    middle lies in the first half of a period that began with a restart, where the rate is above
    the mean of ``lr`` and ``min_lr``, does not count; those of warm-up and first period all do.
    An epoch as good as the best is no better.

    Args:
        scores: the monitored score of each epoch so far.
    """
    after_best = range(scores.index(max(scores)) + 1, len(scores))
    counted = sum(_counts(params, index + 0.5) for index in after_best)
    return counted, len(after_best) - counted


def _counts(params: TrainParams, epochs: float) -> bool:
    restarts, since, length = _find_period(params, epochs)
    return restarts == 0 or since >= length / 2


def _find_period(params: TrainParams, epochs: float) -> tuple[int, float, float]:
    """Return the restarts so far, the epochs since the last one, and those of its period."""
    restarts, since, length = 0, epochs - params.warmup_epochs, float(params.restart_epochs)
    while since >= length:
        restarts, since, length = restarts + 1, since - length, length * params.restart_mult
    return restarts, since, length
