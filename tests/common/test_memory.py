"""What a process frees stays with it."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc alone is told")
def test_freed_memory_is_taken_again_without_new_pages() -> None:
    code = """
import resource, sys
import numpy as np
from steelcli.common.memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
step = lambda: [np.ones(2**21) for _ in range(8)]  # of 16 MiB
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    kept, given_back = (
        int(
            subprocess.run(
                [sys.executable, "-c", code, how], check=True, capture_output=True
            ).stdout
        )
        for how in ("keep", "give back")
    )
    assert kept < given_back / 10
