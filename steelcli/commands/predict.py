"""``steelcli predict``: the trained model on images of any size, wherever they lie."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from steelcli.commands.check import WITHOUT_PARAMS
from steelcli.commands.predict_exports import (
    COCO_NAME,
    KAGGLE_NAME,
    LABELSTUDIO_NAME,
    META_NAME,
    refuse_shared_places,
    write_coco,
    write_kaggle,
    write_labelstudio,
    write_meta,
)
from steelcli.commands.predict_files import list_images
from steelcli.commands.predict_folder import OutFolder, open_folder
from steelcli.commands.predict_image import (
    Kind,
    Picture,
    Reading,
    choose_kinds,
    list_outputs,
    read_picture,
    read_stamp,
    write_picture,
)
from steelcli.commands.predict_model import Overrides, Predictor, open_model
from steelcli.commands.predict_summary import SUMMARY_CSV, SUMMARY_JSON, write_summary
from steelcli.common.errors import DataError
from steelcli.common.paths import MODELS_DIR, THRESHOLD_PATH
from steelcli.common.problems import Problems
from steelcli.common.progress import track
from steelcli.data.raw.survey import ProblemsError, write_problems
from steelcli.params.data import DataParams

R = TypeVar("R")
PROBLEMS_NAME = "problems.csv"
_THREADS = 4
"""Threads that decode images and write results, while the network computes."""

_WRITERS = {
    "supervisely": write_meta,
    "coco": write_coco,
    "kaggle": write_kaggle,
    "labelstudio": write_labelstudio,
}
"""What writes the file that all images share, by kind."""
_SHARED = (
    *(SUMMARY_CSV, SUMMARY_JSON, PROBLEMS_NAME),
    *(COCO_NAME, KAGGLE_NAME, LABELSTUDIO_NAME, META_NAME),
)


def predict(
    paths: Sequence[str],
    out_dir: Path,
    wanted: Sequence[str],
    batch_size: int,
    data: DataParams | None,
    threshold: float | None = None,
    min_area_px: int | None = None,
    models_dir: Path = MODELS_DIR,
    threshold_path: Path = THRESHOLD_PATH,
    model_path: Path | None = None,
) -> dict[str, int]:
    """Write what the model finds in images, and go on where a former call was interrupted.

    Args:
        paths: see `list_images`.
        out_dir: takes a folder for each kind, the summary and the problems.
        wanted: what to write of each image, some of `KINDS`.
        batch_size: images a forward pass.
        data: how images are read; None where an exported model says it, see `open_model`.
        threshold, min_area_px: replace those that were learned.
        model_path: a checkpoint or export, in place of the best checkpoint of ``models_dir``.

    Returns:
        ``images`` and ``defect_images`` of the whole folder.

    Raises:
        ProblemsError: files that cannot be read, when all others are done.
        UserError: no image, a missing or foreign model or threshold, or a folder that something
            else made.
    """
    kinds = choose_kinds(wanted)
    problems = Problems()
    images = list_images(paths, out_dir, problems)
    if not images:
        _refuse(problems, ", ".join(paths))
        raise DataError("no images found", ", ".join(paths), "name files or folders of images")
    if "supervisely" in kinds:
        refuse_shared_places(images)
    overrides = Overrides(threshold, min_area_px)
    model = open_model(model_path, data, overrides, models_dir, threshold_path)
    told = data or WITHOUT_PARAMS
    reading = Reading(model.color, model.image_size, told.max_image_pixels, told.value_range)
    made_by = {
        **model.identity,
        "value_range": list(told.value_range) if told.value_range else None,
        "mm_per_pixel": told.mm_per_pixel,
        "write": list(kinds),
    }
    with open_folder(out_dir, made_by) as folder:
        for name in _SHARED:
            (out_dir / name).unlink(missing_ok=True)  # until they are true again
        _predict_images(images, folder, kinds, batch_size, reading, model, problems)
        for kind in kinds:
            if kind in _WRITERS:
                _WRITERS[kind](folder)
        write_problems(out_dir / PROBLEMS_NAME, problems.rows)
        counts = write_summary(folder, made_by)
    _refuse(problems, out_dir / PROBLEMS_NAME)
    return counts


def _refuse(problems: Problems, where: object) -> None:
    """Raise all problems as one error, where there are any."""
    if problems.rows:
        first = problems.rows[0]
        count = "1 problem" if len(problems.rows) == 1 else f"{len(problems.rows)} problems"
        what = f"{count} with the images, the first in {first.file} ({first.what})"
        remedy = "mend the files listed and give the command again"
        raise ProblemsError(what, where, remedy, problems.rows)


def _predict_images(
    images: Mapping[str, Path],
    folder: OutFolder,
    kinds: Sequence[Kind],
    batch_size: int,
    reading: Reading,
    model: Predictor,
    problems: Problems,
) -> None:
    """Predict the images that are not finished, a few in memory at a time.

    Which images share a batch depends on the list alone: what an interruption leaves is computed
    in the batches in which it would have been, and comes out the same to the bit.
    """
    todo = {name for name in images if not _is_finished(folder, name, images[name], kinds)}
    names = iter(images)
    batches = iter(lambda: list(islice(names, batch_size)), [])
    unfinished = [batch for batch in batches if todo.intersection(batch)]
    read = partial(read_picture, reading=reading, keeps_pixels="overlays" in kinds)
    write = partial(write_picture, point=model.point, kinds=kinds, out_dir=folder.folder)
    with ThreadPoolExecutor(_THREADS) as pool:
        asked = ((name, images[name]) for batch in unfinished for name in batch)
        read_ones = _run_ahead(pool, read, asked, 2 * batch_size)

        def iter_predicted() -> Iterator[tuple[Picture, NDArray[np.float32]]]:
            for batch in unfinished:
                pictures = []
                for name, one in zip(batch, read_ones, strict=False):
                    if isinstance(one, DataError):
                        problems.add(one, images[name].as_posix())
                        _discard(folder, name, kinds)
                    else:
                        pictures.append(one)
                if any(picture.name in todo for picture in pictures):
                    probs = _compute(model, pictures)
                    for picture, own in zip(pictures, probs, strict=True):
                        if picture.name in todo:
                            yield picture, own

        rows = _run_ahead(pool, write, iter_predicted(), 2 * batch_size)
        for row in track(rows, "images", len(todo)):
            folder.add(row)


def _is_finished(folder: OutFolder, name: str, path: Path, kinds: Sequence[Kind]) -> bool:
    """Tell whether an image was predicted as its file is now, and all that was written is there."""
    row = folder.find(name)
    if row is None or row["stamp"] != list(read_stamp(path)):
        return False
    return all(path.exists() for path in list_outputs(folder.folder, kinds, name))


def _discard(folder: OutFolder, name: str, kinds: Sequence[Kind]) -> None:
    """Remove what was written of an image that can no longer be read."""
    folder.forget(name)
    for path in list_outputs(folder.folder, kinds, name):
        path.unlink(missing_ok=True)


def _compute(model: Predictor, pictures: Sequence[Picture]) -> NDArray[np.float32]:
    """Return the probabilities of a batch, float32 [N, 1, H, W]."""
    return model.run(np.stack([picture.canvas for picture in pictures]))


def _run_ahead(
    pool: ThreadPoolExecutor, work: Callable[..., R], items: Iterable[tuple[Any, ...]], depth: int
) -> Iterator[R]:
    """Yield what the work makes of the items, in order, ``depth`` of them under way at most."""
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(pool.submit(work, *item))
        if len(waiting) == depth:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
