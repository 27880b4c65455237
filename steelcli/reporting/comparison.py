"""Compare two scored models on the same images: read both tables, check them, show the result."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import MAX_CLAUSE, RunError, quote
from steelcli.common.git import explain_no_git, find_revision, read_revision
from steelcli.common.inputs import MAX_CSV_BYTES, read_bytes, read_columns, read_json
from steelcli.common.metrics_file import RUN_KEY, Metrics, read_metrics
from steelcli.common.paths import ARGS_NAME, MAKE_MODEL, MAKE_TEST, TEST_IMAGES_NAME, TEST_NAME
from steelcli.common.progress import say
from steelcli.common.small_splits import MIN_IMAGES
from steelcli.reporting.metric_meanings import SHARE_MEANINGS
from steelcli.reporting.shares import INTERVAL, INTERVAL_NOTE, format_share
from steelcli.reporting.table import ABSENT, Table, format_numbers, format_signed
from steelcli.scores.bootstrap import Difference, ImageCounts, compare_counts
from steelcli.scores.columns import COUNT_COLUMNS, DETECTED_COLUMN

MAX_PIXELS = 2**40
"""Of a cell."""
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
"""How reading fails where there is no file of this name."""


@dataclass(frozen=True)
class ScoredImages:
    """The images of one model.

    Attributes:
        name: as the user gave it, fit to print.
        source: the file, or the revision and the file.
        images: names, in order.
        counts: their pixels.
    """

    name: str
    source: str
    images: tuple[str, ...]
    counts: ImageCounts


@dataclass(frozen=True)
class Comparison:
    """Two models on the same images.

    Attributes:
        a, b: what was compared.
        defect_images: images whose truth has a defect.
        resamples, seed: of the bootstrap.
        differences: a row per metric.
    """

    a: ScoredImages
    b: ScoredImages
    defect_images: int
    resamples: int
    seed: int
    differences: tuple[Difference, ...]


def load_images(name: str, metrics_dir: Path, models_dir: Path) -> ScoredImages:
    """Read ``NAME_images.csv``, or else ``test_images.csv`` of the experiment or revision NAME.

    Raises:
        RunError: neither is there, the table is damaged, the json file beside it is missing, which
            every evaluation writes last, or belongs to another table; or ``test`` is of another
            training than the models.
    """
    path = metrics_dir / f"{name}_images.csv"
    try:
        raw = read_bytes(path, MAX_CSV_BYTES)
    except OSError as error:
        if error.errno not in _ABSENT:
            what = f"cannot read the table ({error.strerror})"
            raise RunError(what, path, "mend or remove the file") from error
        return _load_revision(name, path)
    json_path = metrics_dir / f"{name}.json"
    if not json_path.is_file():
        raise _unfinished(path, json_path)
    metrics = read_metrics(json_path, f"{MAKE_TEST} again", ("threshold",))
    metrics.refuse_other_table(path, raw, f"{MAKE_TEST} again")
    if json_path.name == TEST_NAME:
        _refuse_former_model(path, metrics, models_dir)
    if find_revision(name):
        say(f"note: {name} is a file and a git revision; taking the file {path}")
    return _parse(name, str(path), raw)


def _refuse_former_model(path: Path, metrics: Metrics, models_dir: Path) -> None:
    """Refuse the scores of a model that has been trained anew since."""
    args_path = models_dir / ARGS_NAME
    if not args_path.is_file():
        return
    run = read_json(args_path, MAKE_MODEL).get("run")
    if not isinstance(run, dict) or run.get(RUN_KEY) != metrics.run_key:
        what = f"the table belongs to another training than {models_dir}"
        raise RunError(what, path, f"{MAKE_TEST} again")


def _load_revision(name: str, absent_path: Path) -> ScoredImages:
    commit = find_revision(name)
    if commit is None:
        what = f"neither {absent_path} nor an experiment or git revision of this name exists"
        if no_git := explain_no_git():
            what = f"{absent_path} does not exist, and {no_git}"
        remedy = "list experiments with `dvc exp list`, or run `steelcli evaluate`"
        raise RunError(what, quote(name), remedy)
    path = absent_path.with_name(TEST_IMAGES_NAME)
    content = read_revision(commit, path)
    if content is None:
        remedy = "commit it, or name an experiment that ran"
        raise RunError(f"the revision holds no {path}", name, remedy)
    source = f"{path} at {commit[:10]}"
    json_path = path.with_name(TEST_NAME)
    if read_revision(commit, json_path) is None:
        raise _unfinished(source, json_path)
    if len(content) > MAX_CSV_BYTES:
        what = f"the table is larger than {MAX_CSV_BYTES:,} bytes"
        raise RunError(what, source, f"{MAKE_TEST} again")
    return _parse(name, source, content)


def _unfinished(source: object, json_path: Path) -> RunError:
    what = f"the table is what an interrupted evaluation left, for {json_path} is missing"
    return RunError(what, source, f"{MAKE_TEST} again")


def _parse(name: str, source: str, content: bytes) -> ScoredImages:
    remedy = f"{MAKE_TEST} again"
    try:
        columns = read_columns(content, ("image", *COUNT_COLUMNS), (DETECTED_COLUMN,))
        images = tuple(columns["image"])
        numbers = [[int(cell) for cell in columns[name]] for name in COUNT_COLUMNS]
        table = np.array(numbers, np.int64).T
        detected = _read_detected(columns[DETECTED_COLUMN]) if DETECTED_COLUMN in columns else None
    except (KeyError, ValueError, OverflowError) as error:
        raise RunError(
            f"no table of images with {', '.join(('image', *COUNT_COLUMNS))}", source, remedy
        ) from error
    if not images:
        raise RunError("the table holds no image", source, remedy)
    defect_pixels, tp, fp, fn = table.T
    wrong = np.flatnonzero(
        ((table < 0) | (table > MAX_PIXELS)).any(axis=1) | (defect_pixels != tp + fn)
    )
    if wrong.size:
        raise RunError(f"defect_pixels is not tp + fn for {images[wrong[0]]}", source, remedy)
    shown = quote(name), quote(source, MAX_CLAUSE)  # a name of a file may be no UTF-8
    return ScoredImages(*shown, images, ImageCounts(tp, fp, fn, detected))


def _read_detected(cells: Sequence[str]) -> NDArray[np.bool_]:
    """Return which images have a predicted component; raise a ValueError for other than 0 and 1."""
    if not {"0", "1"}.issuperset(cells):
        raise ValueError(f"{DETECTED_COLUMN} is neither 0 nor 1")
    return np.array([cell == "1" for cell in cells], bool)


def compare_images(a: ScoredImages, b: ScoredImages, resamples: int, seed: int) -> Comparison:
    """Return the difference ``b`` - ``a`` of every metric.

    Raises:
        RunError: the images or their truth differ.
    """
    _refuse_other_images(a, b)
    differences = compare_counts(a.counts, b.counts, resamples, seed)
    defect_images = int(np.count_nonzero(a.counts.tp + a.counts.fn))
    return Comparison(a, b, defect_images, resamples, seed, tuple(differences))


def _refuse_other_images(a: ScoredImages, b: ScoredImages) -> None:
    where, remedy = f"{a.name}, {b.name}", "score both on the same split"
    for number, (one, other) in enumerate(zip(a.images, b.images, strict=False), 1):
        if one != other:
            what = f"the images differ: number {number} is {one} and {other}"
            raise RunError(what, where, remedy)
    if len(a.images) != len(b.images):
        shorter, longer = sorted((a, b), key=lambda scored: len(scored.images))
        extra = longer.images[len(shorter.images)]
        what = f"the images differ: only {longer.name} has {extra}"
        raise RunError(what, where, remedy)
    differing = np.flatnonzero(a.counts.tp + a.counts.fn != b.counts.tp + b.counts.fn)
    if differing.size:
        raise RunError(f"the truth differs for {a.images[differing[0]]}", where, remedy)


def build_comparison(comparison: Comparison, decimals: int) -> list[Table]:
    """Return a table of both values and their difference by metric, and one of the shares."""
    a, b = comparison.a, comparison.b
    title = f"A = {a.name} ({a.source}), B = {b.name} ({b.source})"
    rows = tuple(_row(difference, decimals) for difference in comparison.differences)
    columns = ("metric", "images", "A", "B", "B - A", "low", "high", "p")
    differences = Table(title, columns, rows, _build_note(comparison))
    return [differences, _build_shares(comparison, decimals)]


def _build_note(comparison: Comparison) -> str:
    images = len(comparison.a.images)
    noun = "image" if images == 1 else "images"
    note = (
        f"{images:,} {noun}, {comparison.defect_images:,} with a defect. "
        f"95 % interval and two-sided p of B - A by paired bootstrap over images: "
        f"{comparison.resamples:,} resamples, seed {comparison.seed}. "
        f"The p-values are not corrected for testing several metrics."
    )
    if any(row.images < MIN_IMAGES for row in comparison.differences):
        note += (
            f" What rests on under {MIN_IMAGES} images has no interval and no p: "
            "drawn again and again, so few would look sure."
        )
    for scored in (comparison.a, comparison.b):
        if scored.counts.detected is None:
            note += (
                f" The table of {scored.name} lacks the column {DETECTED_COLUMN}, hence "
                "clean_false_alarm, image_recall and image_precision: evaluate it again."
            )
    return note


def _row(row: Difference, decimals: int) -> tuple[str, ...]:
    values = format_numbers((row.a, row.b), decimals)
    signed = [format_signed(value, decimals) for value in (row.difference, row.low, row.high)]
    p_value = ABSENT if row.p_value is None else f"{row.p_value:.4f}"
    return (row.metric, f"{row.images:,}", *values, *signed, p_value)


def _build_shares(comparison: Comparison, decimals: int) -> Table:
    rows = []
    for row in comparison.differences:
        if row.metric in SHARE_MEANINGS:
            cells: list[str] = []
            for share, scored in ((row.a, comparison.a), (row.b, comparison.b)):
                whole, detected = row.images, scored.counts.detected
                if row.metric == "image_precision" and detected is not None:
                    whole = int(np.count_nonzero(detected))  # each model its own
                cells += format_share(share, whole, decimals)
            rows.append((row.metric, *cells))
    columns = ("share of images", "A", INTERVAL, "B", INTERVAL)
    return Table("Shares of images", columns, tuple(rows), INTERVAL_NOTE)
