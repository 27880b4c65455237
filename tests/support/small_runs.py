"""Runs of a small training that can be killed, and whether two runs are the same bit for bit."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from make_params import model_params, train_params

from steelcli.commands.train import train
from steelcli.params.model import ModelParams
from steelcli.params.train import TrainParams
from steelcli.training.loop import Trainer

TIMES = {"epoch_time", "train_images_per_second"}
SMALL = model_params(encoder_name="tu-test_efficientnet", decoder_channels=[16, 8, 8, 8, 4])
PARAMS = train_params(
    epochs=2, save_every_minutes=1e-9, ema_decay=0.9, accumulate_steps=2, batch_size=2
)


class Killed(BaseException):
    """Stands for kill -9: nothing catches it."""


def run_small(
    out_dir: Path,
    store_dir: Path,
    params: TrainParams = PARAMS,
    model: ModelParams = SMALL,
    **options: Any,
) -> dict[str, Any]:
    return train(
        model, params, store_dir, out_dir / "models", out_dir / "metrics" / "train.json", **options
    )


def kill_at(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, count: int, after: bool = False
) -> None:
    """Let the ``count``-th call of a method kill the run, before or after it does its work."""
    method: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def killing(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count and not after:
            raise Killed
        result = method(*args, **kwargs)
        if calls == count:
            raise Killed
        return result

    monkeypatch.setattr(owner, name, killing)


def act_at_step(
    monkeypatch: pytest.MonkeyPatch, count: int, action: Callable[[Trainer], None]
) -> None:
    """Let ``action`` happen to the trainer just before its ``count``-th step."""
    step = Trainer._step
    calls = 0

    def acting(trainer: Trainer, batches: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count:
            action(trainer)
        return step(trainer, batches)

    monkeypatch.setattr(Trainer, "_step", acting)


def rows_without_times(out_dir: Path) -> list[dict[str, str]]:
    with (out_dir / "models" / "metrics_seed42.csv").open(newline="", encoding="utf-8") as file:
        return [
            {key: value for key, value in row.items() if key not in TIMES}
            for row in csv.DictReader(file)
        ]


def assert_same_run(one: Path, other: Path) -> None:
    names = sorted(path.name for path in (one / "models").iterdir())
    assert names == sorted(path.name for path in (other / "models").iterdir())
    assert rows_without_times(one) == rows_without_times(other)
    for name in filter(lambda name: name.endswith(".pth"), names):
        weights = [
            torch.load(out / "models" / name, weights_only=True)["weights"] for out in (one, other)
        ]
        assert weights[0].keys() == weights[1].keys()
        assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0]), name
