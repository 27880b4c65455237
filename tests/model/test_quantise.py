"""A network in 8 bits computes nearly the same, from what it was calibrated on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from small_graph import HEIGHT, WIDTH, capture_small

from steelcli.common.formats import Format
from steelcli.model.export import write_graph
from steelcli.model.exported import open_exported
from steelcli.model.quantise import quantise

METADATA = {"letterbox": "in words; ö < & >", "threshold": "0.25"}


def draw_images(count: int, top: int = 256) -> Iterator[NDArray[np.uint8]]:
    rng = np.random.default_rng(1)
    for _ in range(count):
        yield rng.integers(0, top, (1, 1, HEIGHT, WIDTH), np.uint8)


@pytest.fixture(scope="module")
def exact_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exact") / "model.onnx"
    write_graph(capture_small(flip_tta=True, channels=1), Format.ONNX, METADATA, path)
    return path


def make(exact_path: Path, path: Path, images: int, top: int = 256) -> Path:
    path.write_bytes(exact_path.read_bytes())
    quantise(path, draw_images(images, top), images)
    return path


def test_convolutions_alone_are_rounded(exact_path: Path, tmp_path: Path) -> None:
    path = make(exact_path, tmp_path / "model.onnx", 4)
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    model = onnx.load(path)
    onnx.checker.check_model(model)
    made_by = {output: node.op_type for node in model.graph.node for output in node.output}
    sources = [
        (node.op_type, [made_by[name] for name in node.input if name in made_by])
        for node in model.graph.node
    ]
    rounded = [names for kind, names in sources if kind == "Conv"]
    assert rounded == 2 * [3 * ["DequantizeLinear"]]  # image, weight, bias
    assert ("Sub", ["Cast"]) in sources
    assert ("Div", ["Add"]) in sources  # the mean of the mirror images
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    weights = [
        tensor for tensor in tensors.values() if tensor.ndim == 4 and tensor.dtype == np.int8
    ]
    assert len(weights) == 2
    assert max(np.abs(weight).max() for weight in weights) == 64
    scales = [tensor for name, tensor in tensors.items() if "weight_scale" in name]
    assert sorted(scale.size for scale in scales) == [1, 8]  # by channel


def test_it_gives_nearly_the_same_and_says_how_it_was_made(
    exact_path: Path, tmp_path: Path
) -> None:
    path = make(exact_path, tmp_path / "model.onnx", 4)
    opened = open_exported(path, Format.ONNX, threads=1)
    exact = open_exported(exact_path, Format.ONNX, threads=1)
    images = np.concatenate(list(draw_images(3)))
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
    images = np.concatenate(list(draw_images(2)))
    expected = open_exported(exact_path, Format.ONNX, threads=1).run(images)
    off = []
    for name, top in (("dark.onnx", 20), ("whole.onnx", 256)):
        path = make(exact_path, tmp_path / name, 2, top)
        probs = open_exported(path, Format.ONNX, threads=1).run(images)
        off.append(float(np.abs(probs - expected).max()))
    assert off[0] > 10 * off[1]


def test_memory_does_not_grow_with_the_images(exact_path: Path, tmp_path: Path) -> None:
    import tracemalloc

    peaks = []
    for count in (2, 40):
        tracemalloc.start()
        make(exact_path, tmp_path / "model.onnx", count)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 20 * HEIGHT * WIDTH


def test_nothing_is_printed(
    exact_path: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make(exact_path, tmp_path / "model.onnx", 1)
    assert capfd.readouterr() == ("", "")
