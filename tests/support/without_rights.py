"""Run a command as a user has to: without root's right to read and write everywhere."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def run_without_rights(work_dir: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, bound by the permissions of files even where root runs it."""
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may do everything, and there is no setpriv to take that away")
        command = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", *command)
    return subprocess.run(command, cwd=work_dir, capture_output=True, text=True, check=False)
