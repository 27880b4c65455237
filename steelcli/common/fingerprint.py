"""Whole numbers that stand for content: so a metrics file, which holds numbers alone, can say what
it belongs to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def fingerprint(parts: Iterable[str | bytes]) -> int:
    """Return 48 bits of the SHA-256 of the parts in their order; every JSON reader keeps such a
    number exactly."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return int.from_bytes(digest.digest()[:6], "big")


def code_digest() -> str:
    """Return the SHA-256 of the package's source files, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
