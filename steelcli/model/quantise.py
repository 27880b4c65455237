"""Turn an exported ONNX network into one that computes its convolutions in 8 bits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelcli.model.exported import INPUT

OP_TYPES = ["Conv", "Relu", "Clip"]
"""What is computed in 8 bits: the activations only together with the convolution before them."""
MIN_CHANNELS = 16
"""Convolutions from or to fewer channels stay in 32 bits, as the first and the last: rounding them
costs the most precision, and they are slower in 8 bits."""
METHOD = "MinMax"
"""How the range of a tensor is found; a name of onnxruntime's `CalibrationMethod`."""
BITS_NAME = "int8"
"""The metadata that says how the network was quantised."""


class _Reader:
    """Hands out one image after the other, as onnxruntime's calibration asks for them."""

    def __init__(self, images: Iterator[NDArray[np.uint8]], count: int) -> None:
        self.images, self.count, self.wanted = images, count, 0

    def __len__(self) -> int:
        return self.count

    def set_range(self, start_index: int, end_index: int) -> None:
        """Let so many images come next."""
        self.wanted = end_index - start_index

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """Return the next image by the name of the graph's input, None after the last."""
        if not self.wanted:
            return None
        self.wanted -= 1
        return {INPUT: next(self.images)}


def list_narrow(model: Any) -> list[str]:
    """Return the names of the convolutions of an ONNX model that stay in 32 bits."""
    shapes = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    names: list[str] = []
    for node in model.graph.node:
        if node.op_type == "Conv":
            groups = next((each.i for each in node.attribute if each.name == "group"), 1)
            outputs, inputs_per_group = shapes[node.input[1]][:2]
            if min(outputs, groups * inputs_per_group) < MIN_CHANNELS:
                names.append(node.name)
    return names


def quantise(path: Path, images: Iterator[NDArray[np.uint8]], count: int) -> None:
    """Replace an ONNX file of `write_graph` by one of 8 bits, with the metadata of both.

    Weights are rounded channel by channel, to 7 bits: processors without VNNI add two products in
    16 bits, which 8 bits could overflow. Activations are rounded to 8 bits by the range that they
    take on the images. The images, their normalisation, narrow convolutions and all from the
    sigmoid on keep their precision. Memory is that of one image.

    Args:
        images: to calibrate with, uint8 [1, C, H, W] each.
        count: of the images.
    """
    import onnx
    import onnxruntime
    from onnxruntime.quantization import CalibrationMethod, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    with TemporaryDirectory() as scratch:
        prepared_path = Path(scratch) / "prepared.onnx"
        quant_pre_process(path, prepared_path, skip_symbolic_shape=True)
        quantize_static(
            prepared_path,
            path,
            _Reader(images, count),
            op_types_to_quantize=OP_TYPES,
            nodes_to_exclude=list_narrow(onnx.load(prepared_path)),
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod[METHOD],
            # the ranges of each image are merged with those before it: they alone are kept
            extra_options={"CalibStridedMinMax": 1},
        )
    about = {
        "op_types": OP_TYPES,
        "min_channels": MIN_CHANNELS,
        "calibration": METHOD,
        "images": count,
        "onnxruntime": onnxruntime.__version__,
    }
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {**metadata, BITS_NAME: json.dumps(about)})
    onnx.save(model, path)
