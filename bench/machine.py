"""The machine, the code and the versions that the figures were measured with."""

from __future__ import annotations

import datetime
import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from steelcli.common.cores import count_cores
from steelcli.common.git import code_revision

INSTRUCTION_SETS = {
    "avx2": "avx2",
    "avx512": "avx512f",
    "bf16": "avx512_bf16",
    "vnni": "avx512_vnni",
    "amx": "amx_tile",
    "sha": "sha_ni",
}
"""Those that matter, with the flags of Linux's /proc/cpuinfo."""
PACKAGES = (
    "torch",
    "numpy",
    "numba",
    "opencv-python-headless",
    "albumentations",
    "segmentation-models-pytorch",
    "scikit-learn",
    "torchmetrics",
    "onnxruntime",
    "openvino",
)


def describe_machine() -> dict[str, Any]:
    """Return ``machine``, ``commit``, ``dirty``, ``versions`` and ``date``."""
    revision = code_revision()
    return {
        "machine": _describe_processor(),
        "commit": revision.removesuffix("+"),
        "dirty": revision.endswith("+"),
        "versions": {"python": platform.python_version(), **_list_versions()},
        "date": datetime.date.today().isoformat(),
    }


def _describe_processor() -> dict[str, Any]:
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^flags\s*:\s*(.+)$", text, re.MULTILINE)
    known = set(flags[1].split()) if flags else set()
    return {
        "cpu": name[1] if name else platform.processor() or platform.machine(),
        "cores": count_cores(),
        "instruction_sets": [word for word, flag in INSTRUCTION_SETS.items() if flag in known],
        "system": platform.platform(),
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY", ""),
    }


def _list_versions() -> dict[str, str]:
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "missing"
    return versions
