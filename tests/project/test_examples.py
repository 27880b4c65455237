"""The examples run alone and give what steelcli gives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from closure import ROOT
from small_graph import HEIGHT, WIDTH, capture_small
from without_torch import run_alone

from steelcli.common.formats import Format
from steelcli.data.images.decode import read_image
from steelcli.data.store import letterbox
from steelcli.data.types import Color, channels_first
from steelcli.model.export import write_graph
from steelcli.model.exported import open_exported
from steelcli.model.inference import native_levels
from steelcli.scores.counts import OperatingPoint, cut

POINT = OperatingPoint(0.40234375, 12)


def write_image(path: Path, height: int, width: int, channels: int) -> None:
    rng = np.random.default_rng(height)
    small = rng.integers(0, 256, (height // 4, width // 4, channels), np.uint8)
    cv2.imwrite(str(path), cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))


@pytest.mark.parametrize("color", ["grey", "rgb"])
def test_inspect_onnx_cuts_the_masks_of_steelcli(color: Color, tmp_path: Path) -> None:
    model_path, mask_path = tmp_path / "model.onnx", tmp_path / "mask.png"
    metadata = {
        "color": color,
        "canvas_size": json.dumps([WIDTH, HEIGHT]),
        "threshold": json.dumps(POINT.threshold),
        "min_area_px": json.dumps(POINT.min_area_px),
    }
    program = capture_small(flip_tta=True, channels=1 if color == "grey" else 3)
    write_graph(program, Format.ONNX, metadata, model_path)
    network = open_exported(model_path, Format.ONNX, threads=1)
    shares = []
    for name, height, width, channels in (
        ("shrunk.png", 120, 200, 3),
        ("grown.png", 12, 40, 1),
        ("photo.jpg", 90, 410, 3),
        ("as_it_is.jpg", HEIGHT, WIDTH, 1),
    ):
        write_image(tmp_path / name, height, width, channels)
        done = run_alone("inspect_onnx.py", model_path, tmp_path / name, mask_path)
        assert done.returncode == 0, done.stderr
        mask = cv2.imread(str(mask_path), cv2.IMREAD_UNCHANGED)
        box = letterbox.fit(height, width, HEIGHT, WIDTH)
        image = letterbox.apply_to_image(read_image(tmp_path / name, color), box)
        probs = torch.from_numpy(network.run(channels_first(image)[None]))
        expected = cut(native_levels(probs[0], box), POINT)
        np.testing.assert_array_equal(mask, expected * np.uint8(255))
        verdict = "defect" if expected.any() else "clean"
        assert done.stdout == f"{verdict} {np.count_nonzero(expected)} px\n"
        shares.append(expected.mean())
    assert 0 < np.mean(shares) < 1


def test_inspect_onnx_says_what_it_cannot_read(tmp_path: Path) -> None:
    done = run_alone("inspect_onnx.py", "none.onnx", tmp_path / "none.png", tmp_path / "mask.png")
    assert done.returncode == 1
    assert "Error: no image that OpenCV reads" in done.stderr


def test_torch_is_out_of_reach_of_an_example() -> None:
    from without_torch import WITHOUT_TORCH

    for name in ("torch", "steelcli.common"):
        code = WITHOUT_TORCH.replace("runpy.run_path", f"import {name}; runpy.run_path")
        done = subprocess.run(
            [sys.executable, "-c", code, "x"], capture_output=True, text=True, check=False, cwd=ROOT
        )
        assert f"ImportError: {name.partition('.')[0]}" in done.stderr
