"""Networks are seeded, built and folded without torch's compiler; torchvision stays whole."""

from __future__ import annotations

import subprocess
import sys

_SCRIPT = """
import sys
from functools import partial
from steelcli.model.fold import fold_batchnorm
from steelcli.model.network import build_frame, build_model
from steelcli.model.seeds import seed_everything

seed_everything(1, deterministic=True)
half = (0.5, 0.5, 0.5)
for encoder in ("timm-tf_efficientnet_lite0", "tu-test_efficientnet", "mobilenet_v2"):
    build = partial(build_model, "unet", encoder, None, [32, 16, 8, 8, 4], half, half, True)
    fold_batchnorm(build(), (64, 32))
    assert build_frame(encoder, build).mean.is_meta
assert "torch._dynamo" not in sys.modules
import torch
import torchvision
assert torch.are_deterministic_algorithms_enabled()
from segmentation_models_pytorch.encoders.mobilenet import MobileNetV2Encoder

assert torch.compiler.disable.__module__ == "torch.compiler"
assert callable(torchvision.ops.roi_align)
assert torchvision.models.MobileNetV2 in MobileNetV2Encoder.__bases__
assert torchvision.models.alexnet.__name__ == "alexnet"
assert torchvision.__version__
"""


def test_the_compiler_is_not_imported_until_somebody_asks() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
