"""The trained model for tuning and testing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from steelcli.common.errors import ModelError
from steelcli.model import trained_model
from steelcli.model.checkpoint import find_best, load_checkpoint, save_checkpoint
from steelcli.model.trained_model import load_trained


def test_a_checkpoint_of_other_data_is_refused(
    run_dir: Path, store_dir: Path, tmp_path: Path
) -> None:
    shutil.copytree(run_dir / "models", tmp_path / "models")
    path = find_best(tmp_path / "models", "dice")
    save_checkpoint(path, load_checkpoint(path).model_copy(update={"store": "another"}))
    with pytest.raises(ModelError, match="trained on other data"):
        load_trained(tmp_path / "models", store_dir)


def test_a_consumer_of_predictions_keeps_its_gradients(run_dir: Path, store_dir: Path) -> None:
    trained = load_trained(run_dir / "models", store_dir)
    maps = trained.iter_levels("val", 1, False)
    next(maps)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_network_is_folded_for_its_number_format_and_its_images(
    run_dir: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    monkeypatch.setattr(trained_model, "inference_precision", lambda *_: precision)
    trained = load_trained(run_dir / "models", store_dir)
    assert not trained.model.training
    norms = [layer for layer in trained.model.modules() if isinstance(layer, _BatchNorm)]
    assert bool(norms) == (precision == "bf16")
