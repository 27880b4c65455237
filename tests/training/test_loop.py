"""The loop; a few losses are pinned so that a refactor cannot move them unseen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from make_params import model_params, train_params

from steelcli.common.errors import RunError
from steelcli.data.store.reader import Store
from steelcli.model.fold import copy_for_inference
from steelcli.model.inference import compute_logits
from steelcli.model.network import SegmentationModel, build_model
from steelcli.model.seeds import seed_everything
from steelcli.training import loop
from steelcli.training.loader import TrainLoader
from steelcli.training.loop import Trainer

CPU = torch.device("cpu")
RESNET = model_params(encoder_name="resnet18")


def build_trainer(store: Store, **changes: Any) -> Trainer:
    params = train_params(**changes)
    seed_everything(params.seed, params.deterministic)
    model = build_model(**RESNET.model_dump(), channels_last=params.channels_last)
    loader = TrainLoader(
        store, params.augment, params.batch_size, params.balance, params.seed, params.workers
    )
    AcceleratorState._reset_state()
    return Trainer(Accelerator(cpu=True), model, loader, store, params, "fp32")


def test_losses_are_pinned(store_dir: Path) -> None:
    trainer = build_trainer(Store(store_dir))
    results = list(trainer.iter_epochs(2))
    assert [result.train_loss for result in results] == pytest.approx(PINNED_TRAIN, abs=2e-3)
    assert [result.val_loss for result in results] == pytest.approx(PINNED_VAL, abs=5e-3)
    assert results[1].learning_rate < results[0].learning_rate == 0.001


PINNED_TRAIN = [0.9220, 0.8700]
PINNED_VAL = [0.8318, 0.8418]


def test_an_epoch_is_validated_by_a_copy_folded_for_its_images(
    store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def note(*asked: Any) -> SegmentationModel:
        made.append((asked, copy_for_inference(*asked)))
        return made[-1][1]

    def compute(model: SegmentationModel, *inputs: Any, **options: Any) -> torch.Tensor:
        assert model is made[-1][1]
        return compute_logits(model, *inputs, **options)

    monkeypatch.setattr(loop, "copy_for_inference", note)
    monkeypatch.setattr(loop, "compute_logits", compute)
    store = Store(store_dir)
    trainer = build_trainer(store)
    list(trainer.iter_epochs(1))
    assert [asked for asked, _ in made] == [(trainer.plain, "fp32", store.image_size)]


def test_the_same_seed_gives_the_same_weights(small_store_dir: Path) -> None:
    states = []
    for seed in (1, 1, 2):
        trainer = build_trainer(Store(small_store_dir), seed=seed)
        list(trainer.iter_epochs(1))
        states.append(torch.cat([p.detach().reshape(-1) for p in trainer.model.parameters()]))
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_a_network_that_breaks_in_the_last_step_is_not_taken_for_silence(store_dir: Path) -> None:
    trainer = build_trainer(Store(store_dir))
    with torch.no_grad():
        next(iter(trainer.model.parameters())).fill_(float("nan"))
    with pytest.raises(RunError, match=r"not finite|loss is nan"):
        trainer._validate()


def test_gradients_are_clipped_to_the_norm(
    store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = build_trainer(Store(store_dir), max_grad_norm=0.01)
    norms = []
    step = trainer.optimizer.step

    def record() -> None:
        norms.append(
            torch.cat(
                [p.grad.reshape(-1) for p in trainer.model.parameters() if p.grad is not None]
            ).norm()
        )
        step()

    monkeypatch.setattr(trainer.optimizer, "step", record)
    result = next(iter(trainer.iter_epochs(1)))
    assert result.grad_norm > 0.01
    assert norms
    assert all(norm.item() == pytest.approx(0.01, rel=1e-3) for norm in norms)


def test_a_loss_that_is_not_finite_stops_the_run(store_dir: Path) -> None:
    trainer = build_trainer(Store(store_dir))
    with torch.no_grad():
        next(iter(trainer.model.parameters())).fill_(float("nan"))
    with pytest.raises(
        RunError, match=r"the loss is nan: epoch 1, step 1, images .*jpg, .*; lower train\.lr"
    ):
        list(trainer.iter_epochs(1))
