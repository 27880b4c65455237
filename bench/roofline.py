"""How much of what the machine can compute a network uses, in training and at rest.

The operations of a forward pass are counted by torch, multiplication and addition apart; a training
step is taken for three of them, as the backward pass computes two products for each of the forward.
The *peak* is that of a product of two large matrices, measured here in the same number format.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.data import PARAMS_FILES, read_network
from bench.figure import Figure
from bench.timing import interleave, spread
from bench.training import BATCHES
from steelcli.common.memory import keep_freed_memory
from steelcli.model.device import autocast, pick_device, resolve_precision
from steelcli.model.network import SegmentationModel, build_model
from steelcli.model.normalisation import resolve_normalisation
from steelcli.params.all import Params
from steelcli.training.losses import loss_of_sums, pixel_sums

SIDE = 3072
"""Of the matrices."""
ROUNDS = 5
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def measure(work_dir: Path) -> list[Figure]:  # noqa: ARG001
    """Return the share of the peak of both networks."""
    keep_freed_memory()
    return [figure for name in PARAMS_FILES for figure in _measure_network(name)]


def _measure_network(name: str) -> list[Figure]:
    params, device = read_network(name), pick_device()
    precision = resolve_precision(params.train.precision, device)
    network = resolve_normalisation(params.model)
    model = build_model(**network.model_dump(), channels_last=params.train.channels_last)
    model.to(device)
    width, height = params.data.image_size
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (BATCHES[name], 1, height, width), np.uint8)
    images = torch.from_numpy(pixels).to(device)
    matrix = torch.randn(SIDE, SIDE, dtype=TYPES[precision], device=device)
    work: dict[str, Callable[[], object]] = {
        "a training step": partial(_train, model, params, precision, images),
        "at rest, batch 1": partial(_rest, model, precision, images[:1]),
    }
    forward = count_operations(work["at rest, batch 1"])
    counts = dict(zip(work, (3 * len(images) * forward, forward), strict=True))
    ways: dict[str, Callable[[], object]] = {"peak": partial(torch.mm, matrix, matrix), **work}
    seconds = interleave({way: partial(_finish, run) for way, run in ways.items()}, ROUNDS)
    peak = 2 * SIDE**3 / statistics.median(seconds["peak"])
    figures = []
    for way, count in counts.items():
        shares = [count / taken / peak for taken in seconds[way]]
        absolute = {
            "GFLOP": count / 1e9,
            "ms": 1000 * statistics.median(seconds[way]),
            "peak GFLOP/s": peak / 1e9,
        }
        note = f"{width}×{height}, {precision}; batch {len(images)} in training"
        label = f"share of the peak, {way}, {name} network"
        figures.append(Figure(label, spread(shares), unit="", absolute=absolute, note=note))
    return figures


def count_operations(run: Callable[[], object]) -> int:
    """Return the floating point operations of a call, a multiplication and an addition being two.

    Those of convolutions and matrix products: torch counts no others.
    """
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


def _finish(run: Callable[[], object]) -> None:
    """Run, and wait for the device."""
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _train(model: SegmentationModel, params: Params, precision: str, images: torch.Tensor) -> None:
    """Take a step but for the optimiser."""
    model.train()
    with autocast(precision, images.device):
        logits = model(images)
    train = params.train
    weights = train.bce_weight, train.dice_weight, train.dice_smooth
    loss_of_sums(pixel_sums(logits, images // 255), *weights).backward()  # type: ignore[no-untyped-call]
    model.zero_grad()


def _rest(model: SegmentationModel, precision: str, images: torch.Tensor) -> None:
    model.eval()
    with torch.inference_mode(), autocast(precision, images.device):
        model(images)
