"""Cards for the page, made without a run."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from steelcli.reporting.cards import Card, Example

HOSTILE = "<img src=x onerror=alert(1)>'\"&amp;</script>" + "long_name_" * 20 + ".jpg"
"""An image's name that would be markup where it were not escaped."""


def picture(kind: str, width: int = 8, height: int = 4) -> str:
    """Return a data URI of a grey picture that rises from 0 to 255."""
    pixels = np.linspace(0, 255, width * height).round().astype(np.uint8).reshape(height, width)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def card(**changes: Any) -> Card:
    """Return a card of an image with a missed defect, with changes."""
    values: dict[str, Any] = {
        "image": "ds/img/0001.jpg",
        "kinds": ("worst", "missed"),
        "classes": ("scratch",),
        "sizes": ("small",),
        "dice": 0.4321,
        "defect_pixels": 1000,
        "false_pixels": 7,
        "missed": 1,
        "width": 8,
        "height": 4,
        "scale": 0.5,
        "photo": picture("jpeg"),
        "probability": picture("png"),
        "truth": "M1,1L4,1L4,3L1,3Z",
        "predicted": "M2,1L5,1L5,3L2,3Z",
    }
    return Card(**values | changes)


def example(**changes: Any) -> Example:
    """Return a training image, with changes."""
    values: dict[str, Any] = {
        "image": "ds/img/0900.jpg",
        "classes": ("patch",),
        "width": 8,
        "height": 4,
        "photo": picture("jpeg"),
        "truth": "M1,1L4,1L4,3L1,3Z",
    }
    return Example(**values | changes)
