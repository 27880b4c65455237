"""All that is wrong with a data set, gathered instead of stopping at the first: one row a fault."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from steelcli.common.errors import MAX_CLAUSE, DataError, quote

COLUMNS = ("file", "what", "remedy")
"""Columns of ``metrics/data_problems.csv``."""
MAX_PER_FILE = 20
"""Faults listed of one file; what follows them is said to exist."""

T = TypeVar("T")


@dataclass(frozen=True)
class Problem:
    """One fault.

    Attributes:
        file: the file to mend.
        what: what is wrong with it and where in it.
        remedy: what to do.
        image: the image file left out for it under ``data.on_error: skip``; empty for a file that
            belongs to no image, None for a fault that leaving out cannot heal.
    """

    file: str
    what: str
    remedy: str
    image: str | None


class SeveralError(DataError):
    """Several faults of one file, all of which it carries; as a sentence the first of them."""

    def __init__(self, what: str, where: object, remedy: str, errors: Sequence[DataError]) -> None:
        super().__init__(what, where, remedy)
        self.errors = tuple(errors)


class Problems:
    """Takes faults and lets the reading go on."""

    def __init__(self) -> None:
        self.rows: list[Problem] = []

    def add(self, error: DataError, image: str | None, inside: object = None) -> None:
        """Note a fault, ``inside`` a file whose place the error names; see `Problem.image`."""
        self.rows += list_problems(error, [inside], image)

    @property
    def images(self) -> set[str]:
        """Image files to be left out."""
        return {row.image for row in self.rows if row.image}


class Refuse(Problems):
    """Stops at the first fault: for readers whose result must be whole."""

    def add(
        self,
        error: DataError,
        image: str | None,  # noqa: ARG002
        inside: object = None,  # noqa: ARG002
    ) -> NoReturn:
        """Raise the fault."""
        raise error


REFUSE = Refuse()
"""The default of every reader."""


def list_problems(error: DataError, files: Iterable[object], image: str | None) -> list[Problem]:
    """Return the rows of an error.

    A place inside one of ``files`` is split into the file and the place.
    """
    rows = []
    known = [str(file) for file in files]
    for each in error.errors if isinstance(error, SeveralError) else (error,):
        file, what = each.where, each.what
        for name in known:
            if file.startswith(f"{name}, "):
                file, what = name, f"{what} ({file.removeprefix(f'{name}, ')})"
        rows.append(
            Problem(
                quote(file, MAX_CLAUSE),
                quote(what, MAX_CLAUSE),
                quote(each.remedy, MAX_CLAUSE),
                image,
            )
        )
    return rows


def apply_to_all(work: Callable[[T], None], items: Iterable[T], where: object) -> None:
    """Do the work on every item of a file, and only then raise what went wrong.

    Raises:
        DataError: the only fault.
        SeveralError: all faults, up to `MAX_PER_FILE`, after which the rest of the file is not
            looked at.
    """
    errors: list[DataError] = []
    for item in items:
        if len(errors) == MAX_PER_FILE:
            errors.append(
                DataError(
                    "more than that is wrong, the rest is not listed", where, "mend these first"
                )
            )
            break
        try:
            work(item)
        except DataError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        first = errors[0]
        raise SeveralError(
            f"{first.what} (the first of {len(errors)} problems)", first.where, first.remedy, errors
        )
