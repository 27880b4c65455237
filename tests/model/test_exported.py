"""Every runtime reads what was written for it, and computes the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_graph import HEIGHT, WIDTH, build_small, capture_small

from steelcli.common.errors import RunError
from steelcli.common.formats import Format
from steelcli.model import exported
from steelcli.model.export import write_graph
from steelcli.model.exported import FILE_NAMES, PACKAGES, open_exported, refuse_missing
from steelcli.model.inference import predict

METADATA = {"letterbox": "in words; ö < & >", "canvas_size": "[64, 32]", "threshold": "0.25"}


@pytest.mark.parametrize("wanted", Format)
def test_a_runtime_gives_the_probabilities_and_the_metadata(wanted: Format, tmp_path: Path) -> None:
    path = tmp_path / FILE_NAMES[wanted]
    write_graph(capture_small(flip_tta=True, channels=1), wanted, METADATA, path)
    opened = open_exported(path, wanted, threads=1)
    assert opened.metadata == METADATA
    for number in (1, 3):
        images = np.random.default_rng(number).integers(
            0, 256, (number, 1, HEIGHT, WIDTH), np.uint8
        )
        probs = opened.run(images)
        with torch.inference_mode():
            expected = predict(build_small(), torch.from_numpy(images), "fp32", flip_tta=True)
        assert probs.dtype == np.float32
        np.testing.assert_allclose(probs, expected, atol=1e-5)
        assert expected.std() > 0.05


def test_the_files_hold_no_batchnorm_and_a_dynamic_batch_alone(tmp_path: Path) -> None:
    import onnx
    import openvino

    program = capture_small(flip_tta=False, channels=3)
    write_graph(program, Format.ONNX, METADATA, tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(model)
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    assert "Conv" in {node.op_type for node in model.graph.node}
    (images,) = model.graph.input
    shape = [size.dim_param or size.dim_value for size in images.type.tensor_type.shape.dim]
    assert shape == ["batch", 3, HEIGHT, WIDTH]
    assert str(Path(__file__).parents[2]).encode() not in (tmp_path / "model.onnx").read_bytes()

    write_graph(program, Format.OPENVINO, METADATA, tmp_path / "model.xml")
    graph = openvino.Core().read_model(tmp_path / "model.xml")
    assert "BatchNormInference" not in {node.get_type_name() for node in graph.get_ops()}
    assert str(graph.input(0).partial_shape) == f"[?,3,{HEIGHT},{WIDTH}]"


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for wanted in Format:
        refuse_missing(wanted, PACKAGES[wanted], "here")
    monkeypatch.setattr(exported, "find_spec", lambda name: name != "onnxscript" or None)
    with pytest.raises(RunError, match=r"onnxscript is missing.*pip install 'steelcli\[onnx\]'"):
        refuse_missing(Format.ONNX, PACKAGES[Format.ONNX], "--format onnx")
