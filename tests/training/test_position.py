"""Figures that arrive some steps late change neither sums nor states, and no error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from distributed_run import build

from steelcli.common.errors import RunError
from steelcli.training.loop import StepHook, Trainer
from steelcli.training.position import Position


class Enough(BaseException):
    """Ends an epoch amid its steps."""


class Stopper(StepHook):
    """Saves the state after some steps and stops."""

    def __init__(self, trainer: Trainer, steps: int) -> None:
        self.trainer, self.steps = trainer, steps

    def after_step(self, _flags: list[int]) -> None:
        if self.trainer.position.step == self.steps:
            self.state = self.trainer.state()
            raise Enough


def train_late(store_dir: Path, max_late: int, **changes: Any) -> Trainer:
    trainer = build(store_dir, StepHook(), **changes)
    trainer.late.max_late = max_late
    return trainer


def sums(position: Position) -> tuple[int, float, float, int]:
    return position.step, position.loss, position.grad_norm, position.images


def test_late_figures_sum_to_the_same_bits(store_dir: Path) -> None:
    found = []
    for max_late in (0, 2, 100):
        trainer = train_late(store_dir, max_late, accumulate_steps=2, ema_decay=0.5)
        trainer._train_epoch()
        found.append(sums(trainer.position))
    assert found[0][0] >= 2
    assert found[0] == found[1] == found[2]


def test_a_state_holds_all_figures(store_dir: Path) -> None:
    states = []
    for max_late in (0, 100):
        trainer = train_late(store_dir, max_late)
        trainer.hook = stopper = Stopper(trainer, 3)
        with pytest.raises(Enough):
            trainer._train_epoch()
        states.append(stopper.state)
    positions = [sums(Position(**state["position"])) for state in states]
    assert positions[0] == positions[1]
    assert all(
        torch.equal(states[0]["model"][key], states[1]["model"][key]) for key in states[0]["model"]
    )


def spoil(trainer: Trainer, step: int) -> list[str]:
    """Let the loss of a step, 1-based, be NaN; return the list that will hold its images."""
    loss, seen, names = trainer._loss, [0], []

    def spoiled(sums: torch.Tensor) -> torch.Tensor:
        seen[0] += 1
        return loss(sums) * (float("nan") if seen[0] == step else 1.0)

    load, records = trainer._pass, trainer.store.records

    def noted(batch: Any, passes: int) -> Any:
        if seen[0] == step - 1:
            names.extend(records[member].image for member in batch[2].tolist())
        return load(batch, passes)

    trainer._loss, trainer._pass = spoiled, noted  # type: ignore[method-assign]
    return names


@pytest.mark.parametrize("max_late", [0, 1, 100])
def test_a_late_error_names_the_step_it_happened_in(store_dir: Path, max_late: int) -> None:
    trainer = train_late(store_dir, max_late)
    names = spoil(trainer, 2)
    with pytest.raises(RunError) as error:
        trainer._train_epoch()
    assert error.value.where == f"epoch 1, step 2, images {', '.join(names)}"
    assert len(names) == 4
    late = min(max_late, trainer.steps - 2)
    assert trainer.position.step == 1 + late + (max_late == 100)


def test_no_state_is_saved_after_a_loss_that_is_not_finite(store_dir: Path) -> None:
    trainer = train_late(store_dir, 100)
    spoil(trainer, 2)
    trainer.hook = stopper = Stopper(trainer, 3)
    with pytest.raises(RunError, match="epoch 1, step 2"):
        trainer._train_epoch()
    assert not hasattr(stopper, "state")
