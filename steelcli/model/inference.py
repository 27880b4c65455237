"""From the store through the network to probability maps at native size, in 16-bit levels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

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


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Run the block with the model in evaluation mode; restore its mode afterwards."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


# A `with` block around the yield would leave the gradients off in the caller.
@torch.inference_mode()
def iter_logits(
    model: nn.Module,
    store: Store,
    positions: Sequence[int],
    batch_size: int,
    device: torch.device,
    precision: str,
) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Yield each batch's store positions and its logits, float32 [N, 1, H, W] on the device."""
    for start in range(0, len(positions), batch_size):
        members = list(positions[start : start + batch_size])
        arrays = [channels_first(store.images[position]) for position in members]
        images = torch.from_numpy(np.stack(arrays))
        with autocast(precision, device):
            logits = model(images.to(device))
        yield members, logits.float()


def native_levels(logits: torch.Tensor, box: letterbox.Letterbox) -> NDArray[np.uint16]:
    """Turn one image's logits [1, H, W] into its map of levels at native size [height, width].

    Scores are taken from these levels, so that a saved map scores exactly as it did when it was
    made.

    Raises:
        RunError: logits that are not finite; rounded to levels they would pass for "no defect".
    """
    if not bool(torch.isfinite(logits).all()):
        remedy = "train again with a lower train.lr or in fp32"
        raise RunError("the network's output is not finite", "logits", remedy)
    probs = to_probs(logits)[0].cpu().numpy()
    return to_levels(letterbox.restore(probs, box))


def iter_levels(
    model: nn.Module,
    store: Store,
    positions: Sequence[int],
    batch_size: int,
    device: torch.device,
    precision: str,
) -> Iterator[tuple[int, NDArray[np.uint16]]]:
    """Yield each image's store position and map of levels [height, width], in the order given."""
    with eval_mode(model):
        for members, logits in iter_logits(model, store, positions, batch_size, device, precision):
            for position, image_logits in zip(members, logits, strict=True):
                yield position, native_levels(image_logits, store.letterbox(position))
