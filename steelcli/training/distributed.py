"""Several processes on one batch: sums and batch normalisation over all of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode


def world_size() -> int:
    """Return the number of processes that torchrun started, 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_process() -> bool:
    """Return whether this process is the one that writes."""
    return int(os.environ.get("RANK", "0")) == 0


def is_first_of_node() -> bool:
    """Return whether this process is the first one on its machine."""
    return int(os.environ.get("LOCAL_RANK", "0")) == 0


def sum_over_processes(
    sums: torch.Tensor, numbers: Sequence[int]
) -> tuple[torch.Tensor, list[int]]:
    """Add up sums float32 [S] and whole numbers of all processes.

    The gradient of the result flows into this process's sums alone; the other processes compute
    their own.
    """
    if not dist.is_initialized():
        return sums, list(numbers)
    own = sums.detach().double()
    totals = torch.cat([own, own.new_tensor(numbers)])
    dist.all_reduce(totals)
    others = totals[: len(sums)] - own
    all_numbers = [int(number) for number in totals[len(sums) :].tolist()]
    return (sums.double() + others).float(), all_numbers


def broadcast_buffers(model: nn.Module) -> None:
    """Give every process the running statistics of the first one."""
    if dist.is_initialized():
        for buffer in model.buffers():
            dist.broadcast(buffer, 0)


def sync_batchnorm_layers(model: nn.Module) -> None:
    """Turn batch normalisation into `torch.nn.SyncBatchNorm`, in place; CUDA only.

    timm's own layers, which hold an activation too, are turned into their synced form.
    """
    import timm.layers

    timm.layers.convert_sync_batchnorm(model)  # type: ignore[attr-defined, no-untyped-call]


@contextmanager
def synced_batchnorm(enabled: bool) -> Iterator[None]:
    """Normalise by the mean and variance over all processes inside the block, on CPUs.

    It stands in for `torch.nn.SyncBatchNorm`, which has no CPU version.
    """
    with _SyncedBatchNorm() if enabled else nullcontext():
        yield


class _SyncedBatchNorm(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is functional.batch_norm:
            return _batch_norm(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _batch_norm(
    values: torch.Tensor,
    running_mean: torch.Tensor | None,
    running_var: torch.Tensor | None,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> torch.Tensor:
    """`functional.batch_norm` of [N, C, ...] in float32; training uses all processes' values."""
    if not training:
        return torch.batch_norm(
            values,
            weight,
            bias,
            running_mean,
            running_var,
            False,
            momentum,
            eps,
            torch.backends.cudnn.enabled,
        )
    channels = values.shape[1]
    flat = values.float().transpose(0, 1).reshape(channels, -1)  # [C, pixels]
    count = flat.new_tensor(flat.shape[1], dtype=torch.float32).reshape(1)
    reduced = _sum(torch.cat([flat.sum(dim=1), count]))
    number, mean = reduced[channels].detach(), reduced[:channels] / reduced[channels].detach()
    centred = flat - mean[:, None]
    var = _sum(centred.square().sum(dim=1)) / number
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            running_var.lerp_((var * number / (number - 1)).to(running_var.dtype), momentum)
    shape = (1, channels, *[1] * (values.ndim - 2))
    scale = torch.rsqrt(var + eps) * (1.0 if weight is None else weight.float())
    shift = -mean * scale + (0.0 if bias is None else bias.float())
    result: torch.Tensor = values.float() * scale.reshape(shape) + shift.reshape(shape)
    return result.to(values.dtype)


class _Sum(torch.autograd.Function):
    """The sum over all processes, whose gradient is the sum of their gradients."""

    @staticmethod
    def forward(_ctx: Any, values: torch.Tensor) -> torch.Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total


def _sum(values: torch.Tensor) -> torch.Tensor:
    total: torch.Tensor = _Sum.apply(values)  # type: ignore[no-untyped-call]
    return total
