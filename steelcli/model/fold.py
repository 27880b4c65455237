"""The network at rest: each BatchNorm put into the convolution whose output it takes."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import fuse_conv_bn_weights
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from steelcli.model.network import SegmentationModel


def put_to_rest(model: SegmentationModel, image_size: tuple[int, int]) -> SegmentationModel:
    """Return a copy in evaluation mode with its BatchNorms folded into its convolutions.

    A BatchNorm is folded where it alone takes the output of a convolution, and both run once: a
    convolution of kernel ``w·s`` and bias ``(b - mean)·s + beta``, with
    ``s = gamma / sqrt(variance + eps)`` (Jacob et al. 2018, arXiv:1712.05877, eq. 14), gives the
    same up to rounding. One image is run through the network to see which do.

    Args:
        image_size: width and height of an image that the network takes, pixels.
    """
    width, height = image_size
    resting = copy.deepcopy(model).eval().requires_grad_(False)
    flow = _Flow()
    with torch.inference_mode(), flow:
        resting(resting.mean.new_zeros((1, 1, height, width), dtype=torch.uint8))
    modules = dict(resting.named_modules())
    convolutions = {id(own.weight): own for own in modules.values() if isinstance(own, nn.Conv2d)}
    for name, norm in modules.items():
        if isinstance(norm, _BatchNorm) and flow.kernel_before(norm) in convolutions:
            _fold(convolutions[flow.kernel_before(norm)], norm)
            # timm's hold a dropout and an activation, to be run afterwards
            resting.set_submodule(name, nn.Sequential(*norm.children()))
    return resting


class _Flow(TorchFunctionMode):
    """Notes what takes the output of each convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: dict[int, int] = {}
        """Of the convolution that made a tensor, both by their ids."""
        self.sources: dict[int, int] = {}
        """What a BatchNorm took, by the id of its running mean."""
        self.uses: Counter[int] = Counter()
        self.seen: list[Any] = []
        """Keeps alive what was counted, so that no id is given twice."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        given = [leaf for leaf in tree_leaves((args, kwargs)) if torch.is_tensor(leaf)]
        if made is None or any(torch.is_tensor(leaf) for leaf in tree_leaves(made)):
            self.uses.update(map(id, given))
            self.seen += [*given, made]
        if func is F.conv2d:
            self.kernels[id(made)] = id(args[1])
        elif func is F.batch_norm and args[1] is not None:
            self.sources[id(args[1])] = id(args[0])
        return made

    def kernel_before(self, norm: _BatchNorm) -> int:
        """Return the id of the kernel that ``norm`` can be folded into, 0 if there is none."""
        mean = id(norm.running_mean)
        source = self.sources.get(mean, 0)
        kernel = self.kernels.get(source, 0)
        return kernel if {self.uses[each] for each in (source, kernel, mean)} == {1} else 0


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
