"""Checkpoints: what they carry, and what is refused."""

from __future__ import annotations

import pickle
import resource
import shutil
from pathlib import Path

import pytest
import torch
from make_params import model_params, train_params

from steelcli.common.errors import ModelError, RunError
from steelcli.data.store.reader import Store
from steelcli.model.checkpoint import find_best, load_checkpoint, restore_model, save_checkpoint


@pytest.fixture
def best_path(run_dir: Path) -> Path:
    return find_best(run_dir / "models", "dice")


def test_a_checkpoint_describes_itself(best_path: Path, store_dir: Path) -> None:
    checkpoint = load_checkpoint(best_path)
    assert checkpoint.params.train.model_dump() == train_params().model_dump(mode="json")
    assert checkpoint.params.model.model_dump(mode="json") == model_params().model_dump(mode="json")
    assert f"{checkpoint.score:.4f}" in best_path.name
    assert checkpoint.epoch in (1, 2)
    assert checkpoint.store == Store(store_dir).fingerprint
    assert set(checkpoint.versions) >= {"python", "torch", "steelcli"}


def test_the_key_of_a_run_stands_for_its_data_and_weights(best_path: Path) -> None:
    checkpoint = load_checkpoint(best_path)
    weights = {key: value.clone() for key, value in checkpoint.weights.items()}
    same = checkpoint.model_copy(update={"weights": weights, "epoch": 9})
    assert same.run_key == checkpoint.run_key
    assert len(checkpoint.run_key) == 64
    assert checkpoint.model_copy(update={"store": "another"}).run_key != checkpoint.run_key
    counter = next(key for key, value in weights.items() if value.dtype == torch.int64)
    changed = weights | {counter: weights[counter] + 1}
    assert checkpoint.model_copy(update={"weights": changed}).run_key != checkpoint.run_key


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
    model = checkpoint.params.model.model_copy(update={"architecture": "unetplusplus"})
    params = checkpoint.params.model_copy(update={"model": model})
    with pytest.raises(ModelError, match="do not fit the architecture"):
        restore_model(checkpoint.model_copy(update={"params": params}), best_path)


def test_exactly_one_best_is_expected(best_path: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="0 checkpoints"):
        find_best(tmp_path, "dice")
    for name in ("best_dice_0.1_seed1.pth", "best_dice_0.2_seed1.pth"):
        shutil.copy(best_path, tmp_path / name)
    with pytest.raises(ModelError, match="2 checkpoints"):
        find_best(tmp_path, "dice")


def test_the_best_by_dice_is_not_that_by_the_dice_of_defects(tmp_path: Path) -> None:
    names = {
        "dice": "best_dice_1.0000_seed1.pth",
        "iou": "best_iou_0.5000_seed1.pth",
        "dice_defect": "best_dice_defect_0.7000_seed1.pth",
    }
    for name in names.values():
        (tmp_path / name).touch()
    assert {monitor: find_best(tmp_path, monitor).name for monitor in names} == names
