"""A network in 8 bits computes nearly the same, from what it was calibrated on."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from small_graph import HEIGHT, WIDTH
from torch import nn

from steelcli.common.formats import Format
from steelcli.model.export import capture, write_graph
from steelcli.model.exported import open_exported
from steelcli.model.network import SegmentationModel
from steelcli.model.quantise import quantise

METADATA = {"letterbox": "in words; ö < & >", "threshold": "0.25"}


def draw_images(count: int, top: int = 256) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, top, (1, 1, HEIGHT, WIDTH), np.uint8) for _ in range(count)]


@pytest.fixture(scope="module")
def exact_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exact") / "model.onnx"
    torch.manual_seed(0)
    layers = nn.Sequential(
        *(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.BatchNorm2d(16), nn.ReLU6()),
        *(nn.Conv2d(16, 24, 1), nn.ReLU(), nn.Conv2d(24, 1, 1)),
    )
    for layer in (layers[2], layers[5]):
        nn.init.normal_(layer.weight)
    model = SegmentationModel(layers, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)).eval()
    write_graph(capture(model, True, 1, (WIDTH, HEIGHT)), Format.ONNX, METADATA, path)
    return path


def make(exact_path: Path, path: Path, images: list[NDArray[np.uint8]]) -> Path:
    path.write_bytes(exact_path.read_bytes())
    quantise(path, iter(images), len(images))
    return path


def test_wide_convolutions_alone_are_rounded(exact_path: Path, tmp_path: Path) -> None:
    path = make(exact_path, tmp_path / "model.onnx", draw_images(4))
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    model = onnx.load(path)
    onnx.checker.check_model(model)
    made_by = {output: node.op_type for node in model.graph.node for output in node.output}
    sources = [
        (node.op_type, [made_by[name] for name in node.input if name in made_by])
        for node in model.graph.node
    ]
    exact, *rounded, last = [names for kind, names in sources if kind == "Conv"]
    assert exact == ["Div"]
    assert rounded == 2 * [3 * ["DequantizeLinear"]]  # image, weight, bias
    assert last == ["DequantizeLinear"]
    assert ("Sub", ["Cast"]) in sources
    assert ("Div", ["Add"]) in sources  # the mean of the mirror images
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    weights = [
        tensor for tensor in tensors.values() if tensor.ndim == 4 and tensor.dtype == np.int8
    ]
    assert len(weights) == 2
    assert max(np.abs(weight).max() for weight in weights) == 64
    scales = [tensor for name, tensor in tensors.items() if "weight_scale" in name]
    assert [scale.size for scale in scales] == [16, 24]  # by channel


def test_it_gives_nearly_the_same_and_says_how_it_was_made(
    exact_path: Path, tmp_path: Path
) -> None:
    path = make(exact_path, tmp_path / "model.onnx", draw_images(4))
    opened = open_exported(path, Format.ONNX, threads=1)
    exact = open_exported(exact_path, Format.ONNX, threads=1)
    images = np.concatenate(draw_images(3))
    probs = opened.run(images)
    assert 1e-4 < np.abs(probs - exact.run(images)).max() < 0.05
    session = onnxruntime.InferenceSession(path)
    np.testing.assert_allclose(session.run(None, {"images": images})[0], probs, atol=1e-6)
    about = dict(opened.metadata)
    made = json.loads(about.pop("int8"))
    assert about == METADATA
    assert made["images"] == 4
    assert made["onnxruntime"] == onnxruntime.__version__


def test_it_fits_all_images_it_was_calibrated_on(exact_path: Path, tmp_path: Path) -> None:
    images = np.concatenate(draw_images(2))
    expected = open_exported(exact_path, Format.ONNX, threads=1).run(images)
    dark = draw_images(2, top=20)
    off = []
    for name, calibration in (("dark.onnx", dark), ("all.onnx", draw_images(2) + dark)):
        path = make(exact_path, tmp_path / name, calibration)
        probs = open_exported(path, Format.ONNX, threads=1).run(images)
        off.append(float(np.abs(probs - expected).max()))
    assert off[0] > 3 * off[1]


def test_memory_does_not_grow_with_the_images(exact_path: Path, tmp_path: Path) -> None:
    peaks = []
    for count in (2, 40):
        images = draw_images(count)
        tracemalloc.start()
        make(exact_path, tmp_path / "model.onnx", images)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 20 * HEIGHT * WIDTH


def test_nothing_is_printed(
    exact_path: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make(exact_path, tmp_path / "model.onnx", draw_images(1))
    assert capfd.readouterr() == ("", "")
