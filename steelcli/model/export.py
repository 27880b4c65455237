"""Write the trained network as one graph, from raw pixels to probabilities, for other runtimes."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn
from torch.export import ExportedProgram
from torch.nn.utils import fuse_conv_bn_weights

from steelcli.common.errors import ModelError, quote
from steelcli.common.formats import Format
from steelcli.model.exported import INPUT, METADATA_NAME, OUTPUT
from steelcli.model.network import SegmentationModel, to_probs

_ATEN = torch.ops.aten
_CONVOLUTIONS = (_ATEN.conv2d.default, _ATEN.conv2d.padding)


class ProbabilityModel(nn.Module):
    """What `inference.predict` computes in fp32, as one network.

    Args:
        flip_tta: whether probabilities are means over image and mirror image, run as one batch.
    """

    def __init__(self, model: SegmentationModel, flip_tta: bool) -> None:
        super().__init__()
        self.model, self.flip_tta = model, flip_tta

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images uint8 [N, C, H, W] to probabilities float32 [N, 1, H, W]."""
        if not self.flip_tta:
            return to_probs(self.model(images))
        both = to_probs(self.model(torch.cat([images, images.flip(-1)])))  # [2 N, 1, H, W]
        pairs = both.reshape(2, -1, *both.shape[1:])
        return (pairs[0] + pairs[1].flip(-1)) / 2


def capture(
    model: SegmentationModel, flip_tta: bool, channels: int, image_size: tuple[int, int]
) -> ExportedProgram:
    """Return the graph of `ProbabilityModel` for any number of images, BatchNorm folded.

    Args:
        model: on the CPU.
        channels: C of the images, 1 or 3.
        image_size: width and height, pixels; the graph takes no other.

    Raises:
        ModelError: torch cannot make a graph of the network.
    """
    width, height = image_size
    images = torch.zeros((2, channels, height, width), dtype=torch.uint8)
    network = ProbabilityModel(model, flip_tta).eval()
    try:
        module = _trace(network, images).module(check_guards=False)
    except Exception as error:  # the tracer raises many kinds of its own
        lines = str(error).strip().splitlines() or [type(error).__name__]
        what = f"torch cannot make a graph of the network ({quote(lines[0], 160)})"
        raise ModelError(what, "model.encoder_name", "train with another encoder") from error
    assert isinstance(module, fx.GraphModule)
    fold_batchnorm(module)
    return _trace(module, images)


def _trace(network: nn.Module, images: torch.Tensor) -> ExportedProgram:
    shapes = ({0: torch.export.Dim("batch", min=1)},)
    with _quiet(), torch.no_grad():
        return torch.export.export(network, (images,), dynamic_shapes=shapes)


def fold_batchnorm(module: fx.GraphModule) -> None:
    """Put each BatchNorm of an aten graph into the convolution whose output it alone takes.

    Where there is none it becomes a convolution of its own, of 1×1 and channel by channel.
    """
    graph = module.graph
    for number, norm in enumerate(
        graph.find_nodes(op="call_function", target=_ATEN.batch_norm.default)
    ):
        source, *nodes, _training, _momentum, eps, _cudnn = norm.args
        weight, bias, mean, variance = (_find_tensor(module, node) for node in nodes)
        if source.target in _CONVOLUTIONS and len(source.users) == 1:
            target, (image, kernel_node, *rest) = source.target, source.args
            kernel = _find_tensor(module, kernel_node)
            old_bias = _find_tensor(module, rest[0]) if rest else None
            settings = rest[1:]
        else:
            target, image, old_bias = _ATEN.conv2d.default, source, None
            kernel = torch.ones(len(mean), 1, 1, 1)
            settings = [[1, 1], [0, 0], [1, 1], len(mean)]
        fused = fuse_conv_bn_weights(kernel, old_bias, mean, variance, eps, weight, bias)
        with graph.inserting_before(norm):
            arguments = [image]
            for name, tensor in zip(("weight", "bias"), fused, strict=True):
                module.register_buffer(f"folded_{number}_{name}", tensor.detach())
                arguments.append(graph.get_attr(f"folded_{number}_{name}"))
            norm.replace_all_uses_with(graph.call_function(target, (*arguments, *settings)))
        graph.erase_node(norm)
    graph.eliminate_dead_code()
    module.delete_all_unused_submodules()
    module.recompile()


def _find_tensor(module: fx.GraphModule, node: Any) -> Any:
    """Return the parameter or buffer that a node stands for, None for None."""
    return None if node is None else module.state_dict()[node.target]


def write_graph(
    program: ExportedProgram, wanted: Format, metadata: Mapping[str, str], path: Path
) -> None:
    """Write the graph with its metadata; OpenVINO's weights lie beside ``path``."""
    with _quiet():
        _WRITERS[wanted](program, dict(metadata), path)


def _write_onnx(program: ExportedProgram, metadata: dict[str, str], path: Path) -> None:
    done = torch.onnx.export(
        program,
        dynamo=True,
        dynamic_shapes=({0: "batch"},),
        input_names=[INPUT],
        output_names=[OUTPUT],
        verbose=False,
    )
    assert done is not None
    for node in done.model.graph:
        node.metadata_props.clear()  # the paths and lines of the code here
    done.model.metadata_props.update(metadata)
    done.save(path)


def _write_openvino(program: ExportedProgram, metadata: dict[str, str], path: Path) -> None:
    import openvino

    name = program.graph_signature.user_inputs[0]
    images = next(node for node in program.graph.nodes if node.name == name).meta["val"]
    shape = openvino.PartialShape([-1, *images.shape[1:]])
    model = openvino.convert_model(program, input=[shape])
    model.input(0).get_tensor().set_names({INPUT})
    model.output(0).get_tensor().set_names({OUTPUT})
    for name, text in metadata.items():
        model.set_rt_info(text, ["steelcli", name])
    openvino.save_model(model, path, compress_to_fp16=False)


def _write_torch(program: ExportedProgram, metadata: dict[str, str], path: Path) -> None:
    torch.export.save(program, path, extra_files={METADATA_NAME: json.dumps(metadata)})


_WRITERS: dict[Format, Callable[[ExportedProgram, dict[str, str], Path], None]] = {
    Format.ONNX: _write_onnx,
    Format.OPENVINO: _write_openvino,
    Format.TORCH: _write_torch,
}


@contextmanager
def _quiet() -> Iterator[None]:
    """Drop the exporters' remarks about their own insides."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
