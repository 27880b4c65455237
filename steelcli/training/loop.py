"""The training loop: a generator of epoch results. Logging, checkpoints and early stopping belong
to its caller."""

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
from torch import nn
from torch.optim.swa_utils import AveragedModel

from steelcli.common.errors import RunError
from steelcli.common.progress import track
from steelcli.data.store.reader import Store
from steelcli.model.inference import eval_mode, iter_logits, native_levels
from steelcli.model.network import SegmentationModel
from steelcli.model.seeds import random_state, restore_random_state
from steelcli.params.train import TrainParams
from steelcli.scores.parallel import Scored, score_images
from steelcli.scores.scorer import SplitScorer
from steelcli.scores.threshold import FIXED_THRESHOLD
from steelcli.training.distributed import broadcast_buffers, sum_over_processes, synced_batchnorm
from steelcli.training.loader import Batch, TrainLoader
from steelcli.training.losses import loss_of_sums, pixel_sums
from steelcli.training.schedule import learning_rate


@dataclass(frozen=True)
class EpochResult:
    """Figures of one epoch.

    Attributes:
        epoch: 1-based.
        train_loss: mean over the epoch's steps.
        val_loss: mean over the validation images, batch Dice by batch.
        scorer: counts over the validation split at native size.
        learning_rate: in force at the first step.
        grad_norm: mean L2 norm of the gradient before clipping.
        seconds: wall time of the epoch, validation included, interruptions not.
        train_seconds: wall time of the epoch's training steps.
        train_images: images the steps took.
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


@dataclass
class Progress:
    """How far the run is, and the sums of the epoch under way.

    Attributes:
        epoch: 1-based epoch under way.
        step: steps done in it.
        loss, grad_norm: summed over these steps.
        images: the steps have taken.
        seconds: wall time of the steps.
    """

    epoch: int = 1
    step: int = 0
    loss: float = 0.0
    grad_norm: float = 0.0
    images: int = 0
    seconds: float = 0.0


def build_optimizer(
    model: nn.Module, params: TrainParams, device: torch.device
) -> torch.optim.AdamW:
    """Return AdamW; biases and normalisation parameters decay only under
    ``decay_norm_and_bias``."""
    decayed = [p for p in model.parameters() if params.decay_norm_and_bias or p.ndim > 1]
    others = [p for p in model.parameters() if not params.decay_norm_and_bias and p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": params.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    fused = device.type in ("cpu", "cuda")
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=params.lr, fused=fused
    )


def build_average(model: SegmentationModel, decay: float) -> AveragedModel:
    """Return the exponential moving average of the weights; its decay grows as (1 + n) / (10 + n)
    with the steps n."""

    def average(mean: torch.Tensor, now: torch.Tensor, steps: torch.Tensor | int) -> torch.Tensor:
        return mean.lerp(now, 1 - min(decay, (1 + int(steps)) / (10 + int(steps))))

    return AveragedModel(model, avg_fn=average)


class Watch:
    """What the loop consults after each step; this one never interferes."""

    def wishes(self) -> list[int]:
        """Return what this process wishes for, one number each; the processes' numbers are added
        up."""
        return []

    def heed(self, wishes: list[int]) -> None:
        """Act on the sums, the same on every process; it may save the trainer's state and raise."""


