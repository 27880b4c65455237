"""Machines with and without a GPU, with little memory, with a full disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
from collections import namedtuple
from pathlib import Path

import psutil
import pytest
import torch

from steelcli.commands.examine_machine import examine_cores, examine_device, examine_disks
from steelcli.commands.finding import Finding

GIB = 2**30
Usage = namedtuple("Usage", ["free"])
Memory = namedtuple("Memory", ["available", "total"])


def only(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


def test_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "is_available": True,
        "current_device": 0,
        "get_device_name": "NVIDIA H100",
        "get_device_capability": (9, 0),
        "mem_get_info": (78 * GIB, 80 * GIB),
    }
    for name, value in answers.items():
        monkeypatch.setattr(torch.cuda, name, lambda *_, value=value: value)
    found = only(list(examine_device()))
    assert found.state == "ok"
    assert found.says == ("NVIDIA H100; train.precision auto is bf16; 78.0 of 80.0 GiB are free")


def test_a_machine_without_a_gpu_has_nothing_to_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert only(list(examine_device())).state == "ok"


@pytest.mark.parametrize("is_too_old", [False, True])
def test_a_gpu_that_torch_does_not_see(is_too_old: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer() -> bool:
        if is_too_old:
            warnings.warn("The NVIDIA driver is too old", stacklevel=1)
        return False

    driver = None if is_too_old else "/usr/bin/nvidia-smi"
    monkeypatch.setattr(shutil, "which", lambda _: driver)
    monkeypatch.setattr(torch.cuda, "is_available", answer)
    found = only(list(examine_device()))
    assert found.state == "note"
    assert "sees no GPU" in found.says
    assert ("driver is too old" in found.says) == is_too_old
    assert found.remedy


@pytest.mark.parametrize(("gib", "state"), [(1, "note"), (16, "ok")])
def test_memory(gib: int, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory(gib * GIB, 16 * GIB))
    cores, memory = examine_cores()
    assert cores.state == "ok"
    assert memory.state == state
    assert memory.says == f"{gib}.0 of 16.0 GiB are free"


@pytest.mark.parametrize(("free", "state"), [(0, "problem"), (GIB, "note"), (9 * GIB, "ok")])
def test_the_disk(free: int, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free))
    found = only(list(examine_disks()))
    assert found.state == state
    assert str(tmp_path) in found.says


def test_the_disk_of_a_cache_that_is_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
    for command in (["init", "-q", "--no-scm"], ["cache", "dir", "../elsewhere/cache"]):
        subprocess.run([sys.executable, "-m", "dvc", *command], check=True, env=environment)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
    here, cache = examine_disks()
    assert str(tmp_path) in here.says
    assert cache.says.endswith(f"GiB are free in {tmp_path.parent / 'elsewhere' / 'cache'}")
