"""Kaggle's Severstal layout: one csv of run lengths beside a folder of images."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steelcli.data.classes import choose_classes
from steelcli.data.images import iter_images
from steelcli.data.rle import decode_rle
from steelcli.data.source import RawSample, name_samples
from steelcli.errors import DataError
from steelcli.params.data import DataParams

CLASS_IDS = (1, 2, 3, 4)
CLASS_TITLES = tuple(f"defect_{class_id}" for class_id in CLASS_IDS)
IMAGE_FOLDERS = ("train_images", "images", ".")
_IMAGE_COLUMNS = ("imageid", "image_id", "image", "img", "fname", "filename")
_PLACEHOLDERS = ("1 1", "1 409600")
_REMEDY = "restore the csv from Kaggle or mend the row"


@dataclass
class KaggleSource:
    """A csv in memory; a sample's annotation is its tuple of (class_id, run lengths), empty when clean."""

    class_titles: tuple[str, ...]
    samples: tuple[RawSample, ...]
    csv_path: Path

    def read_masks(self, sample: RawSample, height: int, width: int) -> NDArray[np.bool_]:
        """Return the masks of one sample, bool [C, H, W].

        Raises:
            DataError: run lengths that are broken or leave the image.
        """
        masks = np.zeros((len(self.class_titles), height, width), np.bool_)
        for class_id, runs in sample.annotation:
            title = CLASS_TITLES[CLASS_IDS.index(class_id)]
            mask = decode_rle(runs, height, width, f"{self.csv_path}, {sample.image_path.name} class {class_id}")
            if title in self.class_titles:
                masks[self.class_titles.index(title)] = mask
        return masks


def open_kaggle(root: Path, params: DataParams) -> KaggleSource:
    """Read the csv in ``root`` and pair it with the images; an image that the csv does not name is clean.

    Raises:
        DataError: no csv or several, a row that is broken, repeated or of an unknown class, rows for images that
            are not there, or no images.
        ParamsError: a class asked for other than ``defect_1`` to ``defect_4``.
    """
    titles = choose_classes(CLASS_TITLES, params.classes)
    csv_path = _choose_csv(root)
    runs = read_runs(csv_path)
    images = _list_images(root)
    missing = sorted(set(runs).difference(path.name for path in images))
    if missing:
        what = f"{len(missing)} images of the csv are not in {images[0].parent}, the first is {missing[0]}"
        raise DataError(what, csv_path, "add the images or remove their rows")
    samples = (RawSample(path.name, path, tuple(sorted(runs.get(path.name, {}).items()))) for path in images)
    return KaggleSource(titles, name_samples(samples), csv_path)


def find_csvs(root: Path) -> list[Path]:
    """Return the csv files in ``root`` whose header is one of the layouts of `read_runs`."""
    return [path for path in sorted(root.glob("*.csv")) if _fits(path)]


def read_runs(path: Path) -> dict[str, dict[int, str]]:
    """Return the run lengths of a csv by image name and class id; an image named without a mask has no class.

    Layouts, in any order of columns and with further ones: ``ImageId, ClassId, EncodedPixels``;
    ``ImageId_ClassId, EncodedPixels``, empty for none; one column a class and one for the image, ``0 0`` for none.
    Placeholders of sample submissions are no masks: class 0 with ``1 1`` or ``1 409600``, and ``1 1`` where
    the file holds nothing else.

    Raises:
        DataError: an unreadable csv, another layout, an unknown class, or an image and class named twice.
    """
    columns = _header(path)
    layout = _layout(columns)
    if layout is None:
        shown = ", ".join(columns) or "none"
        raise DataError(f"columns do not fit ({shown})", path, "name them ImageId, ClassId and EncodedPixels")
    rows = list(_iter_rows(path, layout))
    sample_submission = all(text in ("", "1 1") for _, _, text in rows)
    runs: dict[str, dict[int, str]] = defaultdict(dict)
    seen: set[tuple[str, str]] = set()
    for image, class_text, text in rows:
        where = f"{path}, {image} class {class_text}"
        if not image:
            raise DataError("a row names no image", path, _REMEDY)
        if (image, class_text) in seen:
            raise DataError("an image and class are named twice", where, "keep one of the rows")
        seen.add((image, class_text))
        masks = runs[image]
        if class_text in ("", "0") and (not text or (class_text == "0" and text in _PLACEHOLDERS)):
            continue
        if class_text not in map(str, CLASS_IDS):
            raise DataError("unknown class", where, f"known are {', '.join(map(str, CLASS_IDS))}")
        if text and not sample_submission:
            masks[int(class_text)] = text
    return dict(runs)


