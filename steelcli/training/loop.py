"""The training loop: a generator of epoch results; its caller logs, saves and stops early."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from steelcli.common.progress import track
from steelcli.data.store.reader import Store
from steelcli.model.fold import copy_for_inference
from steelcli.model.inference import compute_logits, finite_probs, iter_batches, native_levels
from steelcli.model.network import SegmentationModel
from steelcli.model.seeds import random_state, restore_random_state
from steelcli.params.train import TrainParams
from steelcli.scores.counts import FIXED
from steelcli.scores.parallel import Scored, score_images
from steelcli.scores.scorer import SplitScorer
from steelcli.training.distributed import (
    broadcast_buffers,
    sum_over_processes,
    sync_batchnorm_layers,
    synced_batchnorm,
)
from steelcli.training.loader import Batch, TrainLoader
from steelcli.training.losses import loss_of_sums, pixel_sums
from steelcli.training.optimizer import MovingAverage, build_optimizer
from steelcli.training.position import MAX_LATE_STEPS, LateFigures, Position, not_finite
from steelcli.training.schedule import learning_rate


@dataclass(frozen=True)
class EpochResult:
    """Figures of one epoch.

    Attributes:
        epoch: 1-based.
        train_loss: mean over the epoch's steps.
        val_loss: mean over the validation images, batch Dice by batch.
        scorer: counts over the validation split at native size.
        learning_rate: of the first step.
        grad_norm: mean L2 norm of the gradient before clipping.
        seconds: wall time of the epoch with its validation, without interruptions.
        train_seconds: wall time of the epoch's training steps.
        train_images: images in these steps.
    """

    epoch: int
    train_loss: float
    val_loss: float
    scorer: SplitScorer
    learning_rate: float
    grad_norm: float
    seconds: float
    train_seconds: float
    train_images: int


class StepHook:
    """What the trainer calls at each step; this one does nothing."""

    def flags(self) -> list[int]:
        """Return numbers of this process; the trainer adds up those of all processes."""
        return []

    def after_step(self, flags: list[int]) -> None:
        """Act on the sums, which are the same on every process; may raise to end the training."""


class Trainer:
    """Model, optimiser and position of one run, with one step for training and validation.

    Attributes:
        model: the network as Accelerate wraps it; `plain` is the same one without the wrapper.
        hook: called after each step.
        steps: steps in an epoch.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        model: SegmentationModel,
        loader: TrainLoader,
        store: Store,
        params: TrainParams,
        precision: str,
    ) -> None:
        self.accelerator, self.store, self.loader, self.params = accelerator, store, loader, params
        self.precision = precision
        self.hook = StepHook()
        self.position = Position()
        max_late = MAX_LATE_STEPS if accelerator.device.type == "cuda" else 0
        self.late = LateFigures([record.image for record in store.records], max_late)
        self.plain = model.to(accelerator.device)
        self.syncs_batchnorm = params.sync_batchnorm and accelerator.num_processes > 1
        if self.syncs_batchnorm and accelerator.device.type == "cuda":
            sync_batchnorm_layers(self.plain)
        self.average = MovingAverage(self.plain, params.ema_decay) if params.ema_decay else None
        optimizer = build_optimizer(self.plain, params, accelerator.device)
        self.model, self.optimizer = accelerator.prepare(self.plain, optimizer)
        self.steps = max(1, len(loader) // params.accumulate_steps)

    @property
    def is_new(self) -> bool:
        """Whether no step has been taken."""
        return self.position == Position()

    @property
    def eval_model(self) -> SegmentationModel:
        """The network that is validated and saved: the trained one or its moving average."""
        if self.average is None:
            return self.plain
        return cast(SegmentationModel, self.average.module)

    def state(self) -> dict[str, Any]:
        """Return all that the rest of the run depends on, in tensors and plain types.

        Every process must call it.

        Raises:
            RunError: a loss that is not finite.
        """
        self.late.settle(self.position)
        scaler = self.accelerator.scaler
        return {
            "position": asdict(self.position),
            "model": self.plain.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "optimizer": self.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler else None,
            "random": gather_object([random_state()]),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to where `state` was called, bit for bit."""
        self.late.forget()
        self.position = Position(**state["position"])
        self.plain.load_state_dict(state["model"])
        if self.average:
            self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.accelerator.scaler:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        restore_random_state(state["random"][self.accelerator.process_index])

    def iter_epochs(self, last: int) -> Iterator[EpochResult]:
        """Train up to and including epoch ``last``; yield after the validation of each epoch.

        Raises:
            RunError: a loss that is not finite.
        """
        while self.position.epoch <= last:
            epoch = self.position.epoch
            self._train_epoch()
            trained, started = self.position, time.perf_counter()
            val_loss, scorer = self._validate()
            if not math.isfinite(val_loss):
                raise not_finite(val_loss, f"validation of epoch {epoch}")
            self.position = Position(epoch + 1)
            yield EpochResult(
                epoch=epoch,
                train_loss=trained.loss / self.steps,
                val_loss=val_loss,
                scorer=scorer,
                learning_rate=learning_rate(self.params, (epoch - 1) * self.steps, self.steps),
                grad_norm=trained.grad_norm / self.steps,
                seconds=trained.seconds + time.perf_counter() - started,
                train_seconds=trained.seconds,
                train_images=trained.images,
            )

    def _train_epoch(self) -> None:
        position = self.position
        if position.step == self.steps:
            return  # the run was interrupted in the validation
        self.model.train()
        self.loader.seek(position.epoch, position.step * self.params.accumulate_steps)
        batches = iter(self.loader)
        steps = range(position.step, self.steps)
        for step in track(steps, f"epoch {position.epoch}", len(steps)):
            started = time.perf_counter()
            done = (position.epoch - 1) * self.steps + step
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate(self.params, done, self.steps)
            flags = self._step(batches)
            position.step = step + 1
            position.seconds += time.perf_counter() - started
            self.hook.after_step(flags)
        started = time.perf_counter()
        self.late.settle(position)
        position.seconds += time.perf_counter() - started

    def _step(self, batches: Iterator[Batch]) -> list[int]:
        """Take one step of the optimiser; return the sums of the hook's flags."""
        passes = min(self.params.accumulate_steps, len(self.loader))
        losses, members = [], []
        for index in range(passes):
            batch = next(batches)
            is_last = index == passes - 1
            with nullcontext() if is_last else self.accelerator.no_sync(self.model):
                loss, flags = self._pass(batch, passes)
            losses.append(loss)
            members.append(batch[2])
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), self.params.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.average:
            self.average.update_parameters(self.plain)
        place = f"epoch {self.position.epoch}, step {self.position.step + 1}"
        self.late.add(place, losses, norm, members)
        self.late.settle(self.position, self.late.max_late)
        return flags

    def _pass(self, batch: Batch, passes: int) -> tuple[torch.Tensor, list[int]]:
        """Go forward and backward; return the whole batch's loss and the sums of the flags."""
        images, masks, _ = batch
        device = self.accelerator.device
        with synced_batchnorm(self.syncs_batchnorm and device.type == "cpu"):
            logits = self.model(images.to(device, non_blocking=True))
            sums = pixel_sums(logits, masks)
            numbers = [len(images), *self.hook.flags()]
            sums, (all_images, *flags) = sum_over_processes(sums, numbers)
            loss = self._loss(sums)
            self.position.images += all_images
            # Processes average their gradients; times the number of processes this is the
            # gradient of the loss of the sums.
            self.accelerator.backward(loss * (self.accelerator.num_processes / passes))
        return loss.detach(), flags

    def _loss(self, sums: torch.Tensor) -> torch.Tensor:
        params = self.params
        return loss_of_sums(sums, params.bce_weight, params.dice_weight, params.dice_smooth)

    def _validate(self) -> tuple[float, SplitScorer]:
        """Score the validation split at native size; return the mean loss and the counts.

        Each process takes whole batches, which do not depend on the number of processes, and the
        counts are added in order.
        """
        broadcast_buffers(self.eval_model)
        accelerator, size = self.accelerator, self.params.batch_size
        positions = self.store.positions("val")
        starts = np.arange(0, len(positions), size)
        mine: list[int] = []
        for start in np.array_split(starts, accelerator.num_processes)[accelerator.process_index]:
            mine += positions[start : start + size]
        titles, min_overlap = self.store.class_titles, self.params.min_overlap
        new_scorer = partial(SplitScorer, titles, (FIXED,), min_overlap)
        losses: list[float] = []
        model = copy_for_inference(self.eval_model, self.precision, self.store.image_size)
        scorer = score_images(new_scorer, self._iter_scored(model, mine, losses))
        total = new_scorer()
        for part in gather_object([scorer]):
            total.merge(part)
        return sum(gather_object(losses)) / len(positions), total

    def _iter_scored(
        self, model: SegmentationModel, positions: list[int], losses: list[float]
    ) -> Iterator[Scored]:
        """Yield each image to score; append each batch's loss, times its images, to losses."""
        store, device = self.store, self.accelerator.device
        compute = partial(compute_logits, model, precision=self.precision)
        batches = iter_batches(compute, store, positions, self.params.batch_size, device)
        for members, logits in batches:
            if self.accelerator.num_processes == 1:  # several agree after their steps alone
                self.hook.after_step(self.hook.flags())
            masks = torch.from_numpy(store.masks.take(members))[:, None]  # [N, 1, H, W]
            losses.append(self._loss(pixel_sums(logits, masks)).item() * len(members))
            for position, probs in zip(members, finite_probs(logits), strict=True):
                levels = native_levels(probs, store.letterbox(position))
                image = store.records[position].image
                yield Scored(image, levels, store.class_masks(position))
