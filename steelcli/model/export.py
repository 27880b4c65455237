"""Write the trained network as one graph, from raw pixels to probabilities, for other runtimes."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn
from torch.export import ExportedProgram

from steelcli.common.errors import ModelError, quote
from steelcli.common.formats import Format
from steelcli.model.exported import INPUT, METADATA_NAME, OUTPUT
from steelcli.model.fold import fold_batchnorm
from steelcli.model.network import SegmentationModel, to_probs


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
    network = ProbabilityModel(fold_batchnorm(model, image_size), flip_tta)
    shapes = ({0: torch.export.Dim("batch", min=1)},)
    try:
        with _quiet(), torch.no_grad():
            return torch.export.export(network, (images,), dynamic_shapes=shapes)
    except Exception as error:  # the tracer raises many kinds of its own
        lines = str(error).strip().splitlines() or [type(error).__name__]
        what = f"torch cannot make a graph of the network ({quote(lines[0], 160)})"
        raise ModelError(what, "model.encoder_name", "train with another encoder") from error


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