def _iter_rows(path: Path, layout: dict[str, str]) -> Generator[tuple[str, str, str], None, None]:
    """Yield image name, class id and run lengths of every row, each as text without blanks around it."""
    header, *rows = _iter_csv(path)
    places = {role: header.index(name) for role, name in layout.items()}
    columns = {role: [row[place].strip() for row in rows] for role, place in places.items()}
    if "both" in columns:
        for both, text in zip(columns["both"], columns["pixels"], strict=True):
            image, _, class_text = both.rpartition("_")
            yield image, class_text, text
    elif "pixels" in columns:
        for image, class_text, text in zip(columns["image"], columns["class"], columns["pixels"], strict=True):
            # pandas writes whole numbers as 1.0 once a column has gaps
            yield image, class_text.removesuffix(".0"), text
    else:
        for class_id in map(str, CLASS_IDS):
            for image, text in zip(columns["image"], columns[class_id], strict=True):
                yield image, class_id, "" if text == "0 0" else text


def _layout(columns: list[str]) -> dict[str, str] | None:
    """Return which column plays which role, or None where the columns fit no layout."""
    names = {column.strip().casefold(): column for column in columns}
    image = next((names[name] for name in _IMAGE_COLUMNS if name in names), None)
    pixels = names.get("encodedpixels")
    if pixels is not None and image is not None and "classid" in names:
        return {"image": image, "class": names["classid"], "pixels": pixels}
    if pixels is not None and "imageid_classid" in names:
        return {"both": names["imageid_classid"], "pixels": pixels}
    if image is not None and all(str(class_id) in names for class_id in CLASS_IDS):
        return {"image": image} | {str(class_id): names[str(class_id)] for class_id in CLASS_IDS}
    return None


def _fits(path: Path) -> bool:
    try:
        return _layout(_header(path)) is not None
    except DataError:  # some other table, such as one in another encoding, may lie beside the data
        return False


def _header(path: Path) -> list[str]:
    with closing(_iter_csv(path)) as rows:
        return next(rows, [])


def _iter_csv(path: Path) -> Generator[list[str], None, None]:
    """Yield the rows of a csv, header first, blank lines left out; a byte order mark and any line ends are taken."""
    limit = csv.field_size_limit(2**30)  # the runs of one large mask may exceed the default of 128 KiB
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            width = 0
            for number, row in enumerate(filter(None, csv.reader(file, strict=True)), 1):
                width = width or len(row)
                if len(row) != width:
                    what = f"row {number} has {len(row)} fields, but the header has {width}"
                    raise DataError(what, path, _REMEDY)
                yield row
    except OSError as error:
        raise DataError(
            f"cannot read the csv ({error.strerror})", path, "check that it exists and its rights"
        ) from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the csv ({error})", path, "save it as comma-separated UTF-8") from error
    finally:
        csv.field_size_limit(limit)


def _choose_csv(root: Path) -> Path:
    """Return ``train.csv``, or the only csv that fits."""
    if (root / "train.csv").is_file():
        return root / "train.csv"
    found = find_csvs(root)
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(path.name for path in found)
        raise DataError(f"several csv files fit ({names})", root, "call the one with the masks train.csv")
    raise DataError("no csv with run lengths found", root, "add train.csv with ImageId, ClassId and EncodedPixels")


def _list_images(root: Path) -> list[Path]:
    """Return the images of the first folder that has any."""
    for folder in IMAGE_FOLDERS:
        images = list(iter_images(root / folder)) if (root / folder).is_dir() else []
        if images:
            return images
    raise DataError("no images found", root, "put them into train_images, images or beside the csv")
