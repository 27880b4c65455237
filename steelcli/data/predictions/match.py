"""Predictions of any model: find their format, pair them with images, bring them to native size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import DataError, quote
from steelcli.data.images.find import IMAGE_SUFFIXES
from steelcli.data.levels import from_levels, to_levels
from steelcli.data.predictions.coco import CocoPredictions
from steelcli.data.predictions.map_files import MAP_SUFFIXES, MapFiles
from steelcli.data.predictions.run_lengths import KagglePredictions
from steelcli.data.predictions.source import Kind, Map, PredictionSource
from steelcli.data.predictions.supervisely import SuperviselyPredictions
from steelcli.data.raw.supervisely import find_datasets
from steelcli.params.data import DataParams

FORMATS = (
    "PNG or npy files named like the images, a COCO json, a Kaggle csv, or a Supervisely project"
)
_NAMED = 3  # images named in a message


class Prediction(NamedTuple):
    """One image's map at native size.

    Attributes:
        levels: uint16 [height, width].
        resized: whether it was brought from another size.
        rounded: whether rounding to levels changed a probability.
    """

    levels: NDArray[np.uint16]
    resized: bool
    rounded: bool


@dataclass(frozen=True)
class Predictions:
    """The predictions of one split.

    Attributes:
        kind: what they are; None where all are 0, so that either fits.
        name_of: the prediction's own name by image.
        outside: number of predictions of images that are not in the split.
    """

    source: PredictionSource
    kind: Kind | None
    name_of: dict[str, str]
    outside: int

    def read(self, image: str, height: int, width: int, kind: Kind) -> Prediction:
        """Return one image's map at native size."""
        own = self.source.read(self.name_of[image], height, width)
        resized = own.shape != (height, width)
        values = to_native(own, height, width, kind) if resized else own
        if values.dtype == np.uint16:
            return Prediction(values, resized, rounded=False)
        levels = to_levels(values)
        return Prediction(levels, resized, not np.array_equal(from_levels(levels), values))


def open_predictions(path: Path, params: DataParams) -> PredictionSource:
    """Find out the format of a folder or file and list its predictions.

    Args:
        path: a folder, or a json or csv file itself.
        params: ``other_shapes`` alone is used, for a Supervisely project.

    Raises:
        DataError: nothing there, no known format, several formats, or a broken file.
    """
    if path.is_dir() and (path / "meta.json").is_file() and find_datasets(path):
        return SuperviselyPredictions(path, params)
    found = _by_suffix(path)
    if len(found) > 1:
        shown = ", ".join(f"{len(files)} {suffix}" for suffix, files in sorted(found.items()))
        what = f"predictions of several formats ({shown})"
        raise DataError(what, path, "keep one format in the folder")
    suffix, files = next(iter(found.items()), ("", []))
    if suffix in MAP_SUFFIXES:
        return MapFiles(path if path.is_dir() else path.parent, files)
    if suffix not in (".json", ".csv"):
        what = f"predictions of type {suffix} are not read" if suffix else "no predictions found"
        raise DataError(what, path, f"give {FORMATS}")
    if len(files) > 1:
        what = f"{len(files)} {suffix} files, not one"
        raise DataError(what, path, "give the path of the file with the predictions")
    return CocoPredictions(files[0]) if suffix == ".json" else KagglePredictions(files[0])


def match_predictions(
    source: PredictionSource, images: Sequence[str], split: str, path: Path
) -> Predictions:
    """Pair the images of a split with predictions, and find out what these are.

    Raises:
        DataError: an image without a prediction or with two, or anything that
            `PredictionSource.find_kind` refuses.
    """
    known = {PurePosixPath(image).with_suffix("").as_posix(): image for image in images}
    known |= {image: image for image in images}
    name_of: dict[str, str] = {}
    outside: list[str] = []
    for name in source.names:
        image = _find(name, known, source.states_folders)
        if image is None:
            outside.append(name)
        elif name_of.setdefault(image, name) != name:
            what = f"two predictions for {image} ({name_of[image]} and {name})"
            raise DataError(what, path, "remove one of them")
    missing = [image for image in images if image not in name_of]
    if missing:
        shown = ", ".join(missing[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
        what = f"{len(missing)} of {len(images)} {split} images have no prediction ({shown})"
        if outside:
            example = quote(outside[0])
            what += f"; {len(outside)} predictions are named after none of them, such as {example}"
        raise DataError(what, path, "add them; an image without defects needs an empty one")
    kind = source.find_kind([name_of[image] for image in images])
    return Predictions(source, kind, name_of, len(outside))


def to_native(values: Map, height: int, width: int, kind: Kind) -> Map:
    """Bring a map of another size to native size: nearest for masks, bilinear for probabilities."""
    if kind == "masks":
        nearest = cv2.resize(values, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        return np.asarray(nearest, values.dtype)
    probs = from_levels(values) if values.dtype == np.uint16 else values
    bilinear = cv2.resize(probs, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(bilinear, np.float32).clip(0.0, 1.0)


def _find(name: str, known: dict[str, str], states_folders: bool) -> str | None:
    """Return the image that a prediction's name means, or None."""
    path = PurePosixPath(name)
    for candidate in (path, PurePosixPath(path.name)) if states_folders else (path,):
        bare = (
            candidate.with_suffix("") if candidate.suffix.lower() in IMAGE_SUFFIXES else candidate
        )
        image = known.get(candidate.as_posix()) or known.get(bare.as_posix())
        if image is not None:
            return image
    return None


def _by_suffix(path: Path) -> dict[str, list[Path]]:
    """Return the files that may be predictions, by suffix in lower case; hidden files are not."""
    if path.is_file():
        return {path.suffix.lower(): [path]}
    if not path.is_dir():
        raise DataError("predictions not found", path, "correct the path")
    found: dict[str, list[Path]] = defaultdict(list)
    for file in sorted(path.rglob("*"), key=lambda file: file.as_posix()):
        suffix = file.suffix.lower()
        hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
        if suffix in (*IMAGE_SUFFIXES, ".npy", ".json", ".csv") and not hidden and file.is_file():
            found[suffix].append(file)
    return found
