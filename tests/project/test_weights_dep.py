"""DVC watches the bytes of the encoder weights that are used, and of no others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from clone import Clone
from walk import write_params


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone whose train stage is noted as done with data/weights/encoder.pth."""
    clone = Clone(tmp_path_factory.mktemp("clone"))
    for name in ("data/prepared", "models"):
        (clone.clone_dir / name).mkdir()
        (clone.clone_dir / name / "file").touch()
    commit(clone, "encoder.pth")
    return clone


def commit(clone: Clone, encoder_weights: str | None) -> None:
    """Name the weights in params.yaml and let DVC note that the stage is up to date."""
    write_params(clone.clone_dir, {"model": {"encoder_weights": encoder_weights}})
    if encoder_weights:
        write_weights(clone, encoder_weights, b"some bytes")
    clone("dvc", "commit", "--force", "train")


def write_weights(clone: Clone, name: str, raw: bytes) -> None:
    (clone.clone_dir / "data" / "weights" / name).write_bytes(raw)


def stale(clone: Clone) -> object:
    """Return what DVC says has changed of the train stage's deps."""
    status = json.loads(clone("dvc", "status", "--json", "train"))
    return status.get("train", [{}])[0].get("changed deps")


def test_new_bytes_under_the_same_name_make_training_stale(clone: Clone) -> None:
    assert stale(clone) is None
    write_weights(clone, "encoder.pth", b"other bytes")
    assert stale(clone) == {"data/weights/encoder.pth": "modified"}
    write_weights(clone, "encoder.pth", b"some bytes")
    write_weights(clone, "unused.pth", b"of another run")
    assert stale(clone) is None


@pytest.mark.parametrize("value", [None, "imagenet"])
def test_values_that_name_no_file_have_one_to_depend_on(clone: Clone, value: str | None) -> None:
    commit(clone, value)
    lock = yaml.safe_load((clone.clone_dir / "dvc.lock").read_text(encoding="utf-8"))
    deps = {Path(dep["path"]) for dep in lock["stages"]["train"]["deps"]}
    assert Path("data/weights", str(value)) in deps
    assert stale(clone) is None
