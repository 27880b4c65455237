"""What ``steelcli predict`` found in the formats of other tools.

    supervisely/        a project with the images, a data set a folder
    coco.json           run lengths, an annotation a component
    kaggle.csv          run lengths, a row an image
    labelstudio.json    a brush a component, as predictions of tasks

All have one class: the network finds defects and does not tell them apart.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from steelcli.commands.predict_files import supervisely_paths
from steelcli.commands.predict_folder import OutFolder
from steelcli.common.outputs import staged_file, write_json
from steelcli.data.raw.supervisely_export import annotation, project_meta

TITLE, CLASS_ID = "defect", 1
PROJECT_NAME, COCO_NAME, KAGGLE_NAME = "supervisely", "coco.json", "kaggle.csv"
LABELSTUDIO_NAME = "labelstudio.json"
META_NAME = f"{PROJECT_NAME}/meta.json"
BRUSH_TAG, IMAGE_TAG = "tag", "image"
"""Names of the two tags in the labelling interface of Label Studio."""
LOCAL_FILES = "/data/local-files/?d="
"""Where Label Studio serves the files of its document root."""


def write_supervisely(project_dir: Path, image: str, raw: bytes, mask: NDArray[np.bool_]) -> None:
    """Write an image into the project and its annotation, each whole or not at all.

    Args:
        raw: the bytes of its file.
        mask: bool [H, W].
    """
    copied, annotated = (project_dir / path for path in supervisely_paths(image))
    with staged_file(copied) as partial_path:
        partial_path.write_bytes(raw)
    height, width = mask.shape
    write_json(annotated, annotation(height, width, [(TITLE, mask)]))


def write_meta(folder: OutFolder) -> None:
    """Write what makes the folder of images and annotations a Supervisely project."""
    write_json(folder.folder / META_NAME, project_meta([TITLE]))


def write_coco(folder: OutFolder) -> None:
    """Write the COCO file, image by image."""
    with (
        staged_file(folder.folder / COCO_NAME) as partial_path,
        partial_path.open("w", encoding="utf-8", newline="\n") as file,
    ):
        categories = json.dumps([{"id": CLASS_ID, "name": TITLE}])
        file.write(f'{{"categories": {categories},\n"images": [')
        _write_list(file, (_coco_image(number, row) for number, row in _number(folder)))
        file.write('],\n"annotations": [')
        _write_list(file, _iter_coco_annotations(folder))
        file.write("]}\n")


def write_kaggle(folder: OutFolder) -> None:
    """Write the csv of run lengths, image by image; a clean one has none."""
    with (
        staged_file(folder.folder / KAGGLE_NAME) as partial_path,
        partial_path.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["ImageId", "ClassId", "EncodedPixels"])
        for row in folder.iter_rows():
            writer.writerow([row["image"], CLASS_ID, row["runs"]])


def write_labelstudio(folder: OutFolder) -> None:
    """Write the tasks of Label Studio, image by image; a clean one has a prediction of nothing."""
    with (
        staged_file(folder.folder / LABELSTUDIO_NAME) as partial_path,
        partial_path.open("w", encoding="utf-8", newline="\n") as file,
    ):
        file.write("[")
        _write_list(file, map(_labelstudio_task, folder.iter_rows()))
        file.write("]\n")


def _number(folder: OutFolder) -> Iterable[tuple[int, dict[str, Any]]]:
    return enumerate(folder.iter_rows(), start=1)


def _coco_image(number: int, row: Mapping[str, Any]) -> dict[str, Any]:
    size = {"height": row["height"], "width": row["width"]}
    return {"id": number, "file_name": row["image"], **size}


def _iter_coco_annotations(folder: OutFolder) -> Iterable[dict[str, Any]]:
    count = 0
    for number, row in _number(folder):
        for component in row["components"]:
            count += 1
            size = [row["height"], row["width"]]
            yield {
                "id": count,
                "image_id": number,
                "category_id": CLASS_ID,
                "segmentation": {"size": size, "counts": component["counts"]},
                "area": component["area_px"],
                "bbox": component["box"],
                "iscrowd": 0,
            }


def _labelstudio_task(row: Mapping[str, Any]) -> dict[str, Any]:
    regions = [
        {
            "id": str(number),
            "type": "brushlabels",
            "from_name": BRUSH_TAG,
            "to_name": IMAGE_TAG,
            "original_width": row["width"],
            "original_height": row["height"],
            "image_rotation": 0,
            "score": component["mean_probability"],
            "value": {"format": "rle", "rle": component["brush"], "brushlabels": [TITLE]},
        }
        for number, component in enumerate(row["components"], start=1)
    ]
    prediction = {"model_version": "steelcli", "score": row["score"], "result": regions}
    return {"data": {IMAGE_TAG: LOCAL_FILES + quote(row["image"])}, "predictions": [prediction]}


def _write_list(file: TextIO, items: Iterable[Mapping[str, Any]]) -> None:
    """Write the items of a JSON list, a line each."""
    for index, item in enumerate(items):
        file.write(",\n" if index else "\n")
        file.write(json.dumps(item))
