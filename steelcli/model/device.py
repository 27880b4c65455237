"""Device, precision and versions of a run."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Literal

import torch

from steelcli import __version__
from steelcli.common.errors import ParamsError

Precision = Literal["fp32", "bf16", "fp16"]


def pick_device() -> torch.device:
    """Return the accelerator this process computes on: CUDA, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def resolve_precision(wanted: Precision | Literal["auto"], device: torch.device) -> Precision:
    """Turn ``train.precision`` into the number format used on ``device``.

    Automatic mixed precision pays only where the hardware computes in the format: measured on an
    AVX-512 CPU without the bf16 instructions, bf16 autocast makes a training step about 2.3 times
    slower than fp32.

    Raises:
        ParamsError: fp16 without a CUDA GPU.
    """
    if wanted == "fp16" and device.type != "cuda":
        what = f"fp16 needs a CUDA GPU, not {device.type}"
        raise ParamsError(what, "train.precision", "set it to auto, bf16 or fp32")
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device)[0] >= 8 else "fp16"
    return "bf16" if device.type == "cpu" and _cpu_computes_bf16() else "fp32"


def inference_precision(trained_in: str, device: torch.device) -> Precision:
    """Return the number format to run a checkpoint in: that of its training where it is fast."""
    if trained_in == "bf16" and resolve_precision("auto", device) == "bf16":
        return "bf16"
    return "fp16" if trained_in == "fp16" and device.type == "cuda" else "fp32"


@contextmanager
def autocast(precision: str, device: torch.device) -> Iterator[None]:
    """Run the block in mixed precision; nothing changes under fp32."""
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    with torch.autocast(device.type, dtype, enabled=dtype is not None):
        yield


def describe_versions() -> dict[str, str]:
    """Return the versions that can change a result."""
    packages = (
        "torch",
        "segmentation-models-pytorch",
        "albumentations",
        "opencv-python-headless",
        "numpy",
    )
    return {
        "python": platform.python_version(),
        "steelcli": __version__,
        **{package: version(package) for package in packages},
    }


def describe_device(device: torch.device) -> str:
    """Return the device in words, with the number of threads where it is the CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{device.type} ({torch.get_num_threads()} threads, {capability})"


def _cpu_computes_bf16() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
