"""Checkpoints: what they carry, and what is refused."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from make_params import model_params, train_params

from steelcli.checkpoint import find_best, load_checkpoint, restore_model, save_checkpoint
from steelcli.data.store import Store
from steelcli.errors import ModelError
from steelcli.inference import from_levels, iter_levels, load_levels, save_levels, to_levels
from steelcli.model import build_model
from steelcli.trained import load_trained


@pytest.fixture
def best_path(run_dir: Path) -> Path:
    return find_best(run_dir / "models", "dice")


def test_a_checkpoint_describes_itself(best_path: Path, store_dir: Path) -> None:
    checkpoint = load_checkpoint(best_path)
    assert checkpoint.params["train"] == train_params().model_dump(mode="json")
    assert checkpoint.params["model"] == model_params().model_dump(mode="json")
    assert f"{checkpoint.score:.4f}" in best_path.name
    assert checkpoint.epoch in (1, 2)
    assert checkpoint.store == Store(store_dir).fingerprint
    assert set(checkpoint.versions) >= {"python", "torch", "steelcli"}


def test_weights_survive_the_round_trip(best_path: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(best_path)
    save_checkpoint(tmp_path / "copy.pth", checkpoint)
    images = torch.randint(0, 256, (2, 1, 64, 256), dtype=torch.uint8)
    one, other = (restore_model(load_checkpoint(p), p) for p in (best_path, tmp_path / "copy.pth"))
    assert torch.equal(one(images), other(images))


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "ran",)

    path = tmp_path / "best_dice_1.0_seed1.pth"
    path.write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(ModelError, match="cannot load the checkpoint"):
        load_checkpoint(path)
    assert not (tmp_path / "ran").exists()


def test_bad_files_are_named(best_path: Path, tmp_path: Path) -> None:
    truncated_path, foreign_path = tmp_path / "truncated.pth", tmp_path / "foreign.pth"
    truncated_path.write_bytes(best_path.read_bytes()[:1000])
    torch.save({"weights": {}}, foreign_path)
    for path, words in ((truncated_path, "cannot load"), (foreign_path, "no steelcli checkpoint")):
        with pytest.raises(ModelError, match=words) as caught:
            load_checkpoint(path)
        assert str(path) in str(caught.value)
    with pytest.raises(ModelError, match="not found"):
        load_checkpoint(tmp_path / "none.pth")


def test_weights_of_another_architecture_are_refused(best_path: Path) -> None:
    checkpoint = load_checkpoint(best_path)
    model = checkpoint.params["model"] | {"architecture": "unetplusplus"}
    with pytest.raises(ModelError, match="do not fit the architecture"):
        restore_model(replace(checkpoint, params=checkpoint.params | {"model": model}), best_path)


def test_exactly_one_best_is_expected(best_path: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="0 checkpoints"):
        find_best(tmp_path, "dice")
    for name in ("best_dice_0.1_seed1.pth", "best_dice_0.2_seed1.pth"):
        shutil.copy(best_path, tmp_path / name)
    with pytest.raises(ModelError, match="2 checkpoints"):
        find_best(tmp_path, "dice")


def test_a_checkpoint_of_other_data_is_refused(run_dir: Path, store_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(run_dir / "models", tmp_path / "models")
    path = find_best(tmp_path / "models", "dice")
    save_checkpoint(path, replace(load_checkpoint(path), store="another"))
    with pytest.raises(ModelError, match="trained on other data"):
        load_trained(tmp_path / "models", store_dir)


@pytest.mark.parametrize("architecture", ["unet", "unetplusplus"])
@pytest.mark.parametrize("channels_last", [True, False])
def test_both_architectures_give_one_logit_a_pixel(architecture: str, channels_last: bool) -> None:
    model = build_model(**model_params(architecture=architecture).model_dump(), channels_last=channels_last).eval()
    grey = torch.randint(0, 256, (2, 1, 32, 64), dtype=torch.uint8)
    with torch.inference_mode():
        logits = model(grey)
        assert logits.shape == (2, 1, 32, 64)
        assert torch.allclose(model(grey.expand(2, 3, 32, 64)), logits, atol=1e-5)


@pytest.mark.parametrize("encoder", ["resnt34", "tu-nonsense"])
def test_an_unknown_encoder_is_named(encoder: str) -> None:
    with pytest.raises(ModelError, match=encoder):
        build_model(**model_params(encoder_name=encoder).model_dump(), channels_last=False)


def test_encoder_weights_from_a_file(tmp_path: Path) -> None:
    donor = build_model(**model_params().model_dump(), channels_last=False)
    path = tmp_path / "encoder.pth"
    torch.save(donor.network.encoder.state_dict(), path)
    model = build_model(**model_params(encoder_weights=str(path)).model_dump(), channels_last=False)
    pairs = zip(model.network.encoder.parameters(), donor.network.encoder.parameters(), strict=True)
    assert all(torch.equal(mine, given) for mine, given in pairs)
    path.write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"encoder\.pth"):
        build_model(**model_params(encoder_weights=str(path)).model_dump(), channels_last=False)


def test_probability_maps_do_not_depend_on_the_batch(run_dir: Path, store_dir: Path) -> None:
    trained = load_trained(run_dir / "models", store_dir)
    positions = trained.store.positions("test")
    maps = [dict(iter_levels(trained.model, trained.store, positions, size, trained.device, "fp32")) for size in (1, 3)]
    for position in positions:
        assert maps[0][position].shape == (256, 1600)
        assert abs(maps[0][position].astype(int) - maps[1][position].astype(int)).max() <= 1


def test_levels_survive_their_png(tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 65536, (9, 13)).astype(np.uint16)
    save_levels(tmp_path / "a" / "map.png", levels)
    assert np.array_equal(load_levels(tmp_path / "a" / "map.png"), levels)
    assert np.array_equal(to_levels(from_levels(levels)), levels)
