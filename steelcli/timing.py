"""How fast the model is, measured on test images: warm, batch of one, device synchronised, medians."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from steelcli.data import letterbox
from steelcli.data.images import channels_first, read_image_bytes
from steelcli.inference import eval_mode, from_levels, native_levels
from steelcli.runtime import autocast
from steelcli.scores.counts import apply_threshold
from steelcli.trained import Trained

WARM_UP = 3
T = TypeVar("T")


def measure_speed(trained: Trained, threshold: float, images: int) -> dict[str, float]:
    """Return ``ms_per_image`` and ``ms_per_image_end_to_end``.

    The first is the forward pass alone, the image already on the device. The second goes from the raw file's bytes, as
    read from disk, to the defect mask at native size: decode, letterbox, forward pass, resize, threshold.
    """
    store, device = trained.store, trained.device
    positions = store.positions("test")[:images]

    def forward(batch: torch.Tensor) -> torch.Tensor:
        with autocast(trained.precision, device):
            logits: torch.Tensor = trained.model(batch)
        return logits

    def to_batch(image: NDArray[np.uint8]) -> torch.Tensor:
        return torch.from_numpy(channels_first(image).copy())[None].to(device)

    def end_to_end(position: int) -> None:
        box = store.letterbox(position)
        image = read_image_bytes(store.original(position), store.color, store.records[position].image)
        batch = to_batch(letterbox.apply_to_image(image, box))
        apply_threshold(from_levels(native_levels(forward(batch)[0], box)), threshold)

    batches = [to_batch(store.images[position]) for position in positions]
    with eval_mode(trained.model), torch.inference_mode():
        return {
            "ms_per_image": _median_ms(forward, batches, device),
            "ms_per_image_end_to_end": _median_ms(end_to_end, positions, device),
        }


def _median_ms(run: Callable[[T], object], items: Sequence[T], device: torch.device) -> float:
    """Time ``run`` on each item after a warm-up; milliseconds."""
    milliseconds = []
    for item in [*items[:1]] * WARM_UP + [*items]:
        _synchronise(device)
        started = time.perf_counter()
        run(item)
        _synchronise(device)
        milliseconds.append(1000 * (time.perf_counter() - started))
    return statistics.median(milliseconds[WARM_UP:])


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
