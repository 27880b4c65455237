"""A faster weight gradient of depthwise convolutions on a CPU.

oneDNN has a kernel of its own for the weight gradient of a depthwise convolution only where the
filter is at most three columns wide. For a wider one it computes blocks of 16 by 16 channels and
drops all but the diagonal. The columns of a filter are independent of each other, so a wide
filter's gradient is computed here in strips of at most three columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.overrides import TorchFunctionMode

MAX_COLUMNS = 3
"""The widest filter of oneDNN's own kernel (`jit_uni_dw_conv_bwd_weights`), torch 2.13."""

Pair = tuple[int, int]


class StripedWeightGradient(TorchFunctionMode):
    """In the block, wide depthwise ``conv2d`` on a CPU has the faster weight gradient.

    Outputs keep their bits; gradients of the weights are summed in another order. It reaches all
    layers that call ``conv2d``, also those that pad by the size of the image, and changes none.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call ``func``, or the convolution of this module in its place."""
        if func is functional.conv2d and not kwargs and _is_wide_depthwise(*args):
            return _convolve(*args)
        return func(*args, **kwargs or {})


def _is_wide_depthwise(
    images: torch.Tensor,
    weight: torch.Tensor,
    _bias: torch.Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> bool:
    return (
        images.ndim == 4
        and groups == images.shape[1] == weight.shape[0] > 1
        and images.shape[3] >= weight.shape[3] > MAX_COLUMNS
        and isinstance(stride, tuple)
        and isinstance(padding, tuple)
        and dilation == (1, 1)
    )


def _convolve(
    images: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    stride: Pair,
    padding: Pair,
    *_rest: Any,
) -> torch.Tensor:
    if torch.is_autocast_enabled("cpu"):
        dtype = torch.get_autocast_dtype("cpu")
        images, weight = images.to(dtype), weight.to(dtype)
        bias = None if bias is None else bias.to(dtype)
    apply: Callable[..., torch.Tensor] = _DepthwiseConvolution.apply
    return apply(images, weight, bias, stride, padding)


class _DepthwiseConvolution(torch.autograd.Function):
    """``conv2d`` with one group a channel.

    Shapes: images [N, C, H, W], weight [C, 1, K, L], bias [C], all of one float dtype.
    """

    @staticmethod
    def forward(
        ctx: Any,
        images: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        stride: Pair,
        padding: Pair,
    ) -> torch.Tensor:
        ctx.save_for_backward(images, weight)
        ctx.stride, ctx.padding = stride, padding
        return functional.conv2d(images, weight, bias, stride, padding, 1, len(weight))

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, gradient: torch.Tensor
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None, None, None]:
        images, weight = ctx.saved_tensors
        for_images, for_weight, for_bias = ctx.needs_input_grad[:3]
        of_images, _, of_bias = _stock_gradients(
            gradient, images, weight, ctx.stride, ctx.padding, (for_images, False, for_bias)
        )
        of_weight = None
        if for_weight:
            of_weight = _weight_gradient(gradient, images, weight, ctx.stride, ctx.padding)
        return of_images, of_weight, of_bias, None, None


def _weight_gradient(
    gradient: torch.Tensor, images: torch.Tensor, weight: torch.Tensor, stride: Pair, padding: Pair
) -> torch.Tensor:
    """Return the gradient of ``weight`` [C, 1, K, L], strip by strip.

    The strip that begins at column j sees the images from column ``j - padding`` on. Rows are
    padded here too: oneDNN's own kernel refuses images lower than the filter.
    """
    strips: list[torch.Tensor] = []
    above, left = padding
    for strip in weight.tensor_split(-(-weight.shape[3] // MAX_COLUMNS), dim=3):
        width = (gradient.shape[3] - 1) * stride[1] + strip.shape[3]  # that the strip passes over
        seen = functional.pad(images, (left, width - left - images.shape[3], above, above))
        mask = (False, True, False)
        strips.append(_stock_gradients(gradient, seen, strip, stride, (0, 0), mask)[1])
        left -= strip.shape[3]
    return torch.cat(strips, dim=3)


def _stock_gradients(
    gradient: torch.Tensor,
    images: torch.Tensor,
    weight: torch.Tensor,
    stride: Pair,
    padding: Pair,
    mask: tuple[bool, bool, bool],
) -> Any:
    """Return the gradients of images, weight and bias; None where ``mask`` is False."""
    channels = len(weight)
    return torch.ops.aten.convolution_backward(
        gradient, images, weight, [channels], stride, padding, (1, 1), False, (0, 0), channels, mask
    )
