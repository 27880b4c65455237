"""Hashes of content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def fingerprint(parts: Iterable[str | bytes]) -> str:
    """Return the SHA-256 of the parts and their lengths, in hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()


def code_digest(paths: Iterable[str]) -> str:
    """Return the SHA-256 of source files.

    Args:
        paths: files, and folders whose ``.py`` files count, from the folder that holds the package.
    """
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for name in paths:
        path = root / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
