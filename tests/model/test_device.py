"""What surrounds a run."""

from __future__ import annotations

import importlib.metadata

import pytest
import torch

import steelcli
from steelcli.common.errors import ParamsError
from steelcli.model.device import describe_versions, inference_precision, resolve_precision

CPU = torch.device("cpu")


def test_a_source_tree_without_installation_has_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.metadata.distribution

    def find_others(name: str) -> importlib.metadata.Distribution:
        if name == "steelcli":
            raise importlib.metadata.PackageNotFoundError(name)
        return find(name)

    monkeypatch.setattr(importlib.metadata, "distribution", find_others)
    assert describe_versions()["steelcli"] == steelcli.__version__


def test_half_precision_needs_a_gpu() -> None:
    with pytest.raises(ParamsError, match="fp16 needs a CUDA GPU"):
        resolve_precision("fp16", CPU)
    assert resolve_precision("auto", CPU) in ("fp32", "bf16")
    assert resolve_precision("bf16", CPU) == "bf16"


def test_a_checkpoint_runs_in_its_precision_where_that_is_fast() -> None:
    assert inference_precision("fp32", CPU) == inference_precision("fp16", CPU) == "fp32"
    assert inference_precision("bf16", CPU) == resolve_precision("auto", CPU)
