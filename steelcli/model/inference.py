"""From the store through the network to probability maps at native size, in 16-bit levels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from steelcli.common.errors import RunError
from steelcli.data.levels import to_levels
from steelcli.data.store import letterbox
from steelcli.data.store.reader import Store
from steelcli.data.types import channels_first
from steelcli.model.device import autocast
from steelcli.model.network import to_probs


# A `with` block around the yield would leave the gradients off in the caller.
@torch.inference_mode()
def iter_batches(
    compute: Callable[[torch.Tensor], torch.Tensor],
    store: Store,
    positions: Sequence[int],
    batch_size: int,
    device: torch.device,
) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Yield each batch's store positions and what ``compute`` makes of its images.

    Args:
        compute: gets uint8 [N, C, H, W] on the device.
    """
    for start in range(0, len(positions), batch_size):
        members = list(positions[start : start + batch_size])
        arrays = [channels_first(store.images[position]) for position in members]
        yield members, compute(torch.from_numpy(np.stack(arrays)).to(device))


def native_levels(probs: torch.Tensor, box: letterbox.Letterbox) -> NDArray[np.uint16]:
    """Turn one image's probabilities [1, H, W] into its map of levels, native [height, width].

    Scores are taken from these levels, so that a saved map scores exactly as it did when it was
    made.
    """
    return to_levels(letterbox.restore(probs[0].cpu().numpy(), box))


def finite_probs(logits: torch.Tensor) -> torch.Tensor:
    """Map logits [N, 1, H, W] to probabilities, float32.

    Raises:
        RunError: logits that are not finite; rounded to levels they would pass for "no defect".
    """
    if not bool(torch.isfinite(logits).all()):
        remedy = "train again with a lower train.lr or in fp32"
        raise RunError("the network's output is not finite", "logits", remedy)
    return to_probs(logits)


def compute_logits(model: nn.Module, images: torch.Tensor, precision: str) -> torch.Tensor:
    """Return the logits, float32 [N, 1, H, W], of images uint8 [N, C, H, W] on the device.

    On a CPU the threads share out the images, not each layer's work: they meet once, at the end.
    """
    threads = torch.get_num_threads()
    parts = images.chunk(threads if images.device.type == "cpu" else 1)
    if len(parts) == 1:
        return _compute_logits(model, images, precision)

    def begin() -> None:
        torch.set_num_threads(threads // len(parts))

    compute = partial(_compute_logits, model, precision=precision)
    try:
        with ThreadPoolExecutor(len(parts), initializer=begin) as pool:
            return torch.cat(list(pool.map(compute, parts)))
    finally:
        torch.set_num_threads(threads)  # what threads that start later begin with


@torch.inference_mode()
def _compute_logits(model: nn.Module, images: torch.Tensor, precision: str) -> torch.Tensor:
    with autocast(precision, images.device):
        logits: torch.Tensor = model(images).float()
    return logits


def predict(model: nn.Module, images: torch.Tensor, precision: str, flip_tta: bool) -> torch.Tensor:
    """Return the probabilities, float32 [N, 1, H, W], of images uint8 [N, C, H, W] on the device.

    Args:
        flip_tta: whether they are the mean of those of the images and of their mirror images.

    Raises:
        RunError: see `finite_probs`.
    """
    probs = finite_probs(compute_logits(model, images, precision))
    if not flip_tta:
        return probs
    mirrored = finite_probs(compute_logits(model, images.flip(-1), precision))
    return (probs + mirrored.flip(-1)) / 2


def iter_levels(
    model: nn.Module,
    store: Store,
    positions: Sequence[int],
    batch_size: int,
    device: torch.device,
    precision: str,
    flip_tta: bool,
) -> Iterator[tuple[int, NDArray[np.uint16]]]:
    """Yield each image's store position and map of levels [height, width], in the order given.

    Args:
        model: of `fold.copy_for_inference`; one in training mode would learn from the images.
    """
    compute = partial(predict, model, precision=precision, flip_tta=flip_tta)
    for members, probs in iter_batches(compute, store, positions, batch_size, device):
        for position, image_probs in zip(members, probs, strict=True):
            yield position, native_levels(image_probs, store.letterbox(position))
