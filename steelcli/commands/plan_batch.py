"""What the machine can train: number format, batch size, loading processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import psutil
import torch

from steelcli.commands.examine_machine import GIB
from steelcli.commands.plan_choices import Choices
from steelcli.commands.plan_network import build_random_frame, build_with
from steelcli.common.cores import count_cores
from steelcli.model.device import autocast, describe_device, pick_device, resolve_precision
from steelcli.params.model import ModelParams
from steelcli.params.train import TrainParams
from steelcli.training.losses import loss_of_sums, pixel_sums
from steelcli.training.optimizer import build_optimizer

BASE_BYTES = GIB
"""Of a process that trains, beside what its images and weights take; measured: half of it."""
FREE_SHARE = 0.5
"""Of the free memory of a CPU's machine that a training may take."""
GPU_SHARE = 0.9
"""Of the free memory of a GPU."""
MIN_STEPS = 8
"""Steps that an epoch should have."""
MIN_BATCH = 2


def describe_machine() -> str:
    """Return device, cores and memory in words."""
    memory = psutil.virtual_memory().total / GIB
    return f"{describe_device(pick_device())}, {count_cores()} cores, {memory:.0f} GiB of memory"


def plan_precision(choices: Choices) -> None:
    """Choose the number format: always auto, which knows the hardware."""
    device = pick_device()
    meant = resolve_precision("auto", device)
    choices.choose("train.precision", "auto", f"it is {meant} on this {describe_device(device)}")


def plan_batch(choices: Choices, train_images: int) -> None:
    """Choose the batch size: the config's, which its learning rate goes with, or what fits.

    Args:
        train_images: images of the training split.
    """
    size = choices.params.train.batch_size
    if choices.is_given("train.batch_size"):
        return
    passes = choices.params.train.accumulate_steps
    while size > MIN_BATCH and train_images // size // passes < MIN_STEPS:
        size //= 2
    steps = train_images // size // passes or 1
    reason = f"{steps} steps an epoch of {train_images} training images"
    if pick_device().type == "cuda":
        fitting, said = _fit(size, _make_gpu_trial(choices))
    else:
        fitting, said = _fit(size, _make_estimate(choices))
    if fitting < size:  # smaller passes, steps as large
        passes *= size // fitting
        reason_passes = f"steps as large as with a batch of {size}, which does not fit"
        choices.choose("train.accumulate_steps", passes, reason_passes)
    choices.choose("train.batch_size", fitting, f"{reason}; {said}")


def plan_workers(choices: Choices) -> None:
    """Choose no more loading processes than there are cores beside the training's."""
    wanted, cores = choices.params.train.workers, count_cores()
    if wanted != "auto" and wanted:
        choices.choose("train.workers", min(wanted, cores - 1), f"of {cores} cores")


def _fit(size: int, fits: Callable[[int], tuple[bool, str]]) -> tuple[int, str]:
    """Halve a batch size until it fits, or is 1; return it and what was found out about it."""
    fit, said = fits(size)
    while not fit and size > 1:
        size //= 2
        fit, said = fits(size)
    return size, said


def _make_estimate(choices: Choices) -> Callable[[int], tuple[bool, str]]:
    """Return what tells whether a batch fits a CPU's memory, by the tensors kept for backward."""
    params = choices.params
    image, weights = count_kept_bytes(params.model, params.data.image_size)
    if resolve_precision(params.train.precision, pick_device()) != "fp32":
        image //= 2
    free = psutil.virtual_memory().available

    def fits(size: int) -> tuple[bool, str]:
        # weights, gradients, two moments of AdamW
        needed = size * image + 4 * weights + BASE_BYTES
        says = f"about {needed / GIB:.1f} GiB, {free / GIB:.1f} are free"
        return needed <= FREE_SHARE * free, says

    return fits


def count_kept_bytes(model: ModelParams, image_size: tuple[int, int]) -> tuple[int, int]:
    """Return the bytes that a step in fp32 keeps of one image for its backward pass, and those of
    the weights. Nothing is computed: the tensors have shapes alone."""
    frame = build_random_frame(model).train()
    weights = {tensor.untyped_storage()._cdata: tensor for tensor in frame.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    width, height = image_size
    # two, for batch normalisation wants several values a channel
    shape, device = (2, 1, height, width), next(frame.parameters()).device
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        frame(torch.zeros(shape, dtype=torch.uint8, device=device))
    images = [tensor for storage, tensor in kept.items() if storage not in weights]
    return _count_bytes(images) // 2, _count_bytes(weights.values())


def _count_bytes(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors)


def _make_gpu_trial(choices: Choices) -> Callable[[int], tuple[bool, str]]:
    """Return what tells whether a batch fits the GPU, by two real steps."""
    params, device = choices.params, pick_device()
    free, _ = torch.cuda.mem_get_info(device)

    def fits(size: int) -> tuple[bool, str]:
        torch.cuda.reset_peak_memory_stats(device)
        try:
            take_steps(params.model, params.train, params.data.image_size, size, device)
        except torch.OutOfMemoryError:
            return False, f"{size} images do not fit {free / GIB:.1f} GiB"
        finally:
            peak = torch.cuda.max_memory_reserved(device)
            torch.cuda.empty_cache()
        says = f"two steps took {peak / GIB:.1f} GiB, {free / GIB:.1f} were free"
        return peak <= GPU_SHARE * free, says

    return fits


def take_steps(
    model_params: ModelParams,
    params: TrainParams,
    image_size: tuple[int, int],
    size: int,
    device: torch.device,
) -> float:
    """Take two steps of the network, with random weights, on black images; return the last loss.

    Args:
        size: images in a batch.
    """
    model = build_with(model_params, None).to(device).train()
    optimizer = build_optimizer(model, params, device)
    width, height = image_size
    images = torch.zeros((size, 1, height, width), dtype=torch.uint8, device=device)
    precision = resolve_precision(params.precision, device)
    for _ in range(2):
        with autocast(precision, device):
            logits = model(images)
        sums = pixel_sums(logits, torch.zeros_like(images).cpu())
        loss = loss_of_sums(sums, params.bce_weight, params.dice_weight, params.dice_smooth)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
    return float(loss.detach())
