"""Runs the command line, in this process or measured in one of its own, and says how it ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

MAX_SECONDS, MAX_MIB = 10.0, 1536.0
"""Wall time and peak memory within which a command must refuse."""
_MEASURED = """
import re, runpy, sys
from pathlib import Path
peak_path = Path(sys.argv.pop(1))
try:
    runpy.run_module("steelcli", run_name="__main__", alter_sys=True)
finally:
    status = Path("/proc/self/status").read_text()
    peak_path.write_text(re.search(r"VmHWM:\\s+(\\d+)", status)[1])
"""
# wait4's ru_maxrss would start at the memory of this process: the child shares it until it execs


@dataclass(frozen=True)
class Outcome:
    """What a command left: exit code and what it printed; seconds of wall time and peak memory
    where it ran apart."""

    code: int
    stdout: str
    stderr: str
    seconds: float = 0.0
    peak_mib: float = 0.0


def run_here(
    work_dir: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *arguments: str,
) -> Outcome:
    """Run the command line's `main` in this process: the same sentence, without the seconds of an
    import of torch."""
    from steelcli.cli import main

    capfd.readouterr()
    with monkeypatch.context() as patch:
        patch.chdir(work_dir)
        patch.setattr(sys, "argv", ["steelcli", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
    printed = capfd.readouterr()
    code = stop.value.code
    if isinstance(code, str):
        return Outcome(1, printed.out, f"{printed.err}{code}\n")
    return Outcome(code or 0, printed.out, printed.err)


def run_apart(work_dir: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Outcome:
    """Run ``python -m steelcli`` in a process of its own, with its seconds and peak memory."""
    peak_path = work_dir.with_name(f"{work_dir.name}.peak")
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, str(peak_path), *arguments],
        cwd=work_dir,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        timeout=60,
        env=os.environ | {"COLUMNS": "120"} | dict(env or {}),
    )
    seconds = time.perf_counter() - start
    assert peak_path.exists(), f"killed, exit code {done.returncode}: {done.stderr}"
    return Outcome(
        done.returncode, done.stdout, done.stderr, seconds, int(peak_path.read_text()) / 1024
    )


def assert_quick_and_small(outcome: Outcome) -> None:
    """Assert the time and the memory, the wall's clock and the first run's: nothing is run twice to
    be quick."""
    print(f"{outcome.seconds:.2f} s, {outcome.peak_mib:.0f} MiB")
    assert outcome.seconds < MAX_SECONDS
    assert outcome.peak_mib < MAX_MIB
