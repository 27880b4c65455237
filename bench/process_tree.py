"""Run a command; return its time and the most memory that it and its children held (Linux)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from bench.data import ROOT

_PAUSE_S = 0.05
"""Between two looks at the processes."""
MIB = 2**20


class Usage(NamedTuple):
    """What a command took.

    Attributes:
        seconds: wall time.
        rss_mib: the most resident memory of all its processes together, at one moment; what they
            share, such as the code of libraries, counts once for each.
        own_mib: the same without pages of files, which the system takes back when it needs them.
        inner_seconds: wall time of the stage that the command started, see `run`.
    """

    seconds: float
    rss_mib: float
    own_mib: float
    inner_seconds: float


def python_env(code_dir: Path = ROOT) -> dict[str, str]:
    """Return an environment in which commands find this Python and the code of a folder."""
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(code_dir),
        "DVC_NO_ANALYTICS": "1",
        "NO_ALBUMENTATIONS_UPDATE": "1",
    }


def run(command: Sequence[str], folder: Path, env: dict[str, str], log_path: Path) -> Usage:
    """Run a command in a folder, its output appended to a log.

    A process whose command line says ``-m steelcli`` is the stage that ``dvc repro`` started.

    Raises:
        RuntimeError: it failed.
    """
    begun = time.monotonic()
    most = (0, 0)
    seen: list[float] = []
    with log_path.open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=env, stdout=log, stderr=log, start_new_session=True
        )
        try:
            parent = psutil.Process(process.pid)
            while process.poll() is None:
                processes = _list_processes(parent)
                now = _add_memory(processes)
                most = (max(most[0], now[0]), max(most[1], now[1]))
                if any(map(_is_stage, processes)):
                    seen = [*seen[:1], time.monotonic()]
                time.sleep(_PAUSE_S)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    seconds = time.monotonic() - begun
    if process.returncode:
        end = log_path.read_text(encoding="utf-8")[-2000:]
        raise RuntimeError(f"{' '.join(command)} failed, see {log_path}:\n{end}")
    inner = seen[-1] - seen[0] if seen else 0.0
    return Usage(seconds, most[0] / MIB, most[1] / MIB, inner)


def _list_processes(parent: psutil.Process) -> list[psutil.Process]:
    try:
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _is_stage(process: psutil.Process) -> bool:
    try:
        words: list[str] = process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False
    return words[1:3] == ["-m", "steelcli"] or words[1:4] == ["-u", "-m", "steelcli"]


def _add_memory(processes: Sequence[psutil.Process]) -> tuple[int, int]:
    """Return the resident bytes of processes now, and those that are no file's."""
    rss = own = 0
    for process in processes:
        try:
            lines = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8").splitlines()
        except OSError:  # it has just ended
            continue
        kib = {line.split()[0]: int(line.split()[1]) for line in lines if line.endswith(" kB")}
        rss += 1024 * kib.get("VmRSS:", 0)
        own += 1024 * (kib.get("RssAnon:", 0) + kib.get("RssShmem:", 0))
    return rss, own
