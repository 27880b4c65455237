"""Placeholder of the types that the backend builds."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("worst", "false alarm", "missed", "median", "best", "random")


@dataclass(frozen=True)
class Card:
    """One test image of the gallery."""

    image: str
    kinds: tuple[str, ...]
    classes: tuple[str, ...]
    sizes: tuple[str, ...]
    dice: float
    defect_pixels: int
    false_pixels: int
    missed: int
    width: int
    height: int
    scale: float
    photo: str
    probability: str | None
    truth: str
    predicted: str


@dataclass(frozen=True)
class Example:
    """A training image with its truth."""

    image: str
    classes: tuple[str, ...]
    width: int
    height: int
    photo: str
    truth: str
