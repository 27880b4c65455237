"""Training end to end ÷ the bare step: the part of the time that the network's arithmetic takes.

*End to end* is `Trainer` as ``steelcli train`` runs it: reading the store, augmentation, copying,
forward, loss and its check, backward, clipping, the optimiser, learning rate, progress. Saving is
left out (every ten minutes). The *bare step* is forward, loss, backward, AdamW and zeroing the
gradients of a second network of the same kind, on one batch that stays in memory; it neither
clips nor reads the loss. Both have the same weights at the start, number format, batch, threads and
memory format. A bare step follows each step of the training.
"""

from __future__ import annotations

import gc
import time
from pathlib import Path

import torch

from bench.data import PARAMS_FILES, draw_project, prepare_store, read_network
from bench.figure import Figure
from bench.timing import ratio, spread
from steelcli.common.memory import keep_freed_memory
from steelcli.data.store.reader import Store
from steelcli.model.device import autocast
from steelcli.model.network import build_model
from steelcli.model.normalisation import resolve_normalisation
from steelcli.params.model import NetworkParams
from steelcli.params.train import TrainParams
from steelcli.training.loop import StepHook, Trainer
from steelcli.training.losses import loss_of_sums, pixel_sums
from steelcli.training.optimizer import build_optimizer
from steelcli.training.run import build_trainer
from steelcli.training.set_up import build_accelerator, read_precision

IMAGES = 80
BATCHES = {"default": 8, "reference": 2}
"""The reference protocol takes batches of 8: a minute of this machine for each pair of steps."""
STEPS = {"default": 24, "reference": 6}
WARM_UP = 2
"""Pairs before the clock starts."""
TARGETS = {"default": 0.97, "reference": 0.98}


def measure(work_dir: Path) -> list[Figure]:
    """Return the ratio for both networks."""
    keep_freed_memory()
    draw_project(work_dir / "project", IMAGES)
    figures = []
    for name in PARAMS_FILES:
        folder = work_dir / name
        figures.append(_measure_network(name, work_dir / "project", folder))
        gc.collect()
    return figures


def _measure_network(name: str, project: Path, folder: Path) -> Figure:
    params = read_network(name)
    # few validation images: the training part alone is clocked
    data = params.data.model_copy(update={"val_fraction": 0.05, "test_fraction": 0.05})
    store = prepare_store(data, project, folder)
    batch = BATCHES[name]
    train = params.train.model_copy(update={"batch_size": batch, "epochs": 10_000})
    network = resolve_normalisation(params.model)
    trainer = _build(network, train, store)
    pairs = PairedSteps(trainer, BareStep(trainer, network), STEPS[name] + WARM_UP)
    pairs.run()
    trained, bare = pairs.trained[WARM_UP:], pairs.bare[WARM_UP:]
    return Figure(
        f"training ÷ bare step, {name} network",
        ratio(bare, trained),
        TARGETS[name],
        absolute={
            "images/s": batch / spread(trained).median,
            "bare images/s": batch / spread(bare).median,
        },
        note=f"batch {batch}, {trainer.precision}, {len(bare)} pairs; the first losses are equal",
    )


def _build(network: NetworkParams, params: TrainParams, store: Store) -> Trainer:
    accelerator = build_accelerator(params)
    return build_trainer(accelerator, network, params, store, read_precision(accelerator))


class BareStep:
    """The step on a batch that stays in memory, with a network of its own."""

    def __init__(self, trainer: Trainer, network: NetworkParams) -> None:
        params = trainer.params
        self.device, self.precision = trainer.accelerator.device, trainer.precision
        self.weights = params.bce_weight, params.dice_weight, params.dice_smooth
        model = build_model(**network.model_dump(), channels_last=params.channels_last)
        model.load_state_dict(trainer.plain.state_dict())
        self.model = model.to(self.device).train()
        self.optimizer = build_optimizer(self.model, params, self.device)
        trainer.loader.seek(1, 0)
        images, masks, _ = next(iter(trainer.loader))
        self.images, self.masks = images.to(self.device), masks.to(self.device)

    def step(self) -> torch.Tensor:
        """Take one step; return its loss."""
        with autocast(self.precision, self.device):
            logits = self.model(self.images)
        loss = loss_of_sums(pixel_sums(logits, self.masks), *self.weights)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.detach()


class PairedSteps(StepHook):
    """Takes a bare step after each step of the training, and clocks both.

    Attributes:
        trained, bare: seconds of each.
    """

    def __init__(self, trainer: Trainer, bare_step: BareStep, steps: int) -> None:
        self.trainer, self.bare_step, self.steps = trainer, bare_step, steps
        self.trained: list[float] = []
        self.bare: list[float] = []
        self._started = 0.0
        self._place = 0, 0
        trainer.hook = self

    def run(self) -> None:
        """Train, epoch after epoch, until all steps are taken."""
        epochs = self.trainer.iter_epochs(self.trainer.params.epochs)
        try:
            while True:
                self._started = time.perf_counter()
                next(epochs)
        except _Done:
            pass

    def after_step(self, flags: list[int]) -> None:  # noqa: ARG002
        """Clock the step that has ended, then take and clock a bare one."""
        position = self.trainer.position
        if (position.epoch, position.step) == self._place:
            return  # a batch of the validation
        self._place = position.epoch, position.step
        ended = time.perf_counter()
        self.trained.append(ended - self._started)
        loss = self.bare_step.step()
        self.bare.append(time.perf_counter() - ended)
        if len(self.bare) == 1:
            _check_losses(position.loss, loss.item())
        if len(self.bare) == self.steps:
            raise _Done
        self._started = time.perf_counter()


class _Done(Exception):  # noqa: N818
    """All steps are taken."""


def _check_losses(trained: float, bare: float) -> None:
    if abs(trained - bare) > 1e-6 * abs(trained):
        raise RuntimeError(f"the steps differ: their first losses are {trained} and {bare}")
