"""Import segmentation_models_pytorch without all of torchvision, whichever torch it was made for.

smp and timm take a few classes of torchvision. Its ``__init__`` files import much more, above all
torch's compiler, which takes longer than torch itself; so they run only when somebody asks for a
name that they define. Where torch is a CPU build and torchvision a CUDA build, the library of
compiled operators cannot be loaded, and ``import torchvision`` fails because the Python side
registers kernels for them. Nothing here uses the operators, so it is enough to declare them. With a
matching pair nothing is declared.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, wraps
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

import torch

from steelcli.common.errors import RunError, quote

_DECLARED: list[torch.library.Library] = []  # operators live as long as their library object


def import_smp() -> ModuleType:
    """Return the module segmentation_models_pytorch.

    Raises:
        RunError: torchvision is missing or does not fit torch.
    """
    try:
        if sys.modules.get("torchvision") is None:
            _import_torchvision()
    except (ImportError, OSError, RuntimeError) as error:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]  # half of a package, which the next call would take for a whole
        reason = quote(error, 120)
        what = f"torchvision cannot be imported beside torch {torch.__version__} ({reason})"
        remedy = "install the torchvision that belongs to this torch"
        raise RunError(what, "torchvision", remedy) from error
    with _compiler_comes_late():
        import segmentation_models_pytorch

    module: ModuleType = segmentation_models_pytorch
    return module


@contextmanager
def _compiler_comes_late() -> Iterator[None]:
    """Let functions that are marked as not to be compiled import the compiler when first called."""
    disable = torch.compiler.disable

    def disable_late(function: Any = None, *rest: Any, **options: Any) -> Any:
        if function is None or rest or options:
            return disable(function, *rest, **options)  # type: ignore[no-untyped-call]
        disabled = cache(lambda: disable(function))  # type: ignore[no-untyped-call]

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return disabled()(*args, **kwargs)

        return call

    torch.compiler.disable = disable_late  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.compiler.disable = disable


class _LatePackage(ModuleType):
    """A package whose ``__init__`` runs when a name is asked for that no submodule has set."""

    def __getattr__(self, name: str) -> Any:
        self.__class__ = ModuleType  # type: ignore[assignment]
        self.__spec__.loader.exec_module(self)  # type: ignore[union-attr]
        return getattr(self, name)


def _import_torchvision() -> None:
    """Import what smp and timm take of torchvision."""
    for name in ("torchvision", "torchvision.models", "torchvision.ops"):
        _import_late(name)
    importlib.import_module("torchvision.extension")  # loads the compiled operators
    if not hasattr(torch.ops.torchvision, "nms"):
        _declare_operators()
    for name in ("datasets", "ops.misc", "transforms", "utils"):
        importlib.import_module(f"torchvision.{name}")
    mobilenet = importlib.import_module("torchvision.models.mobilenetv2").MobileNetV2
    vars(sys.modules["torchvision.models"])["MobileNetV2"] = mobilenet


def _import_late(name: str) -> None:
    spec = find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {name!r}")
    module = module_from_spec(spec)
    module.__class__ = _LatePackage
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)


def _declare_operators() -> None:
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    arguments = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    for name in ("nms", "qnms"):
        library.define(name + arguments)  # type: ignore[no-untyped-call]
    _DECLARED.append(library)
