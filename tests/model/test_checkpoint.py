"""Checkpoints: what they carry, and what is refused."""

from __future__ import annotations

import pickle
import resource
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from make_params import model_params, train_params

from steelcli.common.errors import ModelError, RunError
from steelcli.data.images.level_png import load_levels, save_levels
from steelcli.data.levels import from_levels, to_levels
from steelcli.data.store.reader import Store
from steelcli.model.checkpoint import find_best, load_checkpoint, restore_model, save_checkpoint
from steelcli.model.inference import iter_levels
from steelcli.model.network import build_frame, build_model
from steelcli.model.torch_file import load_values, take_tensors
from steelcli.model.trained_model import load_trained
from steelcli.model.weights import find_misfit


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


def test_a_full_disk_is_told_and_leaves_nothing(best_path: Path, tmp_path: Path) -> None:
    """The limit of a file's size fails as a full disk does, in the middle of torch's writing."""
    checkpoint = load_checkpoint(best_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(RunError, match=r"cannot write \(File too large\)") as caught:
            save_checkpoint(tmp_path / "copy.pth", checkpoint)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "copy.pth" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_weights_do_not_lie_in_the_file_they_came_from(best_path: Path, tmp_path: Path) -> None:
    shutil.copy(best_path, tmp_path / "copy.pth")
    checkpoint = load_checkpoint(tmp_path / "copy.pth")
    (tmp_path / "copy.pth").write_bytes(b"")  # a map of the file would end the process here
    assert all(torch.isfinite(tensor.float()).all() for tensor in checkpoint.weights.values())


def test_tied_weights_stay_tied(tmp_path: Path) -> None:
    tensor = torch.arange(1000.0)
    torch.save({"one": tensor, "other": tensor, "part": tensor[:10]}, tmp_path / "tied.pth")
    arguments = (tmp_path / "tied.pth", "the file", "write it again")
    taken = take_tensors(load_values(*arguments), *arguments)
    assert taken["one"] is taken["other"]
    assert torch.equal(taken["one"], tensor)
    assert torch.equal(taken["part"], tensor[:10])


@pytest.mark.parametrize("encoder", ["resnet18", "mit_b0", "tu-tf_mobilenetv3_small_minimal_100"])
def test_a_frame_has_the_shapes_of_the_network(encoder: str) -> None:
    arguments = model_params(encoder_name=encoder).model_dump()
    weights = build_model(**arguments, channels_last=False).state_dict()
    frame = build_frame(encoder, lambda: build_model(**arguments, channels_last=False)).state_dict()
    assert not find_misfit(weights, frame)
    name, tensor = next(iter(weights.items()))
    assert "1 missing and 0 unknown" in find_misfit(
        {key: value for key, value in weights.items() if key != name}, frame
    )
    assert "0 missing and 1 unknown, unknown is new" in find_misfit(
        weights | {"new": tensor}, frame
    )
    assert f"{name} is" in find_misfit(weights | {name: tensor[:1]}, frame)
    assert "of float64, not" in find_misfit(weights | {name: tensor.double()}, frame)


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


def test_a_checkpoint_of_other_data_is_refused(
    run_dir: Path, store_dir: Path, tmp_path: Path
) -> None:
    shutil.copytree(run_dir / "models", tmp_path / "models")
    path = find_best(tmp_path / "models", "dice")
    save_checkpoint(path, replace(load_checkpoint(path), store="another"))
    with pytest.raises(ModelError, match="trained on other data"):
        load_trained(tmp_path / "models", store_dir)


@pytest.mark.parametrize("architecture", ["unet", "unetplusplus"])
@pytest.mark.parametrize("channels_last", [True, False])
def test_both_architectures_give_one_logit_a_pixel(architecture: str, channels_last: bool) -> None:
    model = build_model(
        **model_params(architecture=architecture).model_dump(), channels_last=channels_last
    ).eval()
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
    maps = [
        dict(iter_levels(trained.model, trained.store, positions, size, trained.device, "fp32"))
        for size in (1, 3)
    ]
    for position in positions:
        assert maps[0][position].shape == (256, 1600)
        assert abs(maps[0][position].astype(int) - maps[1][position].astype(int)).max() <= 1


def test_levels_survive_their_png(tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 65536, (9, 13)).astype(np.uint16)
    save_levels(tmp_path / "a" / "map.png", levels)
    assert np.array_equal(load_levels(tmp_path / "a" / "map.png"), levels)
    assert np.array_equal(to_levels(from_levels(levels)), levels)
