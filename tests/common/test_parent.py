"""No process outlives the one that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil

SLEEPERS = """
import time
from steelcli.common.cores import over_cores
if __name__ == "__main__":
    list(over_cores(time.sleep, [600] * 64, "sleeping", list))
"""


def test_workers_die_with_the_process_that_started_them() -> None:
    process = subprocess.Popen([sys.executable, "-c", SLEEPERS], stderr=subprocess.DEVNULL)
    parent = psutil.Process(process.pid)
    cores = len(os.sched_getaffinity(0))
    deadline = time.monotonic() + 60
    while len(descendants := parent.children(recursive=True)) < 1 + min(cores, 16):
        assert time.monotonic() < deadline  # a tracker of resources, and a worker for each core
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(descendants, timeout=20)
    for orphan in alive:
        orphan.kill()
    assert not alive
