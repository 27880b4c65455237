"""Kaggle's Severstal layout: one csv of run lengths beside a folder of images."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import DataError, quote
from steelcli.common.inputs import check_file
from steelcli.common.problems import REFUSE, Problems, apply_to_all
from steelcli.data.images.find import iter_images, refuse_folders
from steelcli.data.raw.classes import choose_classes
from steelcli.data.raw.kaggle_rle import decode_rle
from steelcli.data.raw.source import RawSample, name_samples
from steelcli.params.data import DataParams

CLASS_IDS = (1, 2, 3, 4)
CLASS_TITLES = tuple(f"defect_{class_id}" for class_id in CLASS_IDS)
IMAGE_FOLDERS = ("train_images", "images", ".")
_IMAGE_COLUMNS = ("imageid", "image_id", "image", "img", "fname", "filename")
_PLACEHOLDERS = ("1 1", "1 409600")
MAX_CSV_BYTES = 2**28
"""The most bytes of a csv that are read (256 MiB, fifteen times Severstal's)."""
MAX_ROWS = 500_000
"""The most rows of a csv that are read."""
MAX_FIELD_CHARS = 2**24
"""The longest text of run lengths: a chequered Severstal mask has two million characters."""
_REMEDY = "restore the csv from Kaggle or mend the row"


@dataclass
class KaggleSource:
    """A csv in memory.

    A sample's annotation is its tuple of (class_id, run lengths), empty when clean.
    """

    format = "kaggle"
    class_titles: tuple[str, ...]
    samples: tuple[RawSample, ...]
    csv_path: Path

    def read_masks(self, sample: RawSample, height: int, width: int) -> NDArray[np.bool_]:
        """Return the masks of one sample, bool [C, H, W].

        Raises:
            DataError: run lengths that are broken or leave the image.
        """
        masks = np.zeros((len(self.class_titles), height, width), np.bool_)

        def draw(item: tuple[int, str]) -> None:
            class_id, runs = item
            title = CLASS_TITLES[CLASS_IDS.index(class_id)]
            mask = decode_rle(
                runs, height, width, f"{self.csv_path}, {sample.image_path.name} class {class_id}"
            )
            if title in self.class_titles:
                masks[self.class_titles.index(title)] = mask

        apply_to_all(draw, sample.annotation, self.csv_path)
        return masks


def open_kaggle(root: Path, params: DataParams, problems: Problems = REFUSE) -> KaggleSource:
    """Read the csv in ``root`` and pair it with the images; an image without a row is clean.

    Args:
        root: the folder of the csv.
        params: the classes to read.
        problems: takes rows that are broken, repeated or of an unknown class, and images that are
            not there.

    Raises:
        DataError: no csv or several, one that cannot be read, or no images.
        ParamsError: a class asked for other than ``defect_1`` to ``defect_4``.
    """
    titles = choose_classes(CLASS_TITLES, params.classes)
    csv_path = _choose_csv(root)
    folder, images = _list_images(root, problems)
    known = {
        Path(path).name: path for path in (*problems.images, *(path.as_posix() for path in images))
    }
    runs = read_runs(csv_path, problems, known)
    for name in sorted(runs.keys() - known.keys()):
        # never skipped: it may be a slip for an image that would then count as clean
        what = f"the csv names an image that is not in {folder}"
        fault = DataError(
            what, f"{csv_path}, {name}", "correct the name, add the image or remove its rows"
        )
        problems.add(fault, None, csv_path)
    refused = problems.images
    samples = (
        RawSample(path.name, path, tuple(sorted(runs.get(path.name, {}).items())))
        for path in images
        if path.as_posix() not in refused
    )
    return KaggleSource(titles, name_samples(samples, problems), csv_path)


def find_csvs(root: Path) -> list[Path]:
    """Return the csv files in ``root`` whose header is one of the layouts of `read_runs`."""
    return [path for path in sorted(root.glob("*.csv")) if _fits(path)]


def read_runs(
    path: Path, problems: Problems = REFUSE, known: Mapping[str, str] | None = None
) -> dict[str, dict[int, str]]:
    """Return the run lengths of a csv by image name and class id.

    An image that is named without a mask has no class.

    Layouts, in any order of columns and with further ones: ``ImageId, ClassId, EncodedPixels``;
    ``ImageId_ClassId, EncodedPixels``, empty for none; one column a class and one for the image,
    ``0 0`` for none. Placeholders of sample submissions are no masks: class 0 with ``1 1`` or ``1
    409600``, and ``1 1`` where the file holds nothing else.

    Args:
        path: the csv.
        problems: takes rows that are broken, repeated or of an unknown class; their images are not
            returned.
        known: the image files by name, which a fault of their rows leaves out.

    Raises:
        DataError: an unreadable or gigantic csv, or another layout.
    """
    columns = _header(path)
    layout = _layout(columns)
    if layout is None:
        for character, name in ((";", "semicolons"), ("\t", "tabs")):
            if len(columns) == 1 and _layout(columns[0].split(character)):
                raise DataError(
                    f"the columns are separated by {name}", path, "save the csv with commas"
                )
        shown = quote(", ".join(columns) or "none", 200)
        raise DataError(
            f"columns do not fit ({shown})", path, "name them ImageId, ClassId and EncodedPixels"
        )
    names = [column.strip().casefold() for column in columns]
    for name in layout.values():
        if names.count(name.strip().casefold()) > 1:
            raise DataError(f"two columns are called {quote(name)}", path, "keep one of them")
    rows = list(_iter_rows(path, layout, problems))
    sample_submission = all(text in ("", "1 1") for _, _, text in rows)
    runs: dict[str, dict[int, str]] = defaultdict(dict)
    seen: set[tuple[str, str]] = set()
    refused: set[str] = set()
    for image, class_text, text in rows:
        fault = _find_fault(path, image, class_text, text, seen)
        seen.add((image, class_text))
        masks = runs[image]
        if fault is not None:
            problems.add(fault, (known or {}).get(image), path)
            refused.add(image)
        elif text and class_text != "0" and not sample_submission:
            masks[int(class_text)] = text
    return {image: masks for image, masks in runs.items() if image not in refused}


def _find_fault(
    path: Path, image: str, class_text: str, text: str, seen: set[tuple[str, str]]
) -> DataError | None:
    """Return what is wrong with a row beyond its run lengths."""
    where = f"{path}, {image} class {class_text}"
    if not image:
        return DataError("a row names no image", path, _REMEDY)
    if (image, class_text) in seen:
        return DataError("an image and class are named twice", where, "keep one of the rows")
    placeholder = not text or (class_text == "0" and text in _PLACEHOLDERS)
    if class_text not in map(str, CLASS_IDS) and not (class_text in ("", "0") and placeholder):
        return DataError(
            "unknown class", where, f"correct it to one of {', '.join(map(str, CLASS_IDS))}"
        )
    return None


def _iter_rows(
    path: Path, layout: dict[str, str], problems: Problems
) -> Generator[tuple[str, str, str], None, None]:
    """Yield image name, class id and run lengths of every row as text without blanks around."""
    with closing(_iter_csv(path, problems)) as rows:
        header = next(rows)
        places = {role: header.index(name) for role, name in layout.items()}
        for row in rows:
            cells = {role: row[place].strip() for role, place in places.items()}
            if "both" in cells:
                image, _, class_text = cells["both"].rpartition("_")
                yield image, class_text, cells["pixels"]
            elif "pixels" in cells:
                # pandas writes whole numbers as 1.0 once a column has gaps
                yield cells["image"], cells["class"].removesuffix(".0"), cells["pixels"]
            else:
                for class_id in map(str, CLASS_IDS):
                    yield (
                        cells["image"],
                        class_id,
                        "" if cells[class_id] == "0 0" else cells[class_id],
                    )


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
    with closing(_iter_csv(path, REFUSE)) as rows:
        return next(rows, [])


def _iter_csv(path: Path, problems: Problems) -> Generator[list[str], None, None]:
    """Yield the rows of a csv, header first, without blank lines.

    A byte order mark and any line ends are allowed.
    """
    limit = csv.field_size_limit(
        MAX_FIELD_CHARS
    )  # the runs of one large mask may exceed the default of 128 KiB
    try:
        check_file(path, MAX_CSV_BYTES)
        with path.open(encoding="utf-8-sig", newline="") as file:
            width = 0
            for number, row in enumerate(filter(None, csv.reader(file, strict=True)), 1):
                width = width or len(row)
                if number > MAX_ROWS:
                    raise DataError(
                        f"the csv has more than {MAX_ROWS} rows", path, "split the data set"
                    )
                if len(row) == width:
                    yield row
                else:
                    what = f"row {number} has {len(row)} fields, but the header has {width}"
                    problems.add(DataError(what, path, _REMEDY), None)
    except OSError as error:
        raise DataError(
            f"cannot read the csv ({error.strerror})", path, "check that it exists and its rights"
        ) from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read the csv ({error})", path, "save it as comma-separated UTF-8"
        ) from error
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
        raise DataError(
            f"several csv files fit ({names})", root, "call the one with the masks train.csv"
        )
    raise DataError(
        "no csv with run lengths found",
        root,
        "add train.csv with ImageId, ClassId and EncodedPixels",
    )


def _list_images(root: Path, problems: Problems) -> tuple[Path, list[Path]]:
    """Return the first folder that has any images, and these."""
    for folder in IMAGE_FOLDERS:
        images = (
            list(iter_images(root / folder, problems=problems)) if (root / folder).is_dir() else []
        )
        if images:
            if folder != ".":
                refuse_folders(root / folder, problems)
            return root / folder, images
    raise DataError("no images found", root, "put them into train_images, images or beside the csv")
