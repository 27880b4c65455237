"""Import segmentation_models_pytorch where torch is a CPU build and torchvision a CUDA build.

With that pair ``import torchvision`` fails: the library of compiled operators cannot be loaded, and
the Python side registers kernels for them. Nothing here uses the operators, so it is enough to
declare them. With a matching pair nothing is declared.
"""

from __future__ import annotations

import sys
from types import ModuleType

import torch

from steelcli.common.errors import RunError, quote

_DECLARED: list[torch.library.Library] = []  # operators live as long as their library object


def import_smp() -> ModuleType:
    """Return the module segmentation_models_pytorch.

    Raises:
        RunError: torchvision is missing or does not fit torch.
    """
    try:
        _import_torchvision()
    except (ImportError, OSError, RuntimeError) as error:
        reason = quote(error, 120)
        what = f"torchvision cannot be imported beside torch {torch.__version__} ({reason})"
        remedy = "install the torchvision that belongs to this torch"
        raise RunError(what, "torchvision", remedy) from error
    import segmentation_models_pytorch

    module: ModuleType = segmentation_models_pytorch
    return module


def _import_torchvision() -> None:
    try:
        import torchvision
    except RuntimeError:
        if hasattr(torch.ops.torchvision, "nms"):
            raise  # the operators are there, so they are not the reason
        _declare_operators()
        import torchvision  # noqa: F401


def _declare_operators() -> None:
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    arguments = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    for name in ("nms", "qnms"):
        library.define(name + arguments)  # type: ignore[no-untyped-call]
    _DECLARED.append(library)
    for name in list(sys.modules):
        if name.partition(".")[0] == "torchvision":
            del sys.modules[name]
