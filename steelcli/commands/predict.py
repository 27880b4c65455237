"""``steelcli predict``: the trained model on images of any size, wherever they lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from steelcli.commands.check import WITHOUT_PARAMS
from steelcli.commands.predict_exports import (
    COCO_NAME,
    KAGGLE_NAME,
    LABELSTUDIO_NAME,
    META_NAME,
    write_coco,
    write_kaggle,
    write_labelstudio,
    write_meta,
)
from steelcli.commands.predict_files import list_images
from steelcli.commands.predict_folder import OutFolder, open_folder, open_part
from steelcli.commands.predict_image import (
    Kind,
    Reading,
    choose_kinds,
)
from steelcli.commands.predict_loop import (
    Batch,
    Work,
    forget_unfinished,
    plan_batches,
    predict_batches,
    settle,
)
from steelcli.commands.predict_model import Overrides, open_model
from steelcli.commands.predict_ranks import (
    conclude,
    gather,
    joined_processes,
    scatter,
    stop_request,
)
from steelcli.commands.predict_summary import SUMMARY_CSV, SUMMARY_JSON, write_summary
from steelcli.commands.predict_watch import Watcher, watch_images
from steelcli.common.errors import DataError, Interrupted
from steelcli.common.memory import keep_freed_memory
from steelcli.common.outputs import staged_file
from steelcli.common.paths import MODELS_DIR, THRESHOLD_PATH
from steelcli.common.problems import Problem, Problems
from steelcli.data.raw.survey import ProblemsError, format_problems
from steelcli.params.data import DataParams
from steelcli.training.distributed import is_first_process, world_size
from steelcli.training.signals import StopRequest

PROBLEMS_NAME = "problems.csv"
_WRITERS = {
    "supervisely": write_meta,
    "coco": write_coco,
    "kaggle": write_kaggle,
    "labelstudio": write_labelstudio,
}
"""What writes the file that all images share, by kind."""
_SLICE = 16
"""Batches after which --watch may write the files of all images."""
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
    watch: bool = False,
) -> dict[str, int] | None:
    """Write what the model finds in images, and go on where a former call was interrupted.

    Under torchrun every process calls this function, see `predict_ranks`.

    Args:
        paths: see `list_images`.
        out_dir: takes a folder for each kind, the summary and the problems.
        wanted: what to write of each image, some of `KINDS`.
        batch_size: images a forward pass.
        data: how images are read; None where an exported model says it, see `open_model`.
        threshold, min_area_px: replace those that were learned.
        model_path: a checkpoint or export, in place of the best checkpoint of ``models_dir``.
        watch: whether to go on with images that appear, until a signal.

    Returns:
        ``images`` and ``defect_images`` of the whole folder; None in a process of torchrun's whose
        first one raises a ProblemsError.

    Raises:
        ProblemsError: files that cannot be read, when all others are done.
        Interrupted: SIGINT or SIGTERM.
        UserError: no image, a missing or foreign model or threshold, or a folder that something
            else made.
    """
    kinds = choose_kinds(wanted)
    problems = Problems()
    counts: dict[str, int] | None
    with joined_processes():
        watcher = Watcher(paths, out_dir, "supervisely" in kinds) if watch else None
        images = {}
        if is_first_process() and not watcher:
            images = _list_images(paths, out_dir, kinds, problems)
        overrides = Overrides(threshold, min_area_px)
        keep_freed_memory()
        model = open_model(model_path, data, overrides, models_dir, threshold_path)
        told = data or WITHOUT_PARAMS
        reading = Reading(model.color, model.image_size, told.max_image_pixels, told.value_range)
        work = Work(kinds, batch_size, reading, model)
        if is_first_process():
            made_by = _describe(work, told)
            counts = _lead(images, watcher, out_dir, work, made_by, problems)
        else:
            counts = _follow(out_dir, work)
    _refuse(problems, out_dir / PROBLEMS_NAME)
    return counts


def _list_images(
    paths: Sequence[str], out_dir: Path, kinds: Sequence[Kind], problems: Problems
) -> dict[str, Path]:
    images = list_images(paths, out_dir, problems, "supervisely" in kinds)
    if not images:
        _refuse(problems, ", ".join(paths))
        raise DataError("no images found", ", ".join(paths), "name files or folders of images")
    return images


def _describe(work: Work, data: DataParams) -> dict[str, Any]:
    """Return what makes a folder's predictions what they are."""
    return {
        **work.model.identity,
        "value_range": list(data.value_range) if data.value_range else None,
        "mm_per_pixel": data.mm_per_pixel,
        "write": list(work.kinds),
    }


def _lead(
    images: dict[str, Path],
    watcher: Watcher | None,
    out_dir: Path,
    work: Work,
    made_by: Mapping[str, Any],
    problems: Problems,
) -> dict[str, int]:
    """Predict with the help of the other processes; write the files of all images."""
    with (
        open_folder(out_dir, made_by, "supervisely" in work.kinds) as folder,
        stop_request() as request,
    ):
        for name in _SHARED:
            (out_dir / name).unlink(missing_ok=True)  # until they are true again
        publish = partial(_publish, folder, work.kinds, made_by)
        if watcher:
            predict_new = partial(_predict_all, folder=folder, work=work, request=request)
            size = _SLICE * work.batch_size
            watch_images(watcher, predict_new, publish, request, size)  # raises Interrupted
        failed = _predict_all(images, folder, work, request)
        if request.number:
            raise Interrupted(request.number, "Interrupted; the same command goes on.")
        for error in failed.values():
            problems.add(error, error.where)
        counts = publish(problems.rows)
        conclude(None if problems.rows else counts)
    return counts


def _follow(out_dir: Path, work: Work) -> dict[str, int] | None:
    """Predict a share; return the counts of all images, None where there are problems."""
    nothing: list[Batch] = []
    batches = scatter([nothing])
    with open_part(out_dir) as part:
        gather(predict_batches(batches, part, work, StopRequest()))
    return conclude(None)


def _publish(
    folder: OutFolder,
    kinds: Sequence[Kind],
    made_by: Mapping[str, Any],
    problems: Sequence[Problem],
) -> dict[str, int]:
    """Write the files of all images, each whole."""
    for kind in kinds:
        if kind in _WRITERS:
            _WRITERS[kind](folder)
    with staged_file(folder.folder / PROBLEMS_NAME) as partial_path:
        partial_path.write_text(format_problems(problems), encoding="utf-8", newline="\n")
    return write_summary(folder, made_by)


def _predict_all(
    images: Mapping[str, Path], folder: OutFolder, work: Work, request: StopRequest
) -> dict[str, DataError]:
    """Predict the images that are not finished; return what is wrong with the others, by name."""
    unfinished = plan_batches(images, folder, work)
    places = forget_unfinished(unfinished, folder, work.kinds)
    shares = [unfinished[rank :: world_size()] for rank in range(world_size())]
    parts = gather(predict_batches(scatter(shares), folder, work, request))
    folder.take_over()
    failed = {name: part[name] for part in parts for name in part}
    settle({name: images[name] for name in failed}, places, folder, work.kinds)
    return dict(sorted(failed.items()))


def _refuse(problems: Problems, where: object) -> None:
    """Raise all problems as one error, where there are any."""
    if problems.rows:
        first = problems.rows[0]
        count = "1 problem" if len(problems.rows) == 1 else f"{len(problems.rows)} problems"
        what = f"{count} with the images, the first in {first.file} ({first.what})"
        remedy = "mend the files listed and give the command again"
        raise ProblemsError(what, where, remedy, problems.rows)
