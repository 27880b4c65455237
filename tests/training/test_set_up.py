"""What is refused before the first step, and what a run says it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from make_params import data_params, model_params, train_params

from steelcli.commands.prepare import prepare
from steelcli.commands.train import train
from steelcli.common.errors import ModelError, ParamsError
from steelcli.data.store.reader import Store
from steelcli.model.network import build_model


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


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"batch_size": 4},
            r"8 processes cannot share batches of 4 images: train\.batch_size; raise",
        ),
        ({"batch_size": 8, "precision": "fp16"}, r"fp16 needs a CUDA GPU.*: train\.precision; set"),
        ({"batch_size": 8, "trackers": ["none"]}, r"none is not installed: train\.trackers; run"),
        (
            {"batch_size": 8, "sync_batchnorm": False},
            r"a single value a channel: train\.batch_size",
        ),
    ],
)
@pytest.mark.skipif(torch.cuda.is_available(), reason="fp16 can start on a GPU")
def test_what_cannot_start_is_refused_before_any_process_is_started(
    changes: dict[str, Any],
    sentence: str,
    project_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("steelcli.commands.train.launch", None)
    params = data_params(root=str(project_dir), image_size=[32, 32])
    prepare(params, tmp_path / "prepared", tmp_path / "data.json")
    train_settings = train_params(processes=8, batch_size=8).model_copy(update=changes)
    with pytest.raises(ParamsError, match=sentence) as caught:
        train(
            model_params(),
            train_settings,
            tmp_path / "prepared",
            tmp_path / "m",
            tmp_path / "t.json",
        )
    assert "goes on" not in str(caught.value)


def test_args_say_what_the_run_was(run_dir: Path, store_dir: Path) -> None:
    settings = json.loads((run_dir / "models" / "args.json").read_text(encoding="utf-8"))
    assert settings["train"] == train_params().model_dump(mode="json")
    assert settings["model"] == model_params().model_dump(mode="json")
    assert settings["run"]["store"] == Store(store_dir).fingerprint
    model = build_model(**model_params().model_dump(), channels_last=False)
    assert settings["run"]["parameters"] == sum(
        parameter.numel() for parameter in model.parameters()
    )


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
