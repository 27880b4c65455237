"""Reading the store: its bytes are those that were written."""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import make_predictions as make
import numpy as np
import pytest
from make_params import data_params, evaluate_params, threshold_params
from small_runs import run_small

from steelcli.commands.evaluate import evaluate
from steelcli.commands.judge import evaluate_foreign
from steelcli.commands.tune_threshold import tune_threshold
from steelcli.common.errors import DataError
from steelcli.data.store import reader
from steelcli.data.store.index import PIXEL_FILES, StoredImage, bits_dtype
from steelcli.data.store.reader import Store, open_store
from steelcli.data.store.writer import StoreWriter, pack_truth

Command = Callable[[Path], object]


@pytest.fixture
def copy_dir(store_dir: Path, tmp_path: Path) -> Path:
    """A store that may be spoilt."""
    return Path(shutil.copytree(store_dir, tmp_path / "prepared"))


@pytest.fixture
def commands(run_dir: Path, store_dir: Path, tmp_path: Path) -> dict[str, Command]:
    """Every command that reads pixels, ready for a store; the threshold is learned already."""
    models_dir, metrics_dir = run_dir / "models", tmp_path / "metrics"
    paths = (metrics_dir / "threshold.json", metrics_dir / "threshold_curve.csv")

    def tune(store: Path) -> object:
        val_dir = tmp_path / "predictions" / "val"
        return tune_threshold(threshold_params(), "none", store, models_dir, *paths, val_dir)

    tune(store_dir)
    maps_dir = make.write_pngs(tmp_path / "maps", make.make_levels(Store(store_dir), "test"))
    scoring = evaluate_params(overlays=1, timing_images=1)
    sections = (data_params(), threshold_params(), scoring)
    outputs = (metrics_dir, tmp_path / "predictions")
    return {
        "train": lambda store: run_small(tmp_path, store),
        "tune": tune,
        "evaluate": lambda store: evaluate(scoring, [0], store, models_dir, paths[0], *outputs),
        "judge": lambda store: evaluate_foreign(
            maps_dir, "other", None, *sections, store, metrics_dir
        ),
    }


def test_inverted_images_are_refused_by_every_command(
    commands: dict[str, Command], copy_dir: Path
) -> None:
    images = np.lib.format.open_memmap(copy_dir / "images.npy", mode="r+")
    images[:] = 255 - images
    images.flush()
    for command in commands.values():
        with pytest.raises(DataError, match="pixels are not those that were written") as caught:
            command(copy_dir)
        assert caught.value.where == str(copy_dir / "images.npy")


def test_every_command_checks_the_pixels_once(
    commands: dict[str, Command], store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks: list[Path] = []
    digest_files = reader.digest_files
    monkeypatch.setattr(
        reader, "digest_files", lambda folder: (checks.append(folder), digest_files(folder))[1]
    )
    for name, command in commands.items():
        command(store_dir)
        assert checks == [store_dir], name
        checks.clear()


@pytest.mark.parametrize("name", PIXEL_FILES)
def test_one_flipped_bit_is_found_in_any_file(copy_dir: Path, name: str) -> None:
    raw = bytearray((copy_dir / name).read_bytes())
    raw[-1] ^= 1
    (copy_dir / name).write_bytes(raw)
    with pytest.raises(DataError, match=f"not those that were written: .*{name}"):
        open_store(copy_dir)


def test_a_file_that_may_not_be_read_is_one_sentence(
    copy_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder / "originals.bin"))

    monkeypatch.setattr(reader, "digest_files", refuse)
    with pytest.raises(DataError, match=r"cannot be read \(Permission denied\): .*originals"):
        open_store(copy_dir)


def test_of_several_processes_the_first_of_each_machine_checks(
    copy_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copy_dir / "masks.npy").write_bytes((copy_dir / "masks.npy").read_bytes()[:-1] + b"\1")
    monkeypatch.setattr("steelcli.training.run.is_first_of_node", lambda: False)
    assert run_small(tmp_path, copy_dir)["epochs"] == 2
    monkeypatch.undo()
    with pytest.raises(DataError, match="not those that were written"):
        run_small(tmp_path, copy_dir)


def test_the_fingerprint_stands_for_the_pixels(tmp_path: Path) -> None:
    """Two stores of the same truth that differ in one pixel of one letterboxed image."""
    fingerprints = set()
    for value in (10, 10, 11):
        folder = tmp_path / str(value)
        folder.mkdir(exist_ok=True)
        mask = np.zeros((1, 32, 32), bool)
        with StoreWriter(folder, 1, (32, 32), "grey") as writer:
            writer.append("images.npy", bytes([value]) * 32 * 32)
            writer.append("masks.npy", mask.tobytes())
            truth = writer.append("truth.bin", pack_truth(mask))
            image = StoredImage("a.png", "train", "content", 32, 32, (0,), truth, (0, 0))
            writer.finish(["defect"], [image])
        text = (folder / "index.json").read_text(encoding="utf-8")
        fingerprints.add(json.loads(text)["fingerprint"])
        (line,) = [line for line in text.splitlines() if "a.png" in line]
        assert json.loads(line) == json.loads(text)["records"][0]
    assert len(fingerprints) == 2


@pytest.mark.parametrize("classes", [1, 8, 9, 40])
def test_the_truth_of_any_number_of_classes(classes: int) -> None:
    masks = np.random.default_rng(0).random((classes, 7, 90)) < 0.2
    masks = np.repeat(masks, 20, axis=2)
    bits = np.frombuffer(zlib.decompress(pack_truth(masks)), bits_dtype(classes))
    channels = (bits.reshape(7, 1800) >> np.arange(classes, dtype=bits.dtype)[:, None, None]) & 1
    np.testing.assert_array_equal(channels, masks)
