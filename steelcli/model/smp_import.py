"""Import segmentation_models_pytorch where torch is a CPU build and torchvision the CUDA build from
PyPI.

That pair makes ``import torchvision`` fail with ``operator torchvision::nms does not exist``,
because the compiled operators cannot be loaded while the Python side registers their fake kernels.
Nothing here uses the operators, so declaring their schemas is enough. With a matching pair the
import succeeds at once and nothing is declared.
"""

from __future__ import annotations

import sys
from types import ModuleType

import torch

from steelcli.common.errors import RunError, quote

_DECLARED: list[torch.library.Library] = []  # a library's schemas live as long as the object does


def import_smp() -> ModuleType:
    """Return the module segmentation_models_pytorch, mending torchvision's import first if it needs
    it.

    Raises:
        RunError: torchvision is missing or does not fit torch in a way that cannot be mended here.
    """
    try:
        import torchvision  # noqa: F401  (smp imports it; here only to see whether it can)
    except (ImportError, OSError, RuntimeError) as error:
        if "torchvision::nms" not in str(error):
            what = f"torchvision cannot be imported beside torch {torch.__version__} ({quote(error, 120)})"
            raise RunError(
                what, "torchvision", "install the torchvision that belongs to this torch"
            ) from error
        _declare_operators()
    import segmentation_models_pytorch

    module: ModuleType = segmentation_models_pytorch
    return module


def _declare_operators() -> None:
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    _DECLARED.append(library)
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
