"""`steelcli check`: read a data set as `prepare` does, write nothing, say what is there."""

from __future__ import annotations

import json

from steelcli.data.raw.survey import Survey, survey
from steelcli.data.raw.suspicions import Finding, inspect
from steelcli.params.data import DataParams

WITHOUT_PARAMS = DataParams(
    root="",
    format="auto",
    classes=(),
    datasets=(),
    keep_splits=True,
    other_shapes="refuse",
    mask_threshold=None,
    mask_values=None,
    missing_masks="refuse",
    value_range=None,
    color="rgb",
    image_size=(8192, 8192),
    val_fraction=0.15,
    test_fraction=0.2,
    split_seed=42,
    duplicates="drop",
    limit=None,
    on_error="fail",
    max_skipped_fraction=0.0,
    max_image_pixels=100_000_000,
    mm_per_pixel=None,
)
"""How `check` alone reads where there is no ``params.yaml``: all there is, and no doubtful value.

No image is too thin for the largest ``image_size``, and what belongs to the split is not looked at.
"""


def describe(params: DataParams) -> str:
    """Return the settings that decide what `check` finds, in one line."""
    names = (
        "format",
        "classes",
        "datasets",
        "other_shapes",
        "mask_threshold",
        "mask_values",
        "missing_masks",
        "value_range",
        "max_image_pixels",
    )
    shown = [f"data.{name}={json.dumps(getattr(params, name))}" for name in names]
    return " ".join(shown).replace('"', "")


def check(params: DataParams) -> Survey[Finding]:
    """Read the data set under ``params.root``.

    Raises:
        DataError: the data set as a whole cannot be read.
    """
    return survey(params.model_copy(update={"color": "rgb"}), inspect)
