"""Find out the raw format and open it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from steelcli.common.errors import DataError, ParamsError
from steelcli.common.paths import SYNTHETIC_DIR
from steelcli.common.problems import REFUSE, Problems
from steelcli.data.raw.kaggle import find_csvs, open_kaggle
from steelcli.data.raw.mask_folders import open_masks
from steelcli.data.raw.source import RawSource
from steelcli.data.raw.supervisely import find_datasets, open_supervisely
from steelcli.params.data import DataParams


def open_source(params: DataParams, problems: Problems = REFUSE) -> RawSource:
    """Return the raw data set that ``params`` name; ``auto`` recognises it by its files.

    Args:
        params: where and what.
        problems: takes what is wrong with single images; their samples are left out.

    Raises:
        DataError: a missing root, a folder that cannot be read, a format that cannot be told, or
            any error of the format itself.
        ParamsError: classes or data sets that the data does not have.
    """
    root = Path(params.root)
    try:
        return _open(root, params, problems)
    except OSError as error:
        what = f"cannot read the raw data ({error.strerror})"
        raise DataError(what, error.filename or root, "mend the permissions") from error


def _open(root: Path, params: DataParams, problems: Problems) -> RawSource:
    if not root.is_dir():
        raise DataError("data.root not found", root, _remedy(root))
    name = params.format if params.format != "auto" else _recognise(root)
    if params.datasets and name != "supervisely":
        raise ParamsError(f"the format {name} has no data sets", "data.datasets", "empty it")
    if params.mask_values and name != "masks":
        what = f"the format {name} has no mask files with grey values"
        raise ParamsError(what, "data.mask_values", "set it to null")
    openers: dict[str, Callable[[Path, DataParams, Problems], RawSource]]
    openers = {"supervisely": open_supervisely, "kaggle": open_kaggle, "masks": open_masks}
    return openers[name](root, params, problems)


def _recognise(root: Path) -> str:
    """Return the one format whose files stand in ``root``."""
    os.scandir(root).close()  # what follows takes a folder that cannot be listed for an empty one
    fits = {
        "supervisely": (root / "meta.json").is_file() and bool(find_datasets(root)),
        "kaggle": bool(find_csvs(root)),
        "masks": (root / "images").is_dir() and (root / "masks").is_dir(),
    }
    names = [name for name, fit in fits.items() if fit]
    if len(names) > 1:
        what = f"the files fit several formats ({', '.join(names)})"
        raise DataError(what, root, "set data.format to one of them")
    if not names and (root / "train.csv").is_file():
        return "kaggle"  # whose reader says what is wrong with it
    if not names:
        looked = "meta.json with img/ and ann/, a csv with EncodedPixels, images/ with masks/"
        remedy = "point data.root at the data or set data.format"
        raise DataError(f"no known format, looked for {looked}", root, remedy)
    return names[0]


def _remedy(root: Path) -> str:
    if root.parts[-3:] == SYNTHETIC_DIR.parts:
        return f"run dvc repro, or steelcli synthesize {SYNTHETIC_DIR}"
    return "fetch the data or correct the path"
