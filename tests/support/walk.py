"""Run commands in a folder of their own, with small parameters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from closure import ROOT

SMALL = {
    "data": {"image_size": [128, 32]},
    "model": {
        "encoder_name": "tu-test_efficientnet",
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


def change_param(work_dir: Path, name: str, value: Any) -> None:
    """Change one value of the parameters in ``work_dir``, by dotted name."""
    path = work_dir / "params.yaml"
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    section, key = name.split(".")
    raw[section][key] = value
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")


def steelcli(work_dir: Path, *arguments: str) -> CompletedProcess[str]:
    """Run a command in ``work_dir``, in a process of its own; see `forking_server`."""
    with TemporaryDirectory() as folder:
        paths = Path(folder) / "stdout", Path(folder) / "stderr"
        code = steelcli_into(*paths, work_dir, *arguments)
        stdout, stderr = (path.read_text(encoding="utf-8") for path in paths)
    return CompletedProcess(["steelcli", *arguments], code, stdout, stderr)


def steelcli_into(stdout: Path, stderr: Path, work_dir: Path, *arguments: str) -> int:
    """Run a command that prints into files, named pipes or devices; return the exit code."""
    server = _start_server()
    assert server.stdin
    assert server.stdout
    call = json.dumps([str(work_dir), arguments, dict(os.environ), str(stdout), str(stderr)])
    print(call, file=server.stdin, flush=True)
    answer = server.stdout.readline()
    assert answer, "the forking server has ended"
    return int(answer)


@cache
def _start_server() -> subprocess.Popen[str]:
    """Start the server of this process; it ends with it."""
    command = [sys.executable, f"{ROOT}/tests/support/forking_server.py"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