class Trainer:
    """Model, optimiser and position of one run, and the one step that training and validation
    share."""

    def __init__(
        self,
        accelerator: Accelerator,
        model: SegmentationModel,
        loader: TrainLoader,
        store: Store,
        params: TrainParams,
        precision: str,
        watch: Watch | None = None,
    ) -> None:
        self.accelerator, self.store, self.loader, self.params = accelerator, store, loader, params
        self.precision, self.watch = precision, watch or Watch()
        self.progress = Progress()
        self.plain = model.to(accelerator.device)
        self.average = build_average(self.plain, params.ema_decay) if params.ema_decay else None
        optimizer = build_optimizer(self.plain, params, accelerator.device)
        self.model, self.optimizer = accelerator.prepare(self.plain, optimizer)
        self.steps = max(1, len(loader) // params.accumulate_steps)

    @property
    def judged(self) -> SegmentationModel:
        """The network that is validated and saved: the one trained, or its moving average."""
        if self.average is None:
            return self.plain
        return cast(SegmentationModel, self.average.module)

    def state(self) -> dict[str, Any]:
        """Return all that decides how the run goes on, in tensors and plain types; every process
        must call it."""
        scaler = self.accelerator.scaler
        return {
            "progress": asdict(self.progress),
            "model": self.plain.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "optimizer": self.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler else None,
            "random": gather_object([random_state()]),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the run where ``state`` was taken, bit for bit."""
        self.progress = Progress(**state["progress"])
        self.plain.load_state_dict(state["model"])
        if self.average:
            self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.accelerator.scaler:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        restore_random_state(state["random"][self.accelerator.process_index])

    def iter_epochs(self, last: int) -> Iterator[EpochResult]:
        """Train on to epoch ``last`` (1-based, inclusive), yielding after each one's validation.

        Raises:
            RunError: a loss that is not finite.
        """
        while self.progress.epoch <= last:
            epoch = self.progress.epoch
            self._train_epoch()
            done, started = self.progress, time.perf_counter()
            val_loss, scorer = self._validate()
            if not math.isfinite(val_loss):
                raise _not_finite(val_loss, f"validation of epoch {epoch}")
            self.progress = Progress(epoch + 1)
            yield EpochResult(
                epoch,
                done.loss / self.steps,
                val_loss,
                scorer,
                learning_rate(self.params, (epoch - 1) * self.steps, self.steps),
                done.grad_norm / self.steps,
                done.seconds + time.perf_counter() - started,
                done.seconds,
                done.images,
            )

    def _train_epoch(self) -> None:
        progress = self.progress
        if progress.step == self.steps:
            return  # the interruption fell into the validation
        self.model.train()
        self.loader.seek(progress.epoch, progress.step * self.params.accumulate_steps)
        batches = iter(self.loader)
        for step in track(
            range(progress.step, self.steps), f"epoch {progress.epoch}", self.steps - progress.step
        ):
            started = time.perf_counter()
            done = (progress.epoch - 1) * self.steps + step
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate(self.params, done, self.steps)
            wishes = self._step(batches)
            progress.step = step + 1
            progress.seconds += time.perf_counter() - started
            self.watch.heed(wishes)

    def _step(self, batches: Iterator[Batch]) -> list[int]:
        """Take one step of the optimiser; return the wishes of all processes."""
        passes = min(self.params.accumulate_steps, len(self.loader))
        total = 0.0
        for index in range(passes):
            last = index == passes - 1
            with nullcontext() if last else self.accelerator.no_sync(self.model):
                loss, wishes = self._pass(next(batches), passes)
            total += loss / passes
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), self.params.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.average:
            self.average.update_parameters(self.plain)
        self.progress.loss += total
        self.progress.grad_norm += float(norm)
        return wishes

    def _pass(self, batch: Batch, passes: int) -> tuple[float, list[int]]:
        """Go forward and backward; return the loss of the whole batch and the wishes of all
        processes."""
        images, masks, members = batch
        device = self.accelerator.device
        with synced_batchnorm(self.params.sync_batchnorm):
            logits = self.model(images.to(device, non_blocking=True))
            sums = pixel_sums(logits, masks)
            sums, (taken, *wishes) = sum_over_processes(sums, [len(images), *self.watch.wishes()])
            loss = self._loss(sums)
            value = loss.item()
            if not math.isfinite(value):
                progress = self.progress
                names = ", ".join(
                    self.store.records[position].image for position in members.tolist()
                )
                raise _not_finite(
                    value, f"epoch {progress.epoch}, step {progress.step + 1}, images {names}"
                )
            self.progress.images += taken
            # Processes average their gradients; times their number, these are the gradients of the
            # loss of the sums.
            self.accelerator.backward(loss * (self.accelerator.num_processes / passes))
        return value, wishes

    def _loss(self, sums: torch.Tensor) -> torch.Tensor:
        params = self.params
        return loss_of_sums(sums, params.bce_weight, params.dice_weight, params.dice_smooth)

    def _validate(self) -> tuple[float, SplitScorer]:
        """Score the validation split at native size; return the mean loss and the counts.

        Each process takes whole batches, the same ones whatever their number, and the counts are
        added in order.
        """
        broadcast_buffers(self.judged)
        positions, size = self.store.positions("val"), self.params.batch_size
        batches = [positions[start : start + size] for start in range(0, len(positions), size)]
        share = np.array_split(np.arange(len(batches)), self.accelerator.num_processes)[
            self.accelerator.process_index
        ]
        mine = [position for index in share for position in batches[index]]
        titles, min_overlap = self.store.class_titles, self.params.min_overlap
        new_scorer = partial(SplitScorer, titles, (FIXED_THRESHOLD,), min_overlap, 0)
        losses: list[float] = []
        with eval_mode(self.judged):
            scorer = score_images(new_scorer, self._iter_scored(mine, losses))
        total = new_scorer()
        for part in gather_object([scorer]):
            total.merge(part)
        return sum(gather_object(losses)) / len(positions), total

    def _iter_scored(self, positions: list[int], losses: list[float]) -> Iterator[Scored]:
        """Yield each image to score; append each batch's loss, times its images, to losses."""
        store, device = self.store, self.accelerator.device
        batches = iter_logits(
            self.judged, store, positions, self.params.batch_size, device, self.precision
        )
        for members, logits in batches:
            if self.accelerator.num_processes == 1:  # several agree after their steps alone
                self.watch.heed(self.watch.wishes())
            masks = torch.from_numpy(store.masks[members])[:, None]  # [N, 1, H, W]
            losses.append(self._loss(pixel_sums(logits, masks)).item() * len(members))
            for position, image_logits in zip(members, logits, strict=True):
                levels = native_levels(image_logits, store.letterbox(position))
                image = store.records[position].image
                yield Scored(image, levels, store.class_masks(position))


def _not_finite(loss: float, where: str) -> RunError:
    return RunError(f"the loss is {loss}", where, "lower train.lr, or set train.precision to fp32")
