"""Run commands in a folder of their own, with small parameters."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from closure import ROOT

SMALL = {
    "data": {"image_size": [128, 32]},
    "model": {
        "encoder_name": "resnet18",
        "encoder_weights": None,
        "decoder_channels": [32, 16, 8, 8, 4],
    },
    "train": {"epochs": 1, "batch_size": 4, "workers": 0, "monitor": "dice"},
    "evaluate": {"overlays": 1, "timing_images": 2},
}


def write_params(work_dir: Path, changes: dict[str, dict[str, Any]]) -> None:
    """Write the committed parameters with changes to ``work_dir``."""
    raw = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for section, values in changes.items():
        raw[section] |= values
    (work_dir / "params.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")


def steelcli(work_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in ``work_dir``."""
    command = [sys.executable, "-m", "steelcli", *arguments]
    return subprocess.run(command, cwd=work_dir, capture_output=True, text=True, check=False)
