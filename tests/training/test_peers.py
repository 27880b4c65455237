"""Processes that train different things are refused, and a lost one is told in one sentence."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from closure import ROOT
from walk import SMALL, steelcli, write_params

from steelcli.common.errors import RunError
from steelcli.training.peers import compare_processes, explain_lost_peer

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


@pytest.fixture(scope="module")
def prepared_dir(project_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `train` can run."""
    work_dir = tmp_path_factory.mktemp("node")
    write_params(work_dir, SMALL | {"data": {"root": str(project_dir), **SMALL["data"]}})
    assert steelcli(work_dir, "prepare").returncode == 0
    return work_dir


def change(work_dir: Path, name: str, value: Any) -> None:
    path = work_dir / "params.yaml"
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    section, key = name.split(".")
    raw[section][key] = value
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")


def start_node(work_dir: Path, rank: int, port: int, code_dir: Path) -> subprocess.Popen[str]:
    """Start one of two processes as a launcher on its machine would."""
    variables = {
        "RANK": str(rank),
        "WORLD_SIZE": "2",
        "LOCAL_RANK": "0",
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(code_dir),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "steelcli", "train"],
        cwd=work_dir,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def other_lr(work_dir: Path) -> None:
    change(work_dir, "train.lr", 0.002)


def other_split(work_dir: Path) -> None:
    change(work_dir, "data.split_seed", 43)
    assert steelcli(work_dir, "prepare").returncode == 0


def other_code(work_dir: Path) -> None:
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "steelcli", work_dir / "code" / "steelcli", ignore=ignore)
    with (work_dir / "code" / "steelcli" / "training" / "losses.py").open("a") as file:
        file.write("# edited\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("alter", "sentence"),
    [
        (other_lr, "process 1 has another train.lr than process 0 (0.002, not 0.001): train.lr;"),
        (other_split, "process 1 has another prepared store than process 0 ("),
        (other_code, "process 1 has another steelcli code than process 0 ("),
    ],
)
def test_folders_that_differ_are_refused_before_the_first_step(
    alter: Any, sentence: str, prepared_dir: Path, tmp_path: Path, unused_port: int
) -> None:
    folders = [tmp_path / "0", tmp_path / "1"]
    for folder in folders:
        shutil.copytree(prepared_dir, folder)
    alter(folders[1])
    code_dirs = [ROOT, folders[1] / "code" if (folders[1] / "code").exists() else ROOT]
    nodes = [start_node(folders[rank], rank, unused_port, code_dirs[rank]) for rank in (0, 1)]
    for node, folder in zip(nodes, folders, strict=True):
        stdout, stderr = node.communicate(timeout=120)
        assert node.returncode == 1
        assert "epoch" not in stdout
        assert stderr.startswith(f"Error: {sentence}")
        assert len(stderr.splitlines()) == 1
        assert not (folder / "models").exists()


@pytest.mark.slow
def test_a_killed_node_is_told_in_one_sentence(
    prepared_dir: Path, tmp_path: Path, unused_port: int
) -> None:
    folders = [tmp_path / "0", tmp_path / "1"]
    for folder in folders:
        shutil.copytree(prepared_dir, folder)
        change(folder, "train.epochs", 200)
        change(folder, "train.patience", 200)
    first, second = (start_node(folders[rank], rank, unused_port, ROOT) for rank in (0, 1))
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
    change(work_dir, "train.epochs", 200)
    change(work_dir, "train.patience", 200)
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


def gather(others: list[dict[str, Any]]) -> Any:
    return lambda own: [*own, *others]


def test_the_first_process_that_differs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"train.lr": 0.1, "train.seed": 1, "steelcli code": "a"}
    monkeypatch.setattr("steelcli.training.peers.gather_object", gather([own, own]))
    compare_processes(own)
    other = {"train.lr": 0.1, "train.seed": 2, "steelcli code": "b"}
    monkeypatch.setattr("steelcli.training.peers.gather_object", gather([own, other]))
    sentence = r"process 2 has another train\.seed .*\(2, not 1\): train\.seed, steelcli code; give"
    with pytest.raises(RunError, match=sentence):
        compare_processes(own)


def test_a_bug_is_not_taken_for_a_lost_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(RuntimeError, match="Connection closed by peer"), explain_lost_peer():
        raise RuntimeError("Connection closed by peer")
