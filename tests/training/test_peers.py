"""Processes that train different things are refused, and a lost one is told in one sentence."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from closure import ROOT
from walk import SMALL, change_param, write_params

from steelcli.common.errors import RunError
from steelcli.training.peers import compare_processes, explain_lost_peer

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
HOST = socket.gethostname()


def start_node(work_dir: Path, rank: int, port: int) -> subprocess.Popen[str]:
    """Start one of two processes as a launcher on its machine would."""
    variables = {
        "RANK": str(rank),
        "WORLD_SIZE": "2",
        "LOCAL_RANK": "0",
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "steelcli", "train"],
        cwd=work_dir,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_killed_node_is_told_in_one_sentence(
    prepared_dir: Path, tmp_path: Path, unused_port: int
) -> None:
    folders = [tmp_path / "0", tmp_path / "1"]
    for folder in folders:
        shutil.copytree(prepared_dir, folder)
        change_param(folder, "train.epochs", 200)
        change_param(folder, "train.patience", 200)
    first, second = (start_node(folders[rank], rank, unused_port) for rank in (0, 1))
    assert first.stdout
    assert any(line.startswith("epoch 1/") for line in first.stdout)
    second.kill()
    second.communicate()
    _, stderr = first.communicate(timeout=60)
    assert first.returncode == 1
    assert len(stderr.splitlines()) == 1
    assert stderr.startswith("Error: process 0 of 2 lost the connection to another one (")
    assert "they go on from the last saved state" in stderr


def start_long_training(prepared_dir: Path, work_dir: Path) -> subprocess.Popen[str]:
    """Start two processes under torchrun; return when the first epoch has ended."""
    shutil.copytree(prepared_dir, work_dir)
    change_param(work_dir, "train.epochs", 200)
    change_param(work_dir, "train.patience", 200)
    process = subprocess.Popen(
        [*TORCHRUN, "-m", "steelcli", "train"],
        cwd=work_dir,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert any(line.startswith("epoch 1/") for line in process.stdout)
    return process


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_process_killed_under_torchrun_is_told_once(
    victim: int, prepared_dir: Path, tmp_path: Path
) -> None:
    process = start_long_training(prepared_dir, tmp_path / "node")
    (target,) = (
        child
        for child in psutil.Process(process.pid).children()
        if child.environ().get("RANK") == str(victim)
    )
    target.kill()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    told = f"Error: process {1 - victim} of 2 lost the connection to another one ("
    assert stderr.count("Error: ") - stderr.count("ChildFailedError: ") == 1
    assert told in stderr
    assert stderr.count("Traceback (most recent call last)") == 1  # torchrun's own


@pytest.mark.slow
def test_an_error_of_all_processes_is_told_once(tmp_path: Path) -> None:
    write_params(tmp_path, SMALL)
    done = subprocess.run(
        [*TORCHRUN, "-m", "steelcli", "train"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("Error: no prepared store: ") == 1


@pytest.mark.slow
def test_processes_of_a_killed_torchrun_die_with_it(prepared_dir: Path, tmp_path: Path) -> None:
    process = start_long_training(prepared_dir, tmp_path / "node")
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) == 2
    process.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=20)
    for orphan in alive:
        orphan.kill()
    process.communicate()
    assert not alive


def test_the_first_process_that_differs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(f"{compare_processes.__module__}.gather_object", lambda own: own + found)
    own = {"train.lr": 0.1, "train.seed": 1, "steelcli code": "a"}
    found += [(HOST, own), ("node2", own)]
    assert compare_processes(own) == HOST
    found.append(("node3", own | {"train.seed": 2, "steelcli code": "b"}))
    sentence = (
        rf"process 3 on node3 has another train\.seed than process 0 on {HOST} "
        r"\(2, not 1\): train\.seed, steelcli code; give"
    )
    with pytest.raises(RunError, match=sentence):
        compare_processes(own)


def test_a_bug_is_not_taken_for_a_lost_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(RuntimeError, match="Connection closed by peer"), explain_lost_peer():
        raise RuntimeError("Connection closed by peer")
