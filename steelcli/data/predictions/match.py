"""Predictions of any model: find out their format, pair them with the images of a split, bring them
to native size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import DataError, quote
from steelcli.data.images.find import IMAGE_SUFFIXES
from steelcli.data.predictions.coco import CocoPredictions
from steelcli.data.predictions.map_files import MAP_SUFFIXES, MapFiles
from steelcli.data.predictions.run_lengths import KagglePredictions
from steelcli.data.predictions.source import Kind, PredictionReader, PredictionSource
from steelcli.data.predictions.supervisely import SuperviselyPredictions
from steelcli.data.raw.supervisely import find_datasets
from steelcli.params.data import DataParams

FORMATS = (
    "PNG or npy files named like the images, a COCO json, a Kaggle csv, or a Supervisely project"
)
_NAMED = 3  # images named in a message


@dataclass(frozen=True)
class Predictions:
    """The predictions of one split.

    Attributes:
        kind: what they are; None where all are 0, so that either fits.
        name_of: the prediction's own name by image.
        outside: predictions of images that are not in the split.
    """

    reader: PredictionReader
    kind: Kind | None
    name_of: dict[str, str]
    outside: int

    def read(
        self, image: str, height: int, width: int, kind: Kind
    ) -> tuple[NDArray[np.float32], bool]:
        """Return one image's map at native size, float32 [height, width] in [0, 1], and whether it
        was resized."""
        values = self.reader.read(self.name_of[image], height, width)
        return to_native(values, height, width, kind), values.shape != (height, width)


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
        raise DataError(
            f"predictions of several formats ({shown})", path, "keep one format in the folder"
        )
    suffix, files = next(iter(found.items()), ("", []))
    if suffix in MAP_SUFFIXES:
        return MapFiles(path if path.is_dir() else path.parent, files)
    if suffix not in (".json", ".csv"):
        what = f"predictions of type {suffix} are not read" if suffix else "no predictions found"
        raise DataError(what, path, f"give {FORMATS}")
    if len(files) > 1:
        raise DataError(
            f"{len(files)} {suffix} files, not one",
            path,
            "give the path of the file with the predictions",
        )
    return CocoPredictions(files[0]) if suffix == ".json" else KagglePredictions(files[0])


def match_predictions(
    source: PredictionSource, images: Sequence[str], split: str, path: Path
) -> Predictions:
    """Pair the images of a split with predictions, and survey these.

    Raises:
        DataError: an image without a prediction or with two, or anything `PredictionSource.survey`
            refuses.
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
            what += f"; {len(outside)} predictions are named after none of them, such as {quote(outside[0])}"
        raise DataError(what, path, "add them; an image without defects needs an empty one")
    reader = source.survey([name_of[image] for image in images])
    return Predictions(reader, reader.kind, name_of, len(outside))


def to_native(
    values: NDArray[np.float32], height: int, width: int, kind: Kind
) -> NDArray[np.float32]:
    """Bring a map float32 [h, w] to native size: nearest for masks, bilinear for probabilities."""
    if values.shape == (height, width):
        return values
    if kind == "masks":
        mask = cv2.resize(
            values.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST_EXACT
        )
        return np.asarray(mask, np.float32)
    return np.asarray(
        cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR), np.float32
    ).clip(0.0, 1.0)


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
    """Return the files that may be predictions by their ending in lower case; hidden ones are
    passed over."""
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
