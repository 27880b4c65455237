"""The forms in which a network is exported."""

from __future__ import annotations

from enum import Enum


class Format(str, Enum):
    """For which runtime; the value is that of ``--format``."""

    ONNX = "onnx"
    OPENVINO = "openvino"
    TORCH = "torch"
