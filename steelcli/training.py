"""The training loop: a generator of epoch results. Logging, checkpoints and early stopping belong to its caller."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from accelerate import Accelerator
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts
from torch.utils.data import DataLoader

from steelcli.data.loader import EpochSampler
from steelcli.data.store import Store
from steelcli.errors import RunError
from steelcli.inference import eval_mode, from_levels, iter_logits, native_levels
from steelcli.losses import bce_dice_loss
from steelcli.params.train import TrainParams
from steelcli.progress import track
from steelcli.scores.parallel import Scored, score_images
from steelcli.scores.scorer import SplitScorer

FIXED_THRESHOLD = 0.5
MIN_OVERLAP = 0.1  # of the epoch's FROC column; `evaluate` has its own parameter, which may not make training stale


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
        seconds: wall time of the epoch, validation included.
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


def build_optimizer(model: nn.Module, params: TrainParams, device: torch.device) -> torch.optim.AdamW:
    """Return AdamW; biases and normalisation parameters decay only under ``decay_norm_and_bias``."""
    decayed = [p for p in model.parameters() if params.decay_norm_and_bias or p.ndim > 1]
    others = [p for p in model.parameters() if not params.decay_norm_and_bias and p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": params.weight_decay}, {"params": others, "weight_decay": 0.0}]
    fused = device.type in ("cpu", "cuda")
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=params.lr, fused=fused)


def build_scheduler(optimizer: torch.optim.Optimizer, params: TrainParams) -> CosineAnnealingWarmRestarts:
    """Return cosine annealing with warm restarts (Loshchilov & Hutter 2017, eq. 5), stepped in fractions of epochs."""
    return CosineAnnealingWarmRestarts(optimizer, params.restart_epochs, params.restart_mult, eta_min=params.min_lr)


class Trainer:
    """Model, optimiser and schedule of one run, and the one step that training and validation share."""

    def __init__(
        self,
        accelerator: Accelerator,
        model: nn.Module,
        loader: DataLoader[tuple[torch.Tensor, torch.Tensor]],
        sampler: EpochSampler,
        store: Store,
        params: TrainParams,
        precision: str,
    ) -> None:
        self.accelerator, self.store, self.sampler, self.params = accelerator, store, sampler, params
        self.precision = precision
        model = model.to(accelerator.device)
        optimizer = build_optimizer(model, params, accelerator.device)
        self.scheduler = build_scheduler(optimizer, params)
        self.model, self.optimizer, self.loader = accelerator.prepare(model, optimizer, loader)

    def iter_epochs(self, first: int, last: int) -> Iterator[EpochResult]:
        """Train from epoch ``first`` to ``last`` (1-based, inclusive), yielding after each one's validation.

        Raises:
            RunError: a loss that is not finite.
        """
        for epoch in range(first, last + 1):
            started = time.perf_counter()
            learning_rate = float(self.optimizer.param_groups[0]["lr"])
            train_loss, grad_norm, images = self._train_epoch(epoch)
            train_seconds = time.perf_counter() - started
            val_loss, scorer = self._validate()
            self._check_finite(val_loss, f"validation of epoch {epoch}")
            seconds = time.perf_counter() - started
            yield EpochResult(
                epoch, train_loss, val_loss, scorer, learning_rate, grad_norm, seconds, train_seconds, images
            )

    @staticmethod
    def _check_finite(loss: float, where: str) -> None:
        if not math.isfinite(loss):
            raise RunError(f"the loss is {loss}", where, "lower train.lr, or set train.precision to fp32")

    def _loss(self, logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        params = self.params
        return bce_dice_loss(logits, masks, params.bce_weight, params.dice_weight, params.dice_smooth)

    def _train_epoch(self, epoch: int) -> tuple[float, float, int]:
        """Return the mean loss, the mean gradient norm and the number of images."""
        self.sampler.epoch = epoch
        self.model.train()
        losses, norms, seen, steps = 0.0, 0.0, 0, len(self.loader)
        for step, (images, masks) in enumerate(track(self.loader, f"epoch {epoch}", steps), start=1):
            loss = self._loss(self.model(images), masks)
            value = loss.item()
            self._check_finite(value, f"epoch {epoch}, step {step}")
            self.accelerator.backward(loss)
            norm = self.accelerator.clip_grad_norm_(self.model.parameters(), self.params.max_grad_norm)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.scheduler.step(epoch - 1 + step / steps)
            losses, norms, seen = losses + value, norms + float(norm), seen + len(images)
        return losses / steps, norms / steps, seen

    def _validate(self) -> tuple[float, SplitScorer]:
        """Score the validation split at native size; return the mean loss and the counts."""
        store, device = self.store, self.accelerator.device
        positions = store.positions("val")
        total = 0.0

        def iter_images() -> Iterator[Scored]:
            nonlocal total
            batches = iter_logits(self.model, store, positions, self.params.batch_size, device, self.precision)
            for members, logits in batches:
                masks = torch.from_numpy(store.masks[members])[:, None]  # [N, 1, H, W]
                total += self._loss(logits, masks).item() * len(members)
                for position, image_logits in zip(members, logits, strict=True):
                    probs = from_levels(native_levels(image_logits, store.letterbox(position)))
                    yield store.records[position].image, probs, store.class_masks(position)

        with eval_mode(self.model):
            new_scorer = partial(SplitScorer, store.class_titles, (FIXED_THRESHOLD,), MIN_OVERLAP, 0)
            scorer = score_images(new_scorer, iter_images())
        return total / len(positions), scorer
