"""What surrounds a run."""

from __future__ import annotations

import importlib.metadata

import pytest

import steelcli
from steelcli.model.device import describe_versions


def test_a_source_tree_without_installation_has_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.metadata.distribution

    def find_others(name: str) -> importlib.metadata.Distribution:
        if name == "steelcli":
            raise importlib.metadata.PackageNotFoundError(name)
        return find(name)

    monkeypatch.setattr(importlib.metadata, "distribution", find_others)
    assert describe_versions()["steelcli"] == steelcli.__version__
