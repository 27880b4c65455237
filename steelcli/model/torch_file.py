"""Read files of ``torch.save`` from strangers, without running code or filling the memory.

``weights_only=True`` runs no foreign code. A file may still declare tensors far larger than itself,
be a zip bomb or an endless pickle; each is refused before it takes memory.
"""

from __future__ import annotations

import pickletools
import stat
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from steelcli.common.errors import ModelError, quote

MAX_PICKLE_BYTES = 2**21
"""Of the part that names tensors and values; the largest networks here need a fifth of it."""
_STORAGES = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
_HARMLESS = {
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    *(f"torch.{name}Storage" for name in _STORAGES),
}
"""What a file of names and tensors calls. Torch allows more, among it ``bytearray(10**12)``."""

_BAD_ARCHIVE = (
    OSError,
    zipfile.BadZipFile,
    ValueError,
    EOFError,
    struct.error,
    NotImplementedError,
)
"""What zipfile raises for a damaged archive."""


def load_values(path: Path, what: str, remedy: str, mmap: bool = True) -> Any:
    """Return the values of a file that ``torch.save`` wrote, tensors on the CPU.

    Args:
        path: the file.
        what: what it should be, for the messages, such as "the checkpoint".
        remedy: what to do where it is not.
        mmap: whether the tensors stay in the file.

    Raises:
        FileNotFoundError: there is no file.
        ModelError: a file that would run code, is truncated or foreign, or declares more than it
            holds.
    """
    try:
        fault = _find_fault(path)
    except FileNotFoundError:
        raise
    except _BAD_ARCHIVE as error:
        fault = f"damaged or cut off: {quote(error, 120)}"
        raise ModelError(f"cannot load {what} ({fault})", path, remedy) from error
    if fault:
        raise ModelError(f"cannot load {what} ({fault})", path, remedy)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on the pickle's version
            values = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except Exception as error:  # torch raises UnpicklingError, RuntimeError, EOFError, KeyError …
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        fault = f"damaged or foreign: {quote(reason, 120)}"
        raise ModelError(f"cannot load {what} ({fault})", path, remedy) from error
    if isinstance(values, dict):
        return dict(dict.items(values))  # an OrderedDict may bring its own methods
    return values


def copy_tensors(values: Any, path: Path, what: str, remedy: str) -> dict[str, torch.Tensor]:
    """Return a mapping of names to tensors, copied out of the file.

    Raises:
        ModelError: no such mapping, tensors that are not plain, or more of them than the file has
            bytes for.
    """
    if not isinstance(values, dict) or not values:
        found = quote(type(values).__name__)
        raise ModelError(f"{what} holds no names with tensors but {found}", path, remedy)
    copies: dict[tuple[object, ...], torch.Tensor] = {}
    left = path.stat().st_size
    tensors = {}
    for name, tensor in dict.items(values):
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            found = f"{quote(type(tensor).__name__)} under {quote(name)}, not a tensor"
            raise ModelError(f"{what} holds {found}", path, remedy)
        if not _is_plain(tensor):
            found = f"a tensor that is not plain, {quote(name)}"
            raise ModelError(f"{what} holds {found}", path, remedy)
        place = (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        if place not in copies:  # tied weights lie in the file once
            left -= tensor.numel() * tensor.element_size()
            if left < 0:
                shape = "×".join(map(str, tensor.shape))
                found = f"tensors larger than the file, {quote(name)} of {quote(shape)}"
                raise ModelError(f"{what} declares {found}", path, remedy)
            copies[place] = tensor.detach().clone()
        tensors[name] = copies[place]
    return tensors


def find_code(raw: bytes) -> tuple[list[str], bool]:
    """Return what unpickling would call beyond plain tensors, and whether the pickle is whole."""
    found: dict[str, None] = {}
    is_whole = True
    texts = ["?", "?"]
    try:
        for opcode, value, _ in pickletools.genops(raw):
            if opcode.name in ("GLOBAL", "INST"):
                found[str(value).replace(" ", ".")] = None
            elif opcode.name == "STACK_GLOBAL":
                found[".".join(texts[-2:])] = None
            elif isinstance(value, str):
                texts.append(value)
    except (ValueError, EOFError, struct.error):
        is_whole = False
    return [name for name in found if name not in _HARMLESS], is_whole


def _find_fault(path: Path) -> str:
    """Return what keeps the file from being loaded, or nothing."""
    if stat.S_ISREG(path.stat().st_mode):
        return _find_archive_fault(path) if zipfile.is_zipfile(path) else _name_other(path)
    return "it is no regular file"


def _name_other(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(MAX_PICKLE_BYTES)
    if not head:
        return "the file is empty"
    code, _ = find_code(head)
    return _name_code(code) if code else "damaged, cut off, or no file of torch.save"


def _find_archive_fault(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        pickles = [entry for entry in entries if entry.filename.endswith("/data.pkl")]
        if len(pickles) != 1:
            return "a zip archive of something else"
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            return "compressed, which torch.save never does"
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            return "its parts are declared larger than the file"
        if pickles[0].file_size > MAX_PICKLE_BYTES:
            return f"its list of values is larger than {MAX_PICKLE_BYTES:,} bytes"
        code, is_whole = find_code(archive.read(pickles[0]))
    if code:
        return _name_code(code)
    return "" if is_whole else "damaged: its list of values breaks off"


def _name_code(code: list[str]) -> str:
    more = f" and {len(code) - 2} more" if len(code) > 2 else ""
    return f"it holds code, which was not run: {quote(', '.join(code[:2]))}{more}"


def _is_plain(tensor: torch.Tensor) -> bool:
    """Tell whether a tensor is real numbers that lie in memory as they are."""
    is_dense = (
        tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    )
    return is_dense and not tensor.is_complex() and not tensor.is_neg()
