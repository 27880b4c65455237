"""A training step never waits for a GPU.

The step runs on torch's device "meta", whose tensors have shapes and no values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from make_params import model_params, train_params
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from steelcli.data.store.reader import Store
from steelcli.model.network import build_model
from steelcli.training.loader import Batch, TrainLoader
from steelcli.training.loop import Trainer
from steelcli.training.position import MAX_LATE_STEPS

aten = torch.ops.aten
READS = (
    aten._local_scalar_dense.default,
    aten.equal.default,
    aten.is_nonzero.default,
    aten.nonzero.default,
    aten.masked_select.default,
)
"""What waits for the device to know a value or a shape."""
FROM_NUMBERS = (torch.tensor, torch.as_tensor, torch.Tensor.new_tensor)


class CountWaits(TorchDispatchMode):
    """Notes what would wait for a GPU: values that are read, copies that block.

    Attributes:
        waits: in words.
        copies: the types of all that was copied to the device or from it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []
        self.copies: list[torch.dtype] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        values = args[0] if args else None
        picks = func is aten.index.Tensor and any(is_mask(index) for index in args[1])
        if (func in READS or picks) and values.device.type == "meta":
            self.waits.append(str(func))
        if func is aten.copy_.default:
            self.note_copy(args[1], values.device, len(args) > 2 and args[2])
        if func is aten._to_copy.default and kwargs.get("device") is not None:
            self.note_copy(values, kwargs["device"], kwargs.get("non_blocking", False))
            if values.device.type == "meta" and torch.device(kwargs["device"]).type == "cpu":
                return torch.zeros(values.shape, dtype=values.dtype)
        return func(*args, **kwargs)

    def note_copy(self, values: torch.Tensor, device: Any, lags: bool) -> None:
        if torch.device(device).type != values.device.type:
            self.copies.append(values.dtype)
            if not lags:
                self.waits.append(f"copy of {values.dtype} to {device}")


def is_mask(index: torch.Tensor | None) -> bool:
    """Tell whether an index picks what is true, so that its shape must be known."""
    return index is not None and index.dtype in (torch.bool, torch.uint8)


class NoteNumbers(TorchFunctionMode):
    """Notes numbers that become tensors on the device, which blocks as a copy does."""

    def __init__(self, waits: list[str]) -> None:
        self.waits = waits

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in FROM_NUMBERS and result.device.type == "meta":
            self.waits.append(func.__name__)
        return result


@pytest.fixture
def trainer(store_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trainer]:
    store = Store(store_dir)
    params = train_params(accumulate_steps=2, ema_decay=0.9)
    loader = TrainLoader(store, params.augment, 4, True, 42, 0)
    AcceleratorState._reset_state()
    accelerator = Accelerator(cpu=True)
    monkeypatch.setattr(Accelerator, "device", torch.device("meta"))
    model = build_model(**model_params().model_dump(), channels_last=True)
    trainer = Trainer(accelerator, model, loader, store, params, "fp32")
    trainer.late.max_late = MAX_LATE_STEPS
    trainer.model.train()
    yield trainer
    AcceleratorState._reset_state(True)


def batches() -> Iterator[Batch]:
    while True:
        images = torch.zeros(4, 1, 64, 256, dtype=torch.uint8)
        yield images, images, torch.arange(4)


def test_no_step_waits_for_the_device(trainer: Trainer) -> None:
    with CountWaits():
        trainer._step(batches())  # the optimiser's first step makes its state
    steps = MAX_LATE_STEPS + 2
    with CountWaits() as counted, NoteNumbers(counted.waits):
        for _ in range(steps):
            trainer._step(batches())
    assert counted.waits == []
    # images and masks of two passes, then the figures
    assert counted.copies == [*[torch.uint8] * 4, torch.float32] * steps


WAITS: Sequence[Callable[[torch.Tensor], Any]] = (
    lambda values: values.cpu(),
    lambda values: values.new_tensor(1.0),
    lambda values: torch.tensor(1.0, device=values.device),
    lambda values: values.copy_(torch.zeros(3)),
    lambda values: torch.zeros(3).to(values.device),
    lambda values: values.sum().item(),
    lambda values: float(values[0]),
    lambda values: values[values > 0],
    lambda values: bool(values.any()),
    lambda values: values.tolist(),
)


@pytest.mark.parametrize("act", WAITS)
def test_the_guard_sees_what_waits(act: Callable[[torch.Tensor], Any]) -> None:
    values = torch.zeros(3, device="meta")
    with (
        CountWaits() as counted,
        NoteNumbers(counted.waits),
        suppress(RuntimeError, NotImplementedError),  # there is no value
    ):
        act(values)
    assert counted.waits
