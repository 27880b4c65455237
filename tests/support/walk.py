"""Run commands in a folder of their own, with small parameters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
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
    return run_forked(work_dir, "steelcli", *arguments)


def run_forked(
    work_dir: Path, *words: str, env: Mapping[str, str] | None = None
) -> CompletedProcess[str]:
    """Run ``steelcli`` or ``dvc`` with what they print captured; see `forking_server`."""
    with TemporaryDirectory() as folder:
        paths = [Path(folder) / "stdout", Path(folder) / "stderr"]
        code = run_forked_into(work_dir, *words, env=env or os.environ, paths=paths)
        stdout, stderr = (path.read_text(encoding="utf-8") for path in paths)
    return CompletedProcess([*words], code, stdout, stderr)


def run_forked_into(
    work_dir: Path, *words: str, env: Mapping[str, str], paths: Sequence[Path]
) -> int:
    """Run a command whose stdout and stderr are files or what the system gives for files."""
    server = _start_server()
    assert server.stdin
    assert server.stdout
    call = json.dumps([str(work_dir), words, dict(env), *map(str, paths)])
    print(call, file=server.stdin, flush=True)
    return int(server.stdout.readline())


@cache
def _start_server() -> subprocess.Popen[str]:
    """Start the server of this process; it ends with it."""
    command = [sys.executable, f"{ROOT}/tests/support/forking_server.py"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
