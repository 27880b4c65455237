"""How far a run is, with the sums of its steps and the figures still on their way from a GPU."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from steelcli.common.errors import RunError

MAX_LATE_STEPS = 8
"""Steps whose figures may be on their way from a GPU. The number is fixed, so that all processes
of a training meet a loss that is not finite after the same step."""


@dataclass
class Position:
    """How far the run is, and the sums of the current epoch.

    Attributes:
        epoch: the current one, 1-based.
        step: steps done in it.
        loss, grad_norm: summed over these steps.
        images: number of images in these steps.
        seconds: wall time of these steps.
    """

    epoch: int = 1
    step: int = 0
    loss: float = 0.0
    grad_norm: float = 0.0
    images: int = 0
    seconds: float = 0.0


class LateFigures:
    """Losses and gradient norms of the last steps, which no step waits for on a GPU.

    Args:
        images: the name of each image of the store.
        max_late: steps whose figures may be on their way; 0 where the device is the host.
    """

    def __init__(self, images: Sequence[str], max_late: int) -> None:
        self._images, self.max_late = images, max_late
        self._steps: deque[_Step] = deque()

    def add(
        self,
        place: str,
        losses: Sequence[torch.Tensor],
        norm: torch.Tensor,
        members: Sequence[torch.Tensor],
    ) -> None:
        """Begin to copy the figures of one step to the host.

        Args:
            place: epoch and step in words.
            losses: of each pass, float32 scalars.
            norm: float32 scalar.
            members: store positions of each pass, int64 [N].
        """
        figures = torch.stack([*losses, norm]).to("cpu", non_blocking=True)
        copied = None
        if norm.device.type == "cuda":
            copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            copied.record()
        self._steps.append(_Step(place, tuple(members), figures, copied))

    def settle(self, position: Position, max_late: int = 0) -> None:
        """Add the figures to the position's sums, but for those of the last ``max_late`` steps.

        Raises:
            RunError: a loss that is not finite.
        """
        while len(self._steps) > max_late:
            step = self._steps.popleft()
            *losses, norm = step.read()
            total = 0.0
            for loss, members in zip(losses, step.members, strict=True):
                if not math.isfinite(loss):
                    names = [self._images[member] for member in members.tolist()]
                    raise not_finite(loss, f"{step.place}, images {', '.join(names)}")
                total += loss / len(losses)
            position.loss += total
            position.grad_norm += norm

    def forget(self) -> None:
        """Drop the figures of a run that goes on from a saved state."""
        self._steps.clear()


@dataclass(frozen=True)
class _Step:
    place: str
    members: tuple[torch.Tensor, ...]
    figures: torch.Tensor
    copied: torch.cuda.Event | None

    def read(self) -> list[float]:
        """Return the losses and, last, the norm, once they have arrived."""
        if self.copied is not None:
            self.copied.synchronize()
        return [float(figure) for figure in self.figures.tolist()]


def not_finite(loss: float, where: str) -> RunError:
    """Return the error of a loss that is not finite."""
    return RunError(f"the loss is {loss}", where, "lower train.lr, or set train.precision to fp32")
