"""Section ``data``: where the raw images are and how they are brought into the prepared store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from steelcli.common.errors import ParamsError, quote
from steelcli.common.paths import SYNTHETIC_DIR
from steelcli.params.section import Float, Section, Text, Whole


def _check_side(side: int) -> int:
    if side % 32:
        low = side // 32 * 32
        raise ValueError(f"no multiple of 32; the nearest are {low} and {low + 32}")
    return side


def _check_values(values: dict[str, int]) -> dict[str, int]:
    if len(set(values.values())) < len(values):
        raise ValueError("two classes have one grey value")
    return values


def _check_range(value_range: tuple[int, int]) -> tuple[int, int]:
    if value_range[0] >= value_range[1]:
        raise ValueError("the first value is not below the second")
    return value_range


Side = Annotated[int, Field(ge=32, le=8192), AfterValidator(_check_side)]
Title = Annotated[Text, Field(min_length=1)]
Value = Annotated[int, Field(ge=1, le=65535)]
"""A value of a pixel of at most 16 bits; 0 is black, and no defect."""
Range = Annotated[tuple[Whole, Value], Field(strict=False), AfterValidator(_check_range)]


class DataParams(Section):
    root: Text
    """Folder of the raw data, relative to the repository root."""
    format: Literal["auto", "supervisely", "kaggle", "masks"]
    """Raw format; auto recognises it by the files found under root."""
    classes: tuple[Text, ...]
    """Titles that count as defects; empty takes all."""
    datasets: tuple[Text, ...]
    """Supervisely datasets to read; empty reads all."""
    keep_splits: bool
    """Whether Supervisely datasets called train, val or test keep their images."""
    other_shapes: Literal["refuse", "skip"]
    """What to do with Supervisely lines, points and other shapes that cover no area."""
    mask_threshold: Annotated[int, Field(ge=1, le=255)] | None
    """Lowest grey value of a mask file that counts as defect; null refuses grey values."""
    mask_values: Annotated[dict[Title, Value], AfterValidator(_check_values)] | None
    """Grey value of each class in mask files, by title; null: one class, 0 and 1 or 0 and 255."""
    missing_masks: Literal["refuse", "clean"]
    """What an image without a mask file is: a fault, or an image without defect."""
    value_range: Annotated[Range | None, BeforeValidator(lambda value: value or None)]
    """Values of 16-bit grey images that become 0 and 255, linearly; null refuses 16 bits."""
    color: Literal["grey", "rgb"]
    """Channels kept in the store: grey keeps one and copies it to the network's three."""
    image_size: tuple[Side, Side]
    """Width and height in pixels that the network sees, each a multiple of 32."""
    val_fraction: Annotated[Float, Field(gt=0, lt=1)]
    """Share of the images drawn for validation where the data brings none."""
    test_fraction: Annotated[Float, Field(gt=0, lt=1)]
    """Share of the images drawn for the test where the data brings none."""
    split_seed: Whole
    """Seed of the split and of limit, nothing else."""
    duplicates: Literal["drop", "refuse"]
    """What to do when one picture is in two splits: drop keeps the test copy, then the val copy."""
    limit: Annotated[Whole, Field(ge=2)] | None
    """Images taken per split; null takes all."""
    on_error: Literal["fail", "skip"]
    """What to do with faulty images or annotations: fail lists them and stops, skip omits them."""
    max_skipped_fraction: Annotated[Float, Field(ge=0, lt=1)]
    """Share of the images above which skip fails too."""
    max_image_pixels: Annotated[int, Field(ge=1, le=2**30)]
    """Most pixels of an image or mask, read from its header before it is decoded."""
    mm_per_pixel: Annotated[Float, Field(gt=0)] | None
    """Millimetres that a pixel of the raw images is wide and high; null: not known."""

    @field_validator("mask_values")
    @classmethod
    def _check_mask_values(
        cls, values: dict[str, int] | None, info: ValidationInfo
    ) -> dict[str, int] | None:
        if values and info.data.get("mask_threshold") is not None:
            raise ValueError(
                "data.mask_threshold is set too, which makes all grey values one class"
            )
        return values

    @field_validator("test_fraction")
    @classmethod
    def _check_fractions(cls, fraction: float, info: ValidationInfo) -> float:
        if info.data.get("val_fraction", 0) + fraction >= 1:
            raise ValueError("val_fraction + test_fraction leave nothing to train on")
        return fraction


def is_made_by_dvc(root: Path) -> bool:
    """Tell whether DVC brings the folder where it is missing: the embedded data, or `dvc add`ed."""
    return root == SYNTHETIC_DIR or Path(f"{root}.dvc").is_file()


def check_root(params: DataParams) -> None:
    """Refuse a folder of raw data that is not there and that DVC will not bring.

    Raises:
        ParamsError: it is missing, or cannot be looked at.
    """
    root = Path(params.root)
    try:
        found = root.is_dir() or is_made_by_dvc(root)
    except OSError as error:
        what = f"cannot read {quote(root, 200)} ({error.strerror})"
        raise ParamsError(what, "data.root", "mend the permissions") from error
    if not found:
        remedy = "correct it, or bring the data there"
        raise ParamsError(f"there is no folder {quote(root, 200)}", "data.root", remedy)
