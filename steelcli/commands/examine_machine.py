"""What does the machine have: a GPU, cores, memory, room on the disks?"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

from steelcli.commands.finding import Finding
from steelcli.common.cores import count_cores
from steelcli.common.errors import quote
from steelcli.common.paths import STAGES_PATH

GIB = 2**30
FEW_BYTES = 5 * GIB
"""Of free disk, or of free memory: below this it is worth knowing."""
FULL_BYTES = GIB // 10
"""Of free disk: below this nothing can be trained."""


def examine_device() -> Iterator[Finding]:
    """Say what the network computes on, and the precision that `auto` stands for there."""
    import torch

    from steelcli.model.device import describe_device, pick_device, resolve_precision

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        device = pick_device()
    says = f"{describe_device(device)}; train.precision auto is {resolve_precision('auto', device)}"
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        says += f"; {free / GIB:.1f} of {total / GIB:.1f} GiB are free"
    if device.type == "cpu" and (told or shutil.which("nvidia-smi")):
        reasons = "".join(f" ({quote(warning.message, 120)})" for warning in told[:1])
        says += f"; there is an NVIDIA driver, but torch {torch.__version__} sees no GPU{reasons}"
        remedy = "install a torch that was built for CUDA and for this driver: https://pytorch.org"
        yield Finding("device", "note", says, remedy)
        return
    yield Finding("device", "ok", says)


def examine_cores() -> Iterator[Finding]:
    """Say how many cores and how much memory this process may use."""
    import psutil

    yield Finding("cores", "ok", f"{count_cores()} of {psutil.cpu_count() or 1}")
    memory = psutil.virtual_memory()
    says = f"{memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB are free"
    if memory.available >= FEW_BYTES:
        yield Finding("memory", "ok", says)
    else:
        remedy = "close other programs, or lower train.batch_size if a training is killed"
        yield Finding("memory", "note", says, remedy)


def examine_disks() -> Iterator[Finding]:
    """Say how much room there is for the project, and for DVC's cache where it has one."""
    places = {"disk of this folder": Path.cwd()}
    if Path(".dvc").is_dir() and STAGES_PATH.is_file():
        from dvc.repo import Repo

        with Repo() as repo:
            places["disk of DVC's cache"] = Path(repo.cache.local_cache_dir)
    for topic, path in places.items():
        there = next(parent for parent in (path, *path.parents) if parent.exists())
        free = shutil.disk_usage(there).free
        says = f"{free / GIB:.1f} GiB are free in {path}"
        remedy = "free space; docs/storage.md says what takes it"
        if free >= FEW_BYTES:
            yield Finding(topic, "ok", says)
        else:
            yield Finding(topic, "note" if free >= FULL_BYTES else "problem", says, remedy)
