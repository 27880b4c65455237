"""Training over two nodes: the bits of one, a clear end when one dies, and one that writes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from agents import list_processes, start_agent, told_errors
from closure import ROOT
from small_runs import assert_same_run
from walk import change_param, steelcli

pytestmark = pytest.mark.slow
HOST = socket.gethostname()
EPOCHS = 6


@pytest.fixture(scope="module")
def long_dir(prepared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `train` runs for some epochs."""
    work_dir = tmp_path_factory.mktemp("long") / "node"
    shutil.copytree(prepared_dir, work_dir)
    for name in ("train.epochs", "train.patience"):
        change_param(work_dir, name, EPOCHS)
    return work_dir


@pytest.fixture(scope="module")
def one_node_dir(long_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes on one node leave."""
    work_dir = tmp_path_factory.mktemp("one") / "node"
    shutil.copytree(long_dir, work_dir)
    torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, "-m", *torchrun, "-m", "steelcli", "train"],
        cwd=work_dir,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return work_dir


def copy_nodes(source_dir: Path, tmp_path: Path) -> list[Path]:
    folders = [tmp_path / "0", tmp_path / "1"]
    for folder in folders:
        shutil.copytree(source_dir, folder)
    return folders


def train_on_both(folders: list[Path], port: int, backend: str) -> list[str]:
    """Train to the end; return what each node prints."""
    agents = [start_agent(folder, node, port, backend) for node, folder in enumerate(folders)]
    printed = []
    for agent in agents:
        stdout, stderr = agent.communicate(timeout=180)
        assert agent.returncode == 0, stderr
        printed.append(stdout)
    return printed


@pytest.mark.parametrize("backend", ["c10d", "static"])
def test_two_nodes_leave_the_bits_of_one_on_the_first(
    backend: str, long_dir: Path, one_node_dir: Path, tmp_path: Path, unused_port: int
) -> None:
    folders = copy_nodes(long_dir, tmp_path)
    before = sorted(folders[1].rglob("*"))
    first, second = train_on_both(folders, unused_port, backend)
    assert_same_run(one_node_dir, folders[0])
    assert f"epoch {EPOCHS}/{EPOCHS} " in first
    assert second == f"process 0 on {HOST} writes and tells all; this node writes nothing\n"
    assert sorted(folders[1].rglob("*")) == before


@pytest.mark.parametrize(("backend", "victim"), [("c10d", 1), ("static", 0)])
def test_a_killed_node_ends_the_other_and_a_restart_goes_on(
    backend: str,
    victim: int,
    long_dir: Path,
    one_node_dir: Path,
    tmp_path: Path,
    unused_port: int,
) -> None:
    folders = copy_nodes(long_dir, tmp_path)
    agents = [start_agent(folders[node], node, unused_port, backend) for node in (0, 1)]
    assert agents[0].stdout
    assert any(line.startswith("epoch 2/") for line in agents[0].stdout)
    for process in list_processes(agents[victim]):
        process.kill()
    agents[victim].communicate()
    survivor = agents[1 - victim]
    _, stderr = survivor.communicate(timeout=180)
    assert survivor.returncode == 1
    (sentence,) = told_errors(stderr)
    start = f"Error: process {1 - victim} of 2 lost the connection to another one ("
    assert sentence.startswith(start)
    assert sentence.endswith("they go on from the last saved state.")
    assert not (folders[0] / "models").exists()
    first, _ = train_on_both(folders, unused_port, backend)
    assert "going on with an interrupted run" in first
    assert_same_run(one_node_dir, folders[0])


def test_a_job_that_slurm_ends_is_saved_and_goes_on(
    long_dir: Path, one_node_dir: Path, tmp_path: Path, unused_port: int
) -> None:
    """Slurm signals every process of a job, and torchrun its own once more."""
    folders = copy_nodes(long_dir, tmp_path)
    agents = [start_agent(folders[node], node, unused_port, "static") for node in (0, 1)]
    assert agents[0].stdout
    assert any(line.startswith("epoch 2/") for line in agents[0].stdout)
    processes = [process for agent in agents for process in list_processes(agent)]
    for process in processes:
        process.send_signal(signal.SIGTERM)
    texts = [agent.communicate(timeout=180)[1] for agent in agents]
    assert not psutil.wait_procs(processes, timeout=20)[1]
    for agent, stderr in zip(agents, texts, strict=True):
        assert agent.returncode
        assert "Interrupted in epoch " in stderr
    first, _ = train_on_both(folders, unused_port, "static")
    assert "going on with an interrupted run" in first
    assert_same_run(one_node_dir, folders[0])


def other_lr(work_dir: Path) -> None:
    change_param(work_dir, "train.lr", 0.002)


def other_split(work_dir: Path) -> None:
    change_param(work_dir, "data.split_seed", 43)
    assert steelcli(work_dir, "prepare").returncode == 0


def other_code(work_dir: Path) -> None:
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "steelcli", work_dir / "steelcli", ignore=ignore)
    with (work_dir / "steelcli" / "training" / "losses.py").open("a") as file:
        file.write("# edited\n")


@pytest.mark.parametrize(
    ("alter", "name"),
    [(other_lr, "train.lr"), (other_split, "prepared store"), (other_code, "steelcli code")],
)
def test_a_node_that_differs_is_named_on_both_before_the_first_step(
    alter: Callable[[Path], None], name: str, prepared_dir: Path, tmp_path: Path, unused_port: int
) -> None:
    folders = copy_nodes(prepared_dir, tmp_path)
    alter(folders[1])
    code_dirs = [folder if (folder / "steelcli").exists() else ROOT for folder in folders]
    agents = [
        start_agent(folders[node], node, unused_port, code_dir=code_dirs[node]) for node in (0, 1)
    ]
    for agent, folder in zip(agents, folders, strict=True):
        stdout, stderr = agent.communicate(timeout=180)
        assert agent.returncode == 1
        assert "epoch" not in stdout
        (sentence,) = told_errors(stderr)
        start = f"Error: process 1 on {HOST} has another {name} than process 0 on {HOST} ("
        assert sentence.startswith(start)
        assert not (folder / "models").exists()
