"""Run an example where neither torch nor steelcli can be imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from closure import ROOT

WITHOUT_TORCH = """
import runpy, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "steelcli", "onnx"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_alone(example: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a file of ``examples/``."""
    path = ROOT / "examples" / example
    command = [sys.executable, "-c", WITHOUT_TORCH, path, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
