"""The network for inference: each BatchNorm put into the convolution whose output it takes."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import fuse_conv_bn_weights
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from steelcli.model.network import SegmentationModel


def copy_for_inference(
    model: SegmentationModel, precision: str, image_size: tuple[int, int]
) -> SegmentationModel:
    """Return a copy in evaluation mode, in fp32 on a CPU with its BatchNorms folded.

    In fewer bits, TF32 of GPUs among them, they stay as they are: there the running means hold the
    rounding of the kernels, and folded kernels are rounded anew.

    Args:
        precision: see `model.device.resolve_precision`.
        image_size: see `fold_batchnorm`.
    """
    if precision == "fp32" and model.mean.device.type == "cpu":
        return fold_batchnorm(model, image_size)
    return copy.deepcopy(model).eval()


def fold_batchnorm(model: SegmentationModel, image_size: tuple[int, int]) -> SegmentationModel:
    """Return a copy in evaluation mode with BatchNorms folded into convolutions.

    A BatchNorm is folded where it alone takes the output of a convolution, and both run once: a
    convolution of kernel ``w·s`` and bias ``(b - mean)·s + beta``, with
    ``s = gamma / sqrt(variance + eps)`` (Jacob et al. 2018, arXiv:1712.05877, eq. 14), gives the
    same up to rounding. One image is run through the network to see which do.

    Args:
        image_size: width and height of an image that the network takes, pixels.
    """
    width, height = image_size
    folded = copy.deepcopy(model).eval().requires_grad_(False)
    flow = _Flow()
    with torch.inference_mode(), flow:
        folded(folded.mean.new_zeros((1, 1, height, width), dtype=torch.uint8))
    owners: dict[int, list[nn.Conv2d]] = defaultdict(list)
    for layer in folded.modules():
        if isinstance(layer, nn.Conv2d):
            owners[id(layer.weight)].append(layer)
    names: dict[_BatchNorm, list[str]] = defaultdict(list)
    for name, layer in folded.named_modules(remove_duplicate=False):
        if isinstance(layer, _BatchNorm):
            names[layer].append(name)
    for norm, own_names in names.items():
        convolutions = owners.pop(id(flow.kernel_before(norm)), [])
        if len(convolutions) == 1:
            _fold(convolutions[0], norm)
            for name in own_names:
                # timm's hold a dropout and an activation, to be run afterwards
                folded.set_submodule(name, nn.Sequential(*norm.children()))
    return folded


@dataclass
class _Record:
    """How often a tensor was used, and the kernel of the convolution that made it."""

    uses: int = 0
    kernel: torch.Tensor | None = None


class _Flow(TorchFunctionMode):
    """Notes what takes the output of each convolution; of the tensors it keeps kernels alone."""

    def __init__(self) -> None:
        super().__init__()
        self.records = WeakIdKeyDictionary()
        self.sources: dict[int, _Record] = {}
        """Of what a BatchNorm took, by the id of its running mean."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        made = func(*args, **named)
        if made is None or any(torch.is_tensor(leaf) for leaf in tree_leaves(made)):
            for leaf in tree_leaves((args, named)):
                if torch.is_tensor(leaf):
                    self._record(leaf).uses += 1
        if func is F.conv2d:
            self._record(made).kernel = args[1] if len(args) > 1 else named["weight"]
        elif func is F.batch_norm and len(args) > 1 and args[1] is not None:
            self.sources[id(args[1])] = self._record(args[0])
        return made

    def _record(self, tensor: torch.Tensor) -> _Record:
        if tensor not in self.records:
            self.records[tensor] = _Record()
        record: _Record = self.records[tensor]
        return record

    def kernel_before(self, norm: _BatchNorm) -> torch.Tensor | None:
        """Return the kernel that ``norm`` can be folded into, None if there is none."""
        mean = norm.running_mean
        source = self.sources.get(id(mean))
        if mean is None or source is None or source.kernel is None:
            return None
        records = (source, self._record(source.kernel), self._record(mean))
        return source.kernel if all(record.uses == 1 for record in records) else None


def _fold(convolution: nn.Conv2d, norm: _BatchNorm) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    convolution.weight, convolution.bias = fuse_conv_bn_weights(
        convolution.weight,
        convolution.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )
