"""Run a module of this folder in a process of its own."""

from __future__ import annotations

import importlib
import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bench.figure import Figure
from steelcli.common.cores import count_cores


def measure(name: str) -> list[Figure]:
    """Run one module's ``measure`` in this process, in a folder that goes away."""
    import cv2
    import torch

    torch.set_num_threads(count_cores())  # whatever OMP_NUM_THREADS says
    cv2.setNumThreads(count_cores())
    module = importlib.import_module(f"bench.{name}")
    with tempfile.TemporaryDirectory(prefix="steelcli-bench-") as folder:
        figures: list[Figure] = module.measure(Path(folder))
    return figures


def measure_apart(name: str) -> list[Figure]:
    """Run `measure` in a process of its own, which leaves neither settings nor memory behind."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(measure, name).result()
