"""Loss, optimiser, schedule and the loop; a few losses are pinned so that a refactor cannot move
them unseen."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from hypothesis import given, settings
from hypothesis import strategies as st
from make_params import data_params, model_params, train_params

from steelcli.commands.prepare import prepare
from steelcli.commands.train import train
from steelcli.common.errors import ModelError, ParamsError, RunError
from steelcli.data.store.reader import Store
from steelcli.model.device import inference_precision, resolve_precision
from steelcli.model.network import build_model
from steelcli.model.seeds import seed_everything
from steelcli.scores.columns import EPOCH_COLUMNS
from steelcli.training.loader import TrainLoader
from steelcli.training.loop import Trainer, build_optimizer
from steelcli.training.losses import bce_dice_loss
from steelcli.training.schedule import learning_rate

CPU = torch.device("cpu")


def build_trainer(store: Store, **changes: Any) -> Trainer:
    params = train_params(**changes)
    seed_everything(params.seed, params.deterministic)
    model = build_model(**model_params().model_dump(), channels_last=params.channels_last)
    loader = TrainLoader(
        store, params.augment, params.batch_size, params.balance, params.seed, params.workers
    )
    AcceleratorState._reset_state()
    return Trainer(Accelerator(cpu=True), model, loader, store, params, "fp32")


def read_rows(run_dir: Path) -> list[dict[str, str]]:
    with (run_dir / "models" / "metrics_seed42.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_loss_by_hand() -> None:
    logits = torch.tensor([0.0, math.log(3)]).reshape(1, 1, 1, 2)  # probabilities 1/2 and 3/4
    masks = torch.tensor([0, 1]).reshape(1, 1, 1, 2)
    bce = (math.log(2) - math.log(0.75)) / 2
    dice = (2 * 0.75 + 1) / (1.25 + 1 + 1)
    assert bce_dice_loss(logits, masks, 1, 0, 1).item() == pytest.approx(bce)
    assert bce_dice_loss(logits, masks, 0, 1, 1).item() == pytest.approx(1 - dice)
    assert bce_dice_loss(logits, masks, 0.3, 0.7, 1).item() == pytest.approx(
        0.3 * bce + 0.7 * (1 - dice)
    )


def test_dice_is_taken_over_the_whole_batch() -> None:
    logits = torch.randn(3, 1, 4, 5, generator=torch.Generator().manual_seed(0))
    masks = (torch.rand(3, 1, 4, 5, generator=torch.Generator().manual_seed(1)) < 0.3).to(
        torch.uint8
    )
    masks[2] = 0
    flat = bce_dice_loss(logits.reshape(1, 1, -1, 5), masks.reshape(1, 1, -1, 5), 0, 1, 1)
    assert bce_dice_loss(logits, masks, 0, 1, 1).item() == pytest.approx(flat.item())


def test_norms_and_biases_decay_by_parameter_alone() -> None:
    model = build_model(**model_params().model_dump(), channels_last=False)
    everywhere = build_optimizer(model, train_params(decay_norm_and_bias=True), CPU).param_groups
    assert [group["weight_decay"] for group in everywhere] == [1e-4]
    spared = build_optimizer(model, train_params(decay_norm_and_bias=False), CPU).param_groups
    assert [group["weight_decay"] for group in spared] == [1e-4, 0.0]
    assert all(parameter.ndim == 1 for parameter in spared[1]["params"])
    assert sum(len(group["params"]) for group in spared) == len(everywhere[0]["params"])


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 7))
@settings(deadline=None, max_examples=40)
def test_the_schedule_is_that_of_torch(length: int, mult: int, steps: int) -> None:
    params = train_params(lr=1.0, min_lr=0.1, restart_epochs=length, restart_mult=mult)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=params.lr)
    oracle = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(
        optimizer, length, mult, eta_min=0.1
    )
    for step in range(1, 12 * steps):
        optimizer.step()
        oracle.step(step / steps)
        assert learning_rate(params, step, steps) == pytest.approx(
            optimizer.param_groups[0]["lr"], abs=1e-9
        )


def test_the_warm_up_comes_before_the_first_period() -> None:
    params = train_params(lr=1.0, min_lr=0.0, restart_epochs=2, warmup_epochs=1.5)
    rates = [learning_rate(params, step, 4) for step in range(20)]
    assert rates[:6] == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1])
    assert rates[6:14] == [
        learning_rate(train_params(lr=1.0, min_lr=0.0, restart_epochs=2), step, 4)
        for step in range(8)
    ]
    assert rates[14] == 1.0


def test_losses_are_pinned(store_dir: Path) -> None:
    trainer = build_trainer(Store(store_dir))
    results = list(trainer.iter_epochs(2))
    assert [result.train_loss for result in results] == pytest.approx(PINNED_TRAIN, abs=2e-3)
    assert [result.val_loss for result in results] == pytest.approx(PINNED_VAL, abs=5e-3)
    assert results[1].learning_rate < results[0].learning_rate == 0.001


PINNED_TRAIN = [0.9201, 0.8683]
PINNED_VAL = [0.8389, 0.8426]


def test_the_same_seed_gives_the_same_weights(store_dir: Path) -> None:
    states = []
    for seed in (1, 1, 2):
        trainer = build_trainer(Store(store_dir), seed=seed)
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


def test_a_network_for_another_size_is_refused_before_training(
    store_dir: Path, tmp_path: Path
) -> None:
    params = model_params(encoder_name="tu-swin_tiny_patch4_window7_224")
    with pytest.raises(ModelError, match="256×64"):
        train(params, train_params(), store_dir, tmp_path / "m", tmp_path / "t.json")


def test_a_batch_with_one_value_a_channel_is_refused(project_dir: Path, tmp_path: Path) -> None:
    params = data_params(root=str(project_dir), image_size=[32, 32])
    prepare(params, tmp_path / "prepared", tmp_path / "data.json")
    with pytest.raises(ParamsError, match=r"a single value a channel: train\.batch_size; raise it"):
        train(
            model_params(),
            train_params(batch_size=1),
            tmp_path / "prepared",
            tmp_path / "m",
            tmp_path / "t.json",
        )


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


def test_a_run_leaves_what_the_contract_names(run_dir: Path) -> None:
    names = sorted(path.name for path in (run_dir / "models").iterdir())
    rows = read_rows(run_dir)
    best = {kind: max(float(row[f"val_{kind}_opt"]) for row in rows) for kind in ("dice", "iou")}
    assert names == sorted(
        [
            "args.json",
            f"best_dice_{best['dice']:.4f}_seed42.pth",
            f"best_iou_{best['iou']:.4f}_seed42.pth",
            "checkpoint_epoch_2_seed42.pth",
            "metrics_seed42.csv",
        ]
    )
    assert tuple(rows[0]) == EPOCH_COLUMNS
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(value != "" for row in rows for value in row.values())
    metrics = json.loads((run_dir / "metrics" / "train.json").read_text(encoding="utf-8"))
    assert metrics["best_dice"] == best["dice"]
    assert metrics["epochs"] == 2


def test_args_say_what_the_run_was(run_dir: Path, store_dir: Path) -> None:
    settings = json.loads((run_dir / "models" / "args.json").read_text(encoding="utf-8"))
    assert settings["train"] == train_params().model_dump(mode="json")
    assert settings["model"] == model_params().model_dump(mode="json")
    assert settings["run"]["store"] == Store(store_dir).fingerprint
    model = build_model(**model_params().model_dump(), channels_last=False)
    assert settings["run"]["parameters"] == sum(
        parameter.numel() for parameter in model.parameters()
    )


def test_training_stops_early(store_dir: Path, tmp_path: Path) -> None:
    params = train_params(epochs=9, patience=1, lr=1e-9, min_lr=0.0)
    metrics = train(model_params(), params, store_dir, tmp_path / "models", tmp_path / "train.json")
    assert metrics["epochs"] < 9
    assert metrics["epochs"] - metrics["best_epoch"] == 1


def test_a_tracker_that_is_not_installed_stops_before_training(
    store_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ParamsError, match=r"wandb is not installed: train\.trackers"):
        train(
            model_params(),
            train_params(trackers=["wandb"]),
            store_dir,
            tmp_path / "m",
            tmp_path / "t.json",
        )
    assert not (tmp_path / "m").exists()


def test_half_precision_needs_a_gpu() -> None:
    with pytest.raises(ParamsError, match="fp16 needs a CUDA GPU"):
        resolve_precision("fp16", CPU)
    assert resolve_precision("auto", CPU) in ("fp32", "bf16")
    assert resolve_precision("bf16", CPU) == "bf16"


def test_a_checkpoint_runs_in_its_precision_where_that_is_fast() -> None:
    assert inference_precision("fp32", CPU) == inference_precision("fp16", CPU) == "fp32"
    assert inference_precision("bf16", CPU) == resolve_precision("auto", CPU)


def test_mixed_precision_runs(store_dir: Path, tmp_path: Path) -> None:
    params = train_params(precision="bf16", epochs=1, channels_last=True)
    metrics = train(model_params(), params, store_dir, tmp_path / "models", tmp_path / "train.json")
    assert math.isfinite(metrics["train_loss"])
