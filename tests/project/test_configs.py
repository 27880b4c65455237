"""The parameter files of configs/: whole, and what the pages say of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from closure import ROOT

from steelcli.commands.plan_batch import take_steps
from steelcli.commands.train import train
from steelcli.common.settings import flatten
from steelcli.model.network import build_frame, build_model
from steelcli.model.normalisation import resolve_normalisation
from steelcli.params.all import load_params
from steelcli.params.yaml_document import read_document

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
PROTOCOL = {
    "data.image_size": [1024, 256],
    "model.architecture": "unetplusplus",
    "model.encoder_name": "resnet34",
    "model.encoder_weights": "imagenet",
    "train.batch_size": 8,
    "train.epochs": 100,
    "train.ema_decay": 0,
    "train.lr": 1e-3,
    "train.patience": 7,
    "train.restart_epochs": 12,
    "train.restart_mult": 2,
    "train.seed": 42,
    "train.warmup_epochs": 0,
    "train.weight_decay": 1e-4,
}
"""What the thesis fixes."""


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_config_has_the_keys_of_params_yaml_in_their_order(path: Path) -> None:
    keys = list(flatten(read_document(path)))
    assert keys == list(flatten(read_document(ROOT / "params.yaml")))
    assert load_params(path)


def test_severstal_is_the_protocol_and_its_network_can_be_built() -> None:
    path = ROOT / "configs" / "severstal.yaml"
    values = flatten(read_document(path))
    assert {key: values[key] for key in PROTOCOL} == PROTOCOL
    settings = resolve_normalisation(load_params(path).model).model_dump()
    assert settings["mean"] == (0.485, 0.456, 0.406)
    settings["encoder_weights"] = None
    frame = build_frame("resnet34", lambda: build_model(**settings, channels_last=True))
    assert frame.mean.shape == (1, 3, 1, 1)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_config_s_network_takes_two_steps(path: Path) -> None:
    params = load_params(path)
    assert take_steps(params.model, params.train, (64, 32), 2, torch.device("cpu")) > 0


@pytest.mark.slow
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_config_trains_an_epoch(path: Path, store_dir: Path, tmp_path: Path) -> None:
    params = load_params(path)
    model = params.model.model_copy(update={"encoder_weights": None})
    changes = {"epochs": 1, "workers": 0, "checkpoint_every_epochs": 0}
    short = params.train.model_copy(update=changes)
    metrics = train(model, short, store_dir, tmp_path / "models", tmp_path / "train.json")
    assert metrics["epochs"] == 1
    assert list((tmp_path / "models").glob("best_dice_*.pth"))


def test_fast_cpu_is_params_yaml_for_data_of_one_s_own() -> None:
    values = flatten(read_document(ROOT / "configs" / "fast-cpu.yaml"))
    committed = flatten(read_document(ROOT / "params.yaml"))
    assert values.pop("data.root") != committed.pop("data.root")
    assert values == committed


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_dvc_changes_a_config_and_loses_no_comment(path: Path, tmp_path: Path) -> None:
    from dvc.utils.hydra import apply_overrides

    copy = tmp_path / "params.yaml"
    shutil.copy(path, copy)
    text = copy.read_text(encoding="utf-8")
    apply_overrides(copy, ["data.root=elsewhere", "train.lr=0.5", "model.mean=[0.5,0.5,0.5]"])
    assert load_params(copy).train.lr == 0.5
    values = read_document(path)
    back = {"data.root": values["data"]["root"], "train.lr": values["train"]["lr"]}
    apply_overrides(copy, [f"{key}={back[key]}" for key in back] + ["model.mean=auto"])
    assert copy.read_text(encoding="utf-8") == text
