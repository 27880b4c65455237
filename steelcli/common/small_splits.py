"""Say once where a split has too few images of a kind to judge by."""

from __future__ import annotations

from collections.abc import Mapping

from steelcli.common.progress import say

MIN_IMAGES = 20
"""Fewer images than that say little about others: 18 of 19 may well be 75 % (Wilson 1927)."""


def describe_small_splits(images: Mapping[str, tuple[int, int]]) -> str:
    """Return a sentence on the splits with under `MIN_IMAGES` of a kind, empty where none has.

    Args:
        images: of each split, those with a defect and the clean ones.
    """
    small = []
    for split, (defect, clean) in images.items():
        if min(defect, clean) < MIN_IMAGES:
            small.append(f"{split}: {defect} with a defect, {clean} clean")
    if not small:
        return ""
    scores = f"under {MIN_IMAGES} of a kind, other images would give quite other scores"
    return f"few images ({'; '.join(small)}): {scores}"


def warn_of_small_splits(images: Mapping[str, tuple[int, int]]) -> None:
    """Say `describe_small_splits` in one line."""
    if sentence := describe_small_splits(images):
        say(f"warning: {sentence}")
