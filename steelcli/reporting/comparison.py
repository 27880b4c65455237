"""A comparison as a table in the terminal."""

from __future__ import annotations

import csv
import errno
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steelcli.common.errors import RunError, quote
from steelcli.common.git import explain_no_git, find_revision, read_revision
from steelcli.common.inputs import read_bytes
from steelcli.common.outputs import staged_file
from steelcli.common.progress import say
from steelcli.reporting.table import ABSENT, Table, format_number, show_tables
from steelcli.scores import formulas
from steelcli.scores.bootstrap import Difference, ImageCounts
from steelcli.scores.columns import COUNT_COLUMNS


def build_comparison(comparison: Comparison, decimals: int) -> Table:
    """Return a row per metric: both values, the difference, its interval and p-value."""
    a, b = comparison.a, comparison.b
    title = f"A = {_describe(a)}, B = {_describe(b)}"
    images = len(a.images)
    note = (
        f"{images:,} {'image' if images == 1 else 'images'}, {comparison.defect_images:,} with a defect. "
        f"95 % interval and two-sided p of B - A by paired bootstrap over images: {comparison.resamples:,} resamples, "
        f"seed {comparison.seed}. The p-values are not corrected for testing several metrics."
    )
    rows = tuple(_row(difference, decimals) for difference in comparison.differences)
    return Table(title, ("metric", "A", "B", "B - A", "low", "high", "p"), rows, note)


def show_comparison(comparison: Comparison, decimals: int) -> None:
    """Print the table."""
    show_tables([build_comparison(comparison, decimals)])


def _describe(scored: ScoredImages) -> str:
    return f"{scored.name} ({scored.source})"


def _row(row: Difference, decimals: int) -> tuple[str, ...]:
    values = (format_number(value, decimals) for value in (row.a, row.b))
    signed = (_signed(value, decimals) for value in (row.difference, row.low, row.high))
    p_value = ABSENT if row.p_value is None else f"{row.p_value:.4f}"
    return (row.metric, *values, *signed, p_value)


def _signed(value: float | None, decimals: int) -> str:
    text = format_number(value, decimals)
    return f"+{text}" if value is not None and value > 0 else text


MOST_BYTES, MOST_PIXELS = 2**28, 2**40
"""Of a table, and of a cell: what is larger was not counted in an image."""


_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)


@dataclass(frozen=True)
class ScoredImages:
    """The images of one model.

    Attributes:
        name: as the user gave it.
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


def load_images(name: str, metrics_dir: Path) -> ScoredImages:
    """Read ``NAME_images.csv``, or ``test_images.csv`` of the experiment or git revision NAME; the
    file goes first.

    Raises:
        RunError: neither is there, or the table is damaged.
    """
    path, revision_path = metrics_dir / f"{name}_images.csv", metrics_dir / "test_images.csv"
    try:
        raw = read_bytes(path, MOST_BYTES)
    except OSError as error:
        if error.errno not in _ABSENT:
            raise RunError(
                f"cannot read the table ({error.strerror})", path, "mend or remove the file"
            ) from error
    else:
        if find_revision(name):
            say(f"note: {name} is a file and a git revision; taking the file {path}")
        return _parse(name, str(path), raw)
    commit = find_revision(name)
    if commit is None:
        what = f"neither {path} nor an experiment or git revision of this name exists"
        if no_git := explain_no_git():
            what = f"{path} does not exist, and {no_git}"
        raise RunError(
            what, quote(name), "list experiments with `dvc exp list`, or run `steelcli evaluate`"
        )
    content = read_revision(commit, revision_path)
    if content is None:
        raise RunError(
            f"the revision holds no {revision_path}",
            name,
            "commit it, or name an experiment that ran",
        )
    return _parse(name, f"{revision_path} at {commit[:10]}", content)


def _parse(name: str, source: str, content: bytes) -> ScoredImages:
    remedy = "run `dvc repro evaluate` or `steelcli evaluate` again"
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))
        images = tuple(row["image"] for row in rows)
        table = np.array(
            [[int(row[column]) for column in COUNT_COLUMNS] for row in rows], np.int64
        ).reshape(-1, 4)
    except (KeyError, TypeError, ValueError, OverflowError, csv.Error) as error:
        raise RunError(
            f"no table of images with {', '.join(('image', *COUNT_COLUMNS))}", source, remedy
        ) from error
    if not images:
        raise RunError("the table holds no image", source, remedy)
    defect_pixels, tp, fp, fn = table.T
    wrong = np.flatnonzero(
        ((table < 0) | (table > MOST_PIXELS)).any(axis=1) | (defect_pixels != tp + fn)
    )
    if wrong.size:
        raise RunError(f"defect_pixels is not tp + fn for {images[wrong[0]]}", source, remedy)
    return ScoredImages(name, source, images, ImageCounts(tp, fp, fn))


def refuse_other_images(a: ScoredImages, b: ScoredImages) -> None:
    """Refuse other images and other truth; the first difference is named."""
    remedy = "score both on the same split"
    for number, (one, other) in enumerate(zip(a.images, b.images, strict=False), 1):
        if one != other:
            raise RunError(
                f"the images differ: number {number} is {one} and {other}",
                f"{a.name}, {b.name}",
                remedy,
            )
    if len(a.images) != len(b.images):
        longer = max(a, b, key=lambda scored: len(scored.images))
        extra = longer.images[min(len(a.images), len(b.images))]
        raise RunError(
            f"the images differ: only {longer.name} has {extra}", f"{a.name}, {b.name}", remedy
        )
    differing = np.flatnonzero(a.counts.tp + a.counts.fn != b.counts.tp + b.counts.fn)
    if differing.size:
        raise RunError(
            f"the truth differs for {a.images[differing[0]]}", f"{a.name}, {b.name}", remedy
        )


def plot_dice(a: ScoredImages, b: ScoredImages, path: Path) -> None:
    """Draw each image's Dice by both models; above the diagonal ``b`` is better."""
    import matplotlib
    from matplotlib.figure import Figure

    defect = a.counts.tp + a.counts.fn > 0
    x, y = (formulas.dice(*scored.counts, empty=1.0) for scored in (a, b))
    kind = path.suffix.lower().removeprefix(".")
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams["svg.hashsalt"] = "steelcli"
        figure = Figure(figsize=(5.5, 5.5), layout="constrained")
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color="0.7", linewidth=1, zorder=1)
        for name, color, marker, chosen in (
            ("with a defect", "C0", "o", defect),
            ("clean", "C1", "x", ~defect),
        ):
            label = f"{name} ({np.count_nonzero(chosen)})"
            axes.scatter(
                x[chosen],
                y[chosen],
                s=18,
                c=color,
                marker=marker,
                alpha=0.6,
                label=label,
                clip_on=False,
            )
        labels = (
            f"Dice of {scored.name}".replace("$", r"\$") for scored in (a, b)
        )  # a dollar would begin a formula
        axes.set(
            xlim=(0, 1),
            ylim=(0, 1),
            aspect="equal",
            **dict(zip(("xlabel", "ylabel"), labels, strict=True)),
        )
        figure.legend(loc="outside upper center", ncols=2, frameon=False)
        with staged_file(path) as partial_path:
            figure.savefig(
                partial_path,
                format=kind,
                dpi=150,
                metadata={"Date": None} if kind == "svg" else None,
            )
