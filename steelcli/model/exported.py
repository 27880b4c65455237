"""Run an exported network through its own runtime on the CPU."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import RunError
from steelcli.common.formats import Format

FILE_NAMES = {
    Format.ONNX: "model.onnx",
    Format.OPENVINO: "model.xml",
    Format.TORCH: "model.pt2",
}
PACKAGES: dict[Format, tuple[str, ...]] = {
    Format.ONNX: ("onnx", "onnxruntime", "onnxscript"),
    Format.OPENVINO: ("openvino",),
    Format.TORCH: (),
}
"""What writing and running a format needs beside torch: the extra of the same name."""
RUNTIMES: dict[Format, tuple[str, ...]] = {
    Format.ONNX: ("onnxruntime",),
    Format.OPENVINO: ("openvino",),
    Format.TORCH: (),
}
"""What running it needs."""
INPUT, OUTPUT = "images", "probs"
"""Names of the graph's input and output."""
METADATA_NAME = "steelcli.json"
"""The file in a ``.pt2`` archive that holds the metadata."""


class Exported(NamedTuple):
    """An exported network, ready to run.

    Attributes:
        run: maps images uint8 [N, C, H, W] to probabilities float32 [N, 1, H, W].
        metadata: see `commands.export.describe`.
    """

    run: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
    metadata: dict[str, str]


def refuse_missing(wanted: Format, packages: Sequence[str], where: object) -> None:
    """Refuse a format some of whose packages are not installed; imports nothing.

    Args:
        packages: those of `PACKAGES` or `RUNTIMES`.
        where: what the error names.

    Raises:
        RunError: it names the first that is missing.
    """
    for package in packages:
        if find_spec(package) is None:
            remedy = f"run `pip install 'steelcli[{wanted.value}]'`"
            raise RunError(f"the package {package} is missing", where, remedy)


def open_exported(path: Path, wanted: Format, threads: int) -> Exported:
    """Load what `write_graph` wrote.

    Args:
        threads: that the runtime computes with; torch's own are left as they are.
    """
    if wanted is Format.ONNX:
        return _open_onnx(path, threads)
    if wanted is Format.OPENVINO:
        return _open_openvino(path, threads)
    return _open_torch(path)


def _open_onnx(path: Path, threads: int) -> Exported:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        probs: NDArray[np.float32] = session.run([OUTPUT], {INPUT: images})[0]
        return probs

    return Exported(run, dict(session.get_modelmeta().custom_metadata_map))


def _open_openvino(path: Path, threads: int) -> Exported:
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    metadata = {name: _read_info(model, name) for name in model.get_rt_info(["steelcli"]).value}
    # on processors that compute in bf16 OpenVINO would round to it
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    compiled = core.compile_model(model, "CPU", settings)

    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.array(compiled([images])[OUTPUT])  # a copy: the next run overwrites it

    return Exported(run, metadata)


def _read_info(model: Any, name: str) -> str:
    text: str = model.get_rt_info(["steelcli", name]).astype(str)
    return text


def _open_torch(path: Path) -> Exported:
    import torch

    extra_files = {METADATA_NAME: ""}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # remarks about torch's own archive
        module = torch.export.load(path, extra_files=extra_files).module()

    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            probs: NDArray[np.float32] = module(torch.from_numpy(images)).numpy()
        return probs

    return Exported(run, json.loads(extra_files[METADATA_NAME]))
