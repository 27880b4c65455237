"""How fast the model is: medians over test images, batch 1, warm, device synchronised."""

from __future__ import annotations

import statistics
import time

import torch

from steelcli.data.images.decode import read_image_bytes
from steelcli.data.store import letterbox
from steelcli.data.types import channels_first
from steelcli.model.inference import native_levels, predict
from steelcli.model.trained_model import Trained
from steelcli.scores.counts import OperatingPoint, cut

WARM_UP = 3
"""Runs before the clock starts."""


def measure_speed(
    trained: Trained, point: OperatingPoint, flip_tta: bool, images: int
) -> dict[str, float]:
    """Return ``ms_per_image`` and ``ms_per_image_end_to_end``.

    The first is the forward pass alone, or the two of ``flip_tta``, the image already on the
    device. The second goes from the raw file's bytes, as read from disk, to the defect mask at
    native size: decode, letterbox, forward pass, resize, threshold. Both are clocked in the same
    runs, so that the part never takes longer than the whole.
    """
    positions = trained.store.positions("test")[:images]
    with torch.inference_mode():
        for _ in range(WARM_UP):
            _clock(trained, point, flip_tta, positions[0])
        times = [_clock(trained, point, flip_tta, position) for position in positions]
    return {
        "ms_per_image": statistics.median(forward for forward, _ in times),
        "ms_per_image_end_to_end": statistics.median(whole for _, whole in times),
    }


def _clock(
    trained: Trained, point: OperatingPoint, flip_tta: bool, position: int
) -> tuple[float, float]:
    """Return the milliseconds of the forward pass, and of the way from the file to the mask."""
    store, device = trained.store, trained.device
    raw, box = store.original(position), store.letterbox(position)
    started = _now(device)
    image = read_image_bytes(raw, store.color, store.records[position].image)
    batch = torch.from_numpy(channels_first(letterbox.apply_to_image(image, box)))[None].to(device)
    ready = _now(device)
    probs = predict(trained.model, batch, trained.precision, flip_tta)
    forwarded = _now(device)
    cut(native_levels(probs[0], box), point)
    return 1000 * (forwarded - ready), 1000 * (_now(device) - started)


def _now(device: torch.device) -> float:
    """Wait until the device has finished, then return the time in seconds."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
