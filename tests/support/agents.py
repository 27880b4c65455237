"""Two torchrun agents on this machine, as on two machines: each in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
from closure import ROOT


def start_agent(
    work_dir: Path, node: int, port: int, backend: str = "c10d", code_dir: Path = ROOT
) -> subprocess.Popen[str]:
    """Start `steelcli train` on one of two nodes with one process each."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2"]
    command += ["--nproc-per-node", "1", "--node-rank", str(node)]
    if backend == "c10d":  # sorts the nodes by their addresses, whatever --node-rank says
        command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}"]
        command += ["--local-addr", f"127.0.0.{node + 1}"]
    else:
        command += ["--master-addr", "127.0.0.1", "--master-port", str(port)]
    variables = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(code_dir)}
    return subprocess.Popen(
        [*command, "-m", "steelcli", "train"],
        cwd=work_dir,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def list_processes(agent: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return an agent and the processes that it has started."""
    process = psutil.Process(agent.pid)
    return [process, *process.children(recursive=True)]


def told_errors(stderr: str) -> list[str]:
    """Return the sentences of errors among what torchrun prints."""
    return [line for line in stderr.splitlines() if line.startswith("Error: ")]
