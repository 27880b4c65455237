"""The CUDA path: the same bits twice, every number format finite, resumption exact; `python -m
pytest -m gpu`."""

from __future__ import annotations

import json
import math
from pathlib import Path

import distributed_run
import pytest
import torch
from make_params import train_params
from small_runs import SMALL, Killed, assert_same_run, kill_at, run_small

import steelcli.training.run
from steelcli.data.store.reader import Store
from steelcli.model.normalisation import resolve_normalisation
from steelcli.training.launch import launch
from steelcli.training.run import build_trainer
from steelcli.training.set_up import build_accelerator

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU on this machine"),
]


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_two_runs_on_a_gpu_are_bit_identical(
    precision: str, small_store_dir: Path, tmp_path: Path
) -> None:
    params = train_params(precision=precision, channels_last=True)
    for name in ("one", "two"):
        metrics = run_small(tmp_path / name, small_store_dir, params)
        assert math.isfinite(metrics["train_loss"])
        assert math.isfinite(metrics["val_loss"])
    assert_same_run(tmp_path / "one", tmp_path / "two")


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_killed_run_on_a_gpu_ends_as_if_nothing_had_happened(
    precision: str, small_store_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = train_params(precision=precision, save_every_minutes=1e-9)
    run_small(tmp_path / "whole", small_store_dir, params)
    with monkeypatch.context() as patch:
        kill_at(patch, steelcli.training.run.Trainer, "_step", 3)
        with pytest.raises(Killed):
            run_small(tmp_path / "killed", small_store_dir, params)
    run_small(tmp_path / "killed", small_store_dir, params)
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


def test_batchnorm_on_a_gpu_uses_the_images_of_both_processes(tmp_path: Path) -> None:
    """Two processes on one GPU, over gloo, give the outputs of one with the whole batch."""
    for processes in (1, 2):
        launch(processes, distributed_run.write_batchnorm, tmp_path / str(processes))
    one = json.loads((tmp_path / "1").read_text(encoding="utf-8"))
    two = json.loads((tmp_path / "2").read_text(encoding="utf-8"))
    assert two == pytest.approx(one, rel=1e-4, abs=1e-5)


def test_no_step_waits_for_the_gpu(small_store_dir: Path) -> None:
    params = train_params(ema_decay=0.9, accumulate_steps=2, batch_size=2)
    store, network = Store(small_store_dir), resolve_normalisation(SMALL)
    accelerator = build_accelerator(params)
    trainer = build_trainer(accelerator, network, params, store, "fp32")
    trainer._train_epoch()  # the first steps make states and choose kernels
    trainer.position.step = 0
    torch.cuda.set_sync_debug_mode("error")
    try:
        trainer._train_epoch()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert trainer.position.loss > 0
