"""Batch sizes by images and by memory."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from closure import ROOT
from make_params import model_params, train_params

from steelcli.commands import plan_batch
from steelcli.commands.examine_machine import GIB
from steelcli.commands.plan_batch import count_kept_bytes, plan_precision, plan_workers, take_steps
from steelcli.commands.plan_batch import plan_batch as choose_batch
from steelcli.commands.plan_choices import Choices
from steelcli.params.all import load_params


def let_be_free(monkeypatch: pytest.MonkeyPatch, gib: float) -> None:
    memory = SimpleNamespace(available=gib * GIB, total=64 * GIB)
    monkeypatch.setattr(plan_batch.psutil, "virtual_memory", lambda: memory)


def make_choices(config: str = "fast-cpu", *given: str) -> Choices:
    return Choices(load_params(ROOT / "configs" / f"{config}.yaml"), frozenset(given))


@pytest.mark.parametrize(
    ("images", "size"), [(9, 2), (31, 2), (32, 4), (63, 4), (64, 8), (10_000, 8)]
)
def test_few_images_make_small_batches(
    monkeypatch: pytest.MonkeyPatch, images: int, size: int
) -> None:
    let_be_free(monkeypatch, 16)
    choices = make_choices()
    choose_batch(choices, images)
    assert choices.params.train.batch_size == size
    assert choices.params.train.accumulate_steps == 1


def test_little_memory_makes_small_batches_and_equal_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    let_be_free(monkeypatch, 2.7)  # half of it is for the training
    choices = make_choices()
    choose_batch(choices, 1000)
    train = choices.params.train
    assert train.batch_size < 8
    assert train.batch_size * train.accumulate_steps == 8
    assert "GiB, 2.7 are free" in choices.reasons["train.batch_size"]
    assert "a batch of 8, which does not fit" in choices.reasons["train.accumulate_steps"]


def test_a_given_batch_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    let_be_free(monkeypatch, 0)
    choices = make_choices("fast-cpu", "train.batch_size")
    choose_batch(choices, 9)
    assert not choices.reasons


def test_a_gpu_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def take(_model: object, _train: object, _size: object, size: int, _device: object) -> None:
        tried.append(size)
        if size > 2:
            raise torch.OutOfMemoryError

    cuda = {"mem_get_info": (8 * GIB, 8 * GIB), "max_memory_reserved": 5 * GIB}
    for name, value in cuda.items():
        monkeypatch.setattr(torch.cuda, name, lambda _device, value=value: value)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _device: None)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(plan_batch, "pick_device", lambda: torch.device("cuda"))
    monkeypatch.setattr(plan_batch, "take_steps", take)
    choices = make_choices("strong")
    choose_batch(choices, 1000)
    assert tried == [8, 4, 2]
    assert (choices.params.train.batch_size, choices.params.train.accumulate_steps) == (2, 4)
    assert "two steps took 5.0 GiB, 8.0 were free" in choices.reasons["train.batch_size"]


def test_the_trial_really_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[float] = []
    step = torch.optim.AdamW.step

    def count(self: torch.optim.AdamW) -> object:
        norms = [p.grad.abs().sum() for g in self.param_groups for p in g["params"]]
        steps.append(float(sum(norms)))
        return step(self)

    monkeypatch.setattr(torch.optim.AdamW, "step", count)
    take_steps(model_params(), train_params(), (64, 32), 2, torch.device("cpu"))
    assert len(steps) == 2
    assert min(steps) > 0


def test_the_bytes_kept_grow_with_the_image_alone() -> None:
    small, weights = count_kept_bytes(model_params(), (64, 64))
    large, same = count_kept_bytes(model_params(), (128, 64))
    assert weights == same
    assert large == pytest.approx(2 * small, rel=0.02)
    # a first layer of 64 channels at half size, with what its normalisation and ReLU keep
    assert small > 2 * 4 * 64 * 32 * 32


def test_the_machine_is_named_in_precision_and_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    choices = make_choices("strong")
    monkeypatch.setattr(plan_batch, "count_cores", lambda: 4)
    plan_precision(choices)
    plan_workers(choices)
    assert choices.params.train.precision == "auto"
    assert choices.reasons["train.precision"].startswith(("it is fp32 on ", "it is bf16 on "))
    assert choices.params.train.workers == 3
