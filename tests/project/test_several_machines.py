"""DVC over two nodes as docs/several-machines.md says, and experiments away from the project."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from agents import start_agent
from clone import Clone
from walk import SMALL, write_params

pytestmark = pytest.mark.slow
CHANGES = {
    "data": {"limit": 4, "image_size": [128, 32]},
    "model": SMALL["model"],
    "train": SMALL["train"] | {"epochs": 60, "patience": 60, "batch_size": 2},
    "evaluate": {"timing_images": 1},
}
RESUMED = "going on with an interrupted run"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone whose stages up to `prepare` have run."""
    clone = Clone(tmp_path_factory.mktemp("machines") / "clone")
    clone.draw_fewer_images()
    write_params(clone.clone_dir, CHANGES)
    clone("dvc", "repro", "prepare")
    clone("git", "commit", "-qam", "Prepare")
    return clone


def has_two_epochs(state_path: Path) -> bool:
    return int(state_path.name.split("-")[1]) > 2


def wait_for_state(states_dir: Path, process: subprocess.Popen[str] | None = None) -> None:
    """Wait until a training has saved two epochs or more."""
    deadline = time.monotonic() + 120
    while not any(has_two_epochs(path) for path in states_dir.glob(".steelcli/train/*/state-*.pt")):
        assert time.monotonic() < deadline, "no training was seen"
        assert process is None or process.poll() is None
        time.sleep(0.01)


def test_dvc_takes_over_what_two_nodes_trained(
    clone: Clone, tmp_path: Path, unused_port: int
) -> None:
    folders = [tmp_path / "0", tmp_path / "1"]
    for folder in folders:
        shutil.copytree(clone.clone_dir, folder, symlinks=True)
    agents = [
        start_agent(folder, node, unused_port, "static", folder)
        for node, folder in enumerate(folders)
    ]
    for agent in agents:
        _, stderr = agent.communicate(timeout=600)
        assert agent.returncode == 0, stderr

    def first(*command: str) -> str:
        environment = clone.env | {"PYTHONPATH": str(folders[0])}
        done = subprocess.run(
            command, cwd=folders[0], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    model = next((folders[0] / "models").glob("best_dice_*.pth")).read_bytes()
    first("dvc", "commit", "--force", "train")
    printed = first("dvc", "exp", "run", "-n", "both")
    assert "Stage 'train' didn't change, skipping" in printed
    assert next((folders[0] / "models").glob("best_dice_*.pth")).read_bytes() == model
    assert (folders[0] / "metrics" / "test.json").is_file()
    assert "both" in first("dvc", "exp", "list")
    assert not (folders[1] / "models").exists()


def test_a_killed_experiment_in_a_folder_of_its_own_goes_on(clone: Clone, tmp_path: Path) -> None:
    environment = clone.env | {"STEELCLI_STATE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "dvc", "exp", "run", "--temp", "-S", "train.lr=0.002"]
    process = subprocess.Popen(
        command,
        cwd=clone.clone_dir,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for_state(tmp_path, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    done = subprocess.run(
        command, cwd=clone.clone_dir, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert RESUMED in done.stdout
    assert not list((tmp_path / ".steelcli" / "train").iterdir())


def test_a_killed_experiment_of_the_queue_goes_on(
    clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(clone.env, "STEELCLI_STATE_DIR", str(tmp_path))  # the worker inherits it
    queue = ("dvc", "exp", "run", "--queue", "-S", "train.lr=0.003", "-n")
    clone(*queue, "killed")
    start_queue(clone)
    wait_for_state(tmp_path)
    clone("dvc", "queue", "kill", "--force", "killed")
    wait_for_end(clone)
    assert list(tmp_path.glob(".steelcli/train/*/state-*.pt"))
    clone(*queue, "again")
    start_queue(clone)
    wait_for_end(clone)
    assert RESUMED in clone("dvc", "queue", "logs", "again")
    assert not list((tmp_path / ".steelcli" / "train").iterdir())


def start_queue(clone: Clone) -> None:
    """Start a worker, which would hold a pipe to this process open until it ends."""
    subprocess.run(
        ["dvc", "queue", "start"],
        cwd=clone.clone_dir,
        env=clone.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )


def wait_for_end(clone: Clone) -> None:
    """Wait until nothing in the queue waits or runs."""
    deadline = time.monotonic() + 300
    while any(word in clone("dvc", "queue", "status") for word in ("Queued", "Running")):
        assert time.monotonic() < deadline
        time.sleep(1)
