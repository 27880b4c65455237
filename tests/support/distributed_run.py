"""What the tests of several processes run in each of them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from make_params import model_params, train_params

from steelcli.common.errors import DataError
from steelcli.data.store.reader import Store
from steelcli.model.network import build_model
from steelcli.model.seeds import seed_everything
from steelcli.scores.counts import FIXED
from steelcli.training.distributed import is_first_process, sync_batchnorm_layers
from steelcli.training.loader import TrainLoader
from steelcli.training.loop import StepHook, Trainer


class EnoughError(Exception):
    """The steps wanted are done."""


class Recorder(StepHook):
    """Notes the loss of each step and ends after some of them."""

    def __init__(self, steps: int) -> None:
        self.steps, self.losses, self.before = steps, [], 0.0
        self.trainer: Trainer | None = None

    def after_step(self, _flags: list[int]) -> None:
        assert self.trainer
        position = self.trainer.position
        self.losses.append(position.loss - (self.before if position.step > 1 else 0.0))
        self.before = position.loss
        if len(self.losses) == self.steps:
            raise EnoughError


def build(store_dir: Path, hook: StepHook, **changes: Any) -> Trainer:
    torch.set_num_threads(1)
    params = train_params(**changes)
    seed_everything(params.seed, params.deterministic)
    AcceleratorState._reset_state()
    accelerator = Accelerator(cpu=True)
    model = build_model(**model_params().model_dump(), channels_last=False)
    store = Store(store_dir)
    loader = TrainLoader(
        store,
        params.augment,
        params.batch_size,
        params.balance,
        params.seed,
        0,
        accelerator.process_index,
        accelerator.num_processes,
    )
    trainer = Trainer(accelerator, model, loader, store, params, "fp32")
    trainer.hook = hook
    return trainer


def write_losses(store_dir: Path, out_path: Path, steps: int, changes: dict[str, Any]) -> None:
    """Write the losses of the first steps."""
    recorder = Recorder(steps)
    recorder.trainer = trainer = build(store_dir, recorder, epochs=100, **changes)
    trainer._validate = lambda: (0.0, None)  # type: ignore[assignment, method-assign, return-value]
    with contextlib.suppress(EnoughError):
        list(trainer.iter_epochs(100))
    if is_first_process():
        out_path.write_text(json.dumps(recorder.losses), encoding="utf-8")


def write_validation(store_dir: Path, out_path: Path) -> None:
    """Write what the validation finds with the first weights."""
    loss, scorer = build(store_dir, StepHook())._validate()
    if is_first_process():
        found = {"loss": loss, "rows": scorer.image_rows(FIXED), "curve": scorer.threshold_curve()}
        out_path.write_text(json.dumps(found | {"summary": scorer.summary()}), encoding="utf-8")


def write_batchnorm(out_path: Path) -> None:
    """Write the statistics that synced layers of one network find for four images on a GPU."""
    dist.init_process_group("gloo")
    torch.manual_seed(0)
    model = build_model(**model_params().model_dump(), channels_last=False).cuda()
    sync_batchnorm_layers(model)
    images = torch.randint(0, 256, (4, 1, 64, 64), dtype=torch.uint8)
    size = len(images) // dist.get_world_size()
    model(images[dist.get_rank() * size :][:size].cuda())
    if is_first_process():
        means = [values for name, values in model.named_buffers() if name.endswith("running_mean")]
        out_path.write_text(json.dumps(torch.cat(means).tolist()), encoding="utf-8")
    dist.barrier()
    dist.destroy_process_group()


def die(_path: Path) -> None:
    """Let the second process be killed while the first one waits."""
    if not is_first_process():
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(600)


def complain(path: Path) -> None:
    """Let the second process meet an error of the user's."""
    if not is_first_process():
        raise DataError("the image is broken", path, "mend it")
    time.sleep(600)
