"""Predictions in a COCO file: run lengths, joined to a mask or, by their scores, to a map."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import DataError, quote
from steelcli.data.images.decode import read_bytes
from steelcli.data.predictions.coco_rle import decode_coco
from steelcli.data.predictions.source import Kind, check_size
from steelcli.data.raw.supervisely_objects import parse_json

MAX_FILE_BYTES = 2**27
"""The most bytes of a COCO file that are read (128 MiB)."""
_REMEDY = "write the file again"


class CocoPredictions:
    """A COCO data set (``images`` and ``annotations``), or a list of results whose ``image_id`` is
    the image's name.

    Without scores the masks of an image are joined. With them, each pixel has the highest score of
    the masks it lies in: a probability. An image that has no mask is empty if ``images`` or a
    result without segmentation names it.
    """

    states_folders = True

    def __init__(self, path: Path) -> None:
        """Read the file; run lengths are decoded image by image later.

        Raises:
            DataError: broken JSON, another layout, an annotation of an unknown image, scores for
                some masks alone or outside 0 to 1.
        """
        self.path = path
        content = parse_json(read_bytes(path, MAX_FILE_BYTES), path, _REMEDY)
        name_of, results = _layout(content, path)
        self._masks: dict[str, list[dict[str, Any]]] = {name: [] for name in name_of.values()}
        scored = 0
        for index, result in enumerate(results):
            where = f"{path}, annotation {index}"
            key = result.get("image_id")
            name = name_of.get(key) if type(key) in (str, int) else None  # type: ignore[arg-type]
            if name is None:
                raise DataError(f"image_id {quote(repr(key))} is no id in images", where, _REMEDY)
            if result.get("segmentation") in (None, []):
                continue
            self._masks[name].append(result)
            scored += _check_score(result, where)
        if 0 < scored < sum(map(len, self._masks.values())):
            what = "some masks have a score and some have none"
            raise DataError(what, path, "write a score for all or for none")
        self._scored = scored > 0
        self.names = tuple(self._masks)

    def find_kind(self, names: Sequence[str]) -> Kind | None:  # noqa: ARG002  the file decides
        """Return "probs" where masks have scores, "masks" where they have none."""
        if self._scored:
            return "probs"
        return "masks" if any(self._masks.values()) else None

    def read(self, name: str, height: int, width: int) -> NDArray[np.float32]:
        """Return one map; see `PredictionSource.read`. Scores are not yet rounded to levels."""
        where = f"{self.path}, image {name}"
        results = self._masks[name]
        if results:
            native = height, width
            height, width = _size(results[0], where)
            check_size((height, width), native, where)
        joined = np.zeros((height, width), np.float32)
        for result in results:
            size = _size(result, where)
            if size != (height, width):
                what = f"masks of {width}x{height} and of {size[1]}x{size[0]} pixels for one image"
                raise DataError(what, where, _REMEDY)
            mask = decode_coco(result["segmentation"].get("counts"), height, width, where)
            np.maximum(joined, np.float32(result.get("score", 1)), out=joined, where=mask)
        return joined


def _layout(content: Any, path: Path) -> tuple[dict[str | int, str], list[dict[str, Any]]]:
    """Return the name of each image by its id, and the annotations."""
    if isinstance(content, dict) and "images" in content:
        images, results = content["images"], content.get("annotations", [])
        _check_mappings(images, "images", path)
        _check_mappings(results, "annotations", path)
        name_of: dict[str | int, str] = {}
        names: set[str] = set()
        for image in images:
            key, name = image.get("id"), image.get("file_name")
            if type(key) not in (str, int) or not isinstance(name, str):
                raise DataError("an entry of 'images' has no id or no file_name", path, _REMEDY)
            if key in name_of or name in names:
                raise DataError(f"'images' names {name} or its id {key} twice", path, _REMEDY)
            name_of[key] = name
            names.add(name)
        return name_of, results
    _check_mappings(content, "results", path)
    keys = (result.get("image_id") for result in content)
    return {key: str(key) for key in keys if type(key) in (str, int)}, content


def _check_mappings(values: Any, what: str, path: Path) -> None:
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        known = "a mapping with images and annotations, or a list of results"
        raise DataError(f"{what!r} is no list of mappings", path, f"write a COCO file: {known}")


def _check_score(result: dict[str, Any], where: str) -> bool:
    """Tell whether a result has a score, which must be a probability."""
    score = result.get("score")
    if score is None:
        return False
    if type(score) not in (int, float) or not 0 <= score <= 1:  # NaN is not either
        raise DataError(f"the score is {quote(repr(score))}", where, "write scores from 0 to 1")
    return True


def _size(result: dict[str, Any], where: str) -> tuple[int, int]:
    """Return height and width of a run-length segmentation."""
    segmentation = result["segmentation"]
    size = segmentation.get("size") if isinstance(segmentation, dict) else None
    if not isinstance(size, list) or len(size) != 2 or not all(type(side) is int for side in size):
        remedy = "write size and counts as pycocotools.mask.encode does, not polygons"
        raise DataError("a segmentation is no run lengths with a size", where, remedy)
    return size[0], size[1]
