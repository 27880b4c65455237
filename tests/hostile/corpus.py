"""Hostile data sets made by code: what a case is, the sound data it spoils, and how a command is
run on it."""

from __future__ import annotations

import base64
import csv
import functools
import json
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from closure import ROOT
from running import Outcome

from steelcli.data.raw.bitmap import encode_bitmap
from steelcli.data.raw.kaggle_rle import encode_rle

H, W = 40, 60
"""Height and width of the sound images in pixels."""
Build = Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """One way to be wrong.

    Attributes:
        name: unique.
        build: writes the data set into an empty folder.
        says: texts the one sentence on stderr holds: the file and the remedy among them.
        rows: rows of ``data_problems.csv``; None where the data set as a whole is refused and none
            is written.
        params: changes of section ``data``.
    """

    name: str
    build: Build
    says: tuple[str, ...]
    rows: int | None = 1
    params: dict[str, Any] = field(default_factory=dict)


def picture(seed: int, height: int = H, width: int = W) -> np.ndarray:
    """Return one grey image, uint8 [height, width]; each seed another."""
    return np.random.default_rng(seed).integers(60, 200, (height, width)).astype(np.uint8)


def encoded(suffix: str, pixels: np.ndarray, *options: int) -> bytes:
    """Return an image file's bytes."""
    done, raw = cv2.imencode(suffix, pixels, options)
    assert done
    return raw.tobytes()


def put(path: Path, content: Any) -> None:
    """Write bytes, text, what a function returns, or anything else as JSON; make the folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = content() if callable(content) else content
    raw = content if isinstance(content, (bytes, str)) else json.dumps(content)
    path.write_bytes(raw if isinstance(raw, bytes) else raw.encode("utf-8"))


def spot() -> np.ndarray:
    """Return the mask of a small defect, bool [3, 5]."""
    mask = np.ones((3, 5), np.bool_)
    mask[0, 0] = False
    return mask


def bitmap(
    x: float = 4, y: float = 5, data: str | None = None, title: str = "scratch", **changes: Any
) -> dict[str, Any]:
    """Return a Supervisely object of shape bitmap."""
    content = {"origin": [x, y], "data": encode_bitmap(spot()) if data is None else data}
    return {"classTitle": title, "geometryType": "bitmap", "bitmap": content} | changes


def polygon(exterior: Any, interior: Any = (), shape: str = "polygon") -> dict[str, Any]:
    """Return a Supervisely object of points."""
    return {
        "classTitle": "patch",
        "geometryType": shape,
        "points": {"exterior": exterior, "interior": list(interior)},
    }


def packed(raw: bytes) -> str:
    """Return bytes the way a bitmap holds its PNG."""
    return base64.b64encode(zlib.compress(raw, 9)).decode("ascii")


def annotation(*objects: Any, **changes: Any) -> dict[str, Any]:
    """Return the annotation of a sound image."""
    return {"size": {"height": H, "width": W}, "tags": [], "objects": list(objects)} | changes


META = {"classes": [{"title": "scratch", "shape": "bitmap"}, {"title": "patch", "shape": "any"}]}


def add_image(root: Path, name: str, seed: int, *objects: Any, dataset: str = "ds") -> None:
    """Add a sound image with its annotation."""
    put(root / dataset / "img" / name, encoded(".png", picture(seed)))
    put(root / dataset / "ann" / f"{name}.json", annotation(*objects))


def write_project(root: Path, images: int = 2) -> None:
    """Write a sound Supervisely project: half of its images with a defect."""
    put(root / "meta.json", META)
    for index in range(images):
        add_image(root, f"good_{index:02d}.png", index, *([bitmap(index, 2)] if index % 2 else []))


def write_kaggle(
    root: Path, rows: Sequence[str] = (), header: str = "ImageId,ClassId,EncodedPixels"
) -> None:
    """Write a sound Kaggle folder of three images with further rows in its csv."""
    for index in range(3):
        put(root / "train_images" / f"good_{index}.png", encoded(".png", picture(index)))
    mask = np.zeros((H, W), np.bool_)
    mask[3:9, 4:20] = True
    put(root / "train.csv", "\n".join([header, f"good_0.png,1,{encode_rle(mask)}", *rows]) + "\n")


def write_masks(root: Path, images: int = 2) -> None:
    """Write sound folders of images and masks."""
    for index in range(images):
        mask = np.zeros((H, W), np.uint8)
        mask[5:9, 5:30] = 255 * (index % 2)
        put(root / "images" / f"good_{index}.png", encoded(".png", picture(index)))
        put(root / "masks" / f"good_{index}.png", encoded(".png", mask))


def bad_image(raw: bytes | Callable[[], bytes], name: str = "bad.png") -> Build:
    """Return the builder of a project one of whose images has these bytes."""

    def build(root: Path) -> None:
        write_project(root)
        add_image(root, name, 99, bitmap())
        put(root / "ds" / "img" / name, raw)

    return build


def bad_annotation(content: Any) -> Build:
    """Return the builder of a project one of whose annotations has this content."""

    def build(root: Path) -> None:
        write_project(root)
        add_image(root, "bad.png", 99)
        put(root / "ds" / "ann" / "bad.png.json", content)

    return build


def bad_objects(*objects: Any) -> Build:
    """Return the builder of a project one of whose annotations has these objects."""
    return bad_annotation(annotation(*objects))


def set_up(case: Case, work_dir: Path) -> dict[str, bytes]:
    """Write a case's data, parameters and the outputs of an earlier run; return the files of these
    outputs."""
    case.build(work_dir / "raw")
    put(work_dir / "params.yaml", params_text(json.dumps(case.params)))
    put(work_dir / "data" / "prepared" / "index.json", "from an earlier run")
    put(work_dir / "metrics" / "data.json", "from an earlier run")
    return outputs(work_dir)


@functools.cache
def params_text(changes: str) -> str:
    """Return the committed parameters for the folder ``raw``, with changes of section ``data``
    given as JSON."""
    raw = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    raw["data"] |= {"root": "raw", "image_size": [128, 32], **json.loads(changes)}
    return yaml.safe_dump(raw)


def outputs(work_dir: Path) -> dict[str, bytes]:
    """Return the files in the output folders but for the list of problems."""
    return {
        path.relative_to(work_dir).as_posix(): path.read_bytes()
        for name in ("data", "metrics")
        for path in sorted((work_dir / name).rglob("*"))
        if path.is_file() and path.name != "data_problems.csv"
    }


def assert_refused(case: Case, outcome: Outcome, work_dir: Path, before: dict[str, bytes]) -> None:
    """Assert all that a refusal promises."""
    sentence = outcome.stderr
    assert outcome.code == 1, sentence + outcome.stdout
    assert "Traceback" not in sentence + outcome.stdout
    assert re.fullmatch(r"Error: [^\n]+; [^\n]+\.\n", sentence), sentence
    assert sentence[:-1].isprintable(), ascii(sentence)
    assert len(sentence) < 3000
    for words in case.says:
        assert words in sentence, f"{words!r} is not in {sentence!r}"
    assert outputs(work_dir) == before
    csv_path = work_dir / "metrics" / "data_problems.csv"
    assert csv_path.exists() == (case.rows is not None)
    if case.rows is not None:
        with csv_path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == case.rows, rows
        assert all(row["file"] and row["what"] and row["remedy"] for row in rows)
