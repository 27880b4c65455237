"""Two processes on one machine: the same losses and counts as one, and an end in words when one of
them dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import distributed_run
import psutil
import pytest
import torch
from make_params import model_params
from torch.nn.modules.batchnorm import _BatchNorm
from walk import SMALL, steelcli, write_params

from steelcli.common.errors import UserError
from steelcli.model.network import build_model
from steelcli.training.distributed import sync_batchnorm_layers
from steelcli.training.launch import launch

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _path_of_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [str(Path(distributed_run.__file__).parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(folders))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def losses(
    processes: int, store_dir: Path, out_path: Path, steps: int, **changes: Any
) -> list[float]:
    launch(processes, distributed_run.write_losses, store_dir, out_path, steps, changes)
    found: list[float] = json.loads(out_path.read_text(encoding="utf-8"))
    assert len(found) == steps
    return found


@pytest.mark.parametrize(
    "changes", [{"lr": 1e-5}, {"lr": 1e-5, "accumulate_steps": 2, "batch_size": 3}]
)
def test_two_processes_take_the_steps_of_one(
    store_dir: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    """At a low rate: at 1e-3 rounding grows to 1e-4 in ten steps, between one thread and two as
    well."""
    one = losses(1, store_dir, tmp_path / "one", 20, **changes)
    two = losses(2, store_dir, tmp_path / "two", 20, **changes)
    assert two == pytest.approx(one, rel=1e-5)
    assert two[0] == pytest.approx(one[0], rel=1e-6)
    assert one[-1] < one[0]


def test_two_processes_validate_as_one_does(store_dir: Path, tmp_path: Path) -> None:
    for processes in (1, 2):
        launch(processes, distributed_run.write_validation, store_dir, tmp_path / str(processes))
    one, two = (json.loads((tmp_path / name).read_text(encoding="utf-8")) for name in ("1", "2"))
    assert one == two


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (distributed_run.die, r"^process 1 of 2 ended with exit code -9: train\.processes"),
        (distributed_run.complain, r"^the image is broken: .*; mend it\.$"),
    ],
)
def test_a_dead_process_ends_the_others_in_words(
    function: Any, reason: str, tmp_path: Path
) -> None:
    started = time.monotonic()
    with pytest.raises(UserError, match=reason):
        launch(2, function, tmp_path)
    assert time.monotonic() - started < 60


def test_two_processes_stop_save_and_go_on(project_dir: Path, tmp_path: Path) -> None:
    train = SMALL["train"] | {
        "processes": 2,
        "epochs": 5,
        "patience": 5,
        "checkpoint_every_epochs": 0,
    }
    changes = SMALL | {"data": {"root": str(project_dir), **SMALL["data"]}, "train": train}
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
        write_params(tmp_path / name, changes)
        assert steelcli(tmp_path / name, "prepare").returncode == 0
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    done = steelcli(whole, "train")
    assert done.returncode == 0, done.stderr

    process = subprocess.Popen(
        [sys.executable, "-m", "steelcli", "train"],
        cwd=stopped,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    for line in process.stdout:
        if line.startswith("epoch 2/"):
            process.send_signal(signal.SIGTERM)
            break
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM, stderr
    assert (
        stderr.splitlines()[-1]
        == "Interrupted; the same command goes on from the last saved state."
    )
    done = steelcli(stopped, "train")
    assert done.returncode == 0, done.stderr
    assert "going on with an interrupted run" in done.stdout
    weights = [
        torch.load(next((folder / "models").glob("best_dice_*.pth")), weights_only=True)["weights"]
        for folder in (whole, stopped)
    ]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_orphans_die_and_leave_a_newer_run_alone(project_dir: Path, tmp_path: Path) -> None:
    """kill -9 of the command alone, amid a training that would have ended seconds later."""
    train = SMALL["train"] | {"processes": 2, "workers": 1, "epochs": 3}
    write_params(
        tmp_path, SMALL | {"data": {"root": str(project_dir), **SMALL["data"]}, "train": train}
    )
    assert steelcli(tmp_path, "prepare").returncode == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "steelcli", "train"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout
    assert any(line.startswith("epoch 2/") for line in process.stdout)
    descendants = psutil.Process(process.pid).children(recursive=True)
    assert len(descendants) >= 3  # two that train, and a tracker of resources
    process.send_signal(signal.SIGKILL)
    newer = {tmp_path / "models" / "new.txt": "model", tmp_path / "metrics" / "train.json": "{}"}
    for path, content in newer.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
    _, alive = psutil.wait_procs(descendants, timeout=20)
    for orphan in alive:
        orphan.kill()
    process.communicate()
    assert not alive
    assert {path: path.read_text(encoding="utf-8") for path in newer} == newer
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["new.txt"]
    done = steelcli(tmp_path, "train")
    assert done.returncode == 0, done.stderr
    assert "going on with an interrupted run" in done.stdout


def test_every_batchnorm_of_a_network_is_turned_into_a_synced_one() -> None:
    """Layers of timm keep their activation; names and values of the weights stay."""
    params = model_params(encoder_name="tu-tf_mobilenetv3_small_minimal_100")
    model = build_model(**params.model_dump(), channels_last=False).eval()
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    images = torch.randint(0, 256, (1, 1, 64, 64), dtype=torch.uint8)
    logits = model(images)
    sync_batchnorm_layers(model)
    norms = [layer for layer in model.modules() if isinstance(layer, _BatchNorm)]
    assert norms
    assert all(isinstance(norm, torch.nn.SyncBatchNorm) for norm in norms)
    assert weights.keys() == model.state_dict().keys()
    assert all(torch.equal(weights[name], model.state_dict()[name]) for name in weights)
    assert torch.equal(model.eval()(images), logits)
