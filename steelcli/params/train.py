"""Section ``train``: optimiser, schedule, sampling and what is kept."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from steelcli.params.augment import AugmentParams
from steelcli.params.section import Count, Float, Section, Whole

Positive = Annotated[Float, Field(gt=0)]
Weight = Annotated[Float, Field(ge=0)]
Monitor = Literal["dice", "iou", "dice_defect", "f1"]
Tracker = Literal["wandb", "mlflow", "tensorboard", "dvclive"]


class TrainParams(Section):
    lr: Positive
    """Learning rate at the start of each cosine period."""
    min_lr: Weight
    """Learning rate at the end of each cosine period."""
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    """Seed of weights, sampling and augmentation."""
    epochs: Count
    """Passes over the training split at most."""
    batch_size: Count
    """Images per forward pass, over all processes together."""
    accumulate_steps: Count
    """Forward passes whose gradients are averaged into one step of the optimiser."""
    processes: Annotated[int, Field(ge=1, le=1024)]
    """Processes that share each batch: one for each GPU, or on a CPU one for some of the cores."""
    sync_batchnorm: bool
    """Whether several processes normalise by the whole batch, as one process does."""
    weight_decay: Weight
    """Decoupled weight decay of AdamW."""
    decay_norm_and_bias: bool
    """Whether biases and normalisation parameters decay as well."""
    max_grad_norm: Positive
    """Largest L2 norm of the gradient; larger ones are scaled down to it."""
    patience: Count
    """Epochs without a better monitor before training stops; after a restart of the schedule
    the first half of the period does not count."""
    monitor: Monitor
    """Validation score, at its best threshold, that the tested checkpoint is best by."""
    precision: Literal["auto", "fp32", "bf16", "fp16"]
    """Number format of the forward pass; auto: bf16 in hardware, else fp16 on CUDA, else fp32."""
    channels_last: bool
    """Whether weights and images lie in memory channel by channel of a pixel (NHWC)."""
    deterministic: bool
    """Whether to use deterministic kernels alone."""
    balance: bool
    """Whether an epoch draws as many images with a defect as without; false draws each once."""
    bce_weight: Weight
    """Weight of binary cross-entropy in the loss."""
    dice_weight: Weight
    """Weight of the batch Dice loss in the loss."""
    dice_smooth: Positive
    """Constant, in pixels, added to numerator and denominator of the Dice loss."""
    restart_epochs: Count
    """Length of the first cosine period, epochs."""
    restart_mult: Count
    """Factor by which each next cosine period is longer."""
    warmup_epochs: Weight
    """Epochs, whole or not, over which the learning rate first rises to ``lr``."""
    ema_decay: Annotated[Float, Field(ge=0, lt=1)]
    """Decay per step of the averaged weights that are validated and saved; 0: no averaging."""
    save_every_minutes: Positive
    """Minutes between saves of the state within an epoch; every epoch's end saves it too."""
    checkpoint_every_epochs: Whole
    """Epochs between checkpoints kept for good; 0 keeps none."""
    workers: Annotated[int, Field(ge=0, le=64)] | Literal["auto"]
    """Processes that load images; 0: the training process does; auto: beside a GPU as many as there
    are other cores, at most 8, else 0. Results do not depend on it."""
    min_overlap: Annotated[Float, Field(gt=0, le=1)]
    """Share of a component's pixels that makes it found, or true, in the csv of the epochs."""
    trackers: tuple[Tracker, ...]
    """Experiment trackers that receive every epoch beside the csv."""
    augment: AugmentParams
