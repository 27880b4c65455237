"""The folder that ``steelcli predict`` fills: what made it, and which images are finished.

    images.jsonl        first what made the folder, then a line for each finished image, and one
                        without a stamp for each that is so no longer
    images.N.jsonl      the same lines of process N under torchrun, until the first one takes
                        them over

A line is added when all files of its image are in place, and one that takes it back before they
are touched, so whoever goes on after a kill knows what is left. What a kill left of a line, or of
a file, is removed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from steelcli.commands.predict_files import output_key
from steelcli.common.errors import RunError
from steelcli.common.outputs import refuse_unwritable

JOURNAL_NAME = "images.jsonl"
_LOCK_NAME = ".lock"
_NEW_FOLDER = "name another --out, or remove the folder"


class Journal:
    """A file of lines, each whole or to be overwritten, that one process alone adds to."""

    def __init__(self, folder: Path, name: str = JOURNAL_NAME) -> None:
        self.folder = folder
        self._path = folder / name
        self._end = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Note an image whose files are in place, ``image`` being its name."""
        self._append(row)

    def iter_lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the whole lines, and where each begins; go on behind them."""
        with self._path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break  # a kill cut it off
                place = self._end
                self._end += len(line)
                yield place, self._parse(line)

    def _append(self, values: Mapping[str, Any]) -> int:
        """Add a line behind the last whole one; return where it begins."""
        place = self._end
        line = json.dumps(values, allow_nan=False).encode() + b"\n"
        try:
            with self._path.open("r+b" if self._path.exists() else "wb") as file:
                file.seek(place)
                file.truncate()
                file.write(line)
        except OSError as error:
            what = f"cannot write ({error.strerror})"
            remedy = "free space or mend the permissions"
            raise RunError(what, self._path, remedy) from error
        self._end += len(line)
        return place

    def _read_line(self, place: int) -> dict[str, Any]:
        with self._path.open("rb") as file:
            file.seek(place)
            return self._parse(file.readline())

    def _parse(self, line: bytes) -> dict[str, Any]:
        try:
            values = json.loads(line)
        except ValueError as error:
            raise RunError("the file was changed by hand", self._path, _NEW_FOLDER) from error
        if not isinstance(values, dict):
            raise RunError("the file was changed by hand", self._path, _NEW_FOLDER)
        return values


class OutFolder(Journal):
    """A folder of predictions, held by this process alone; see `open_folder`."""

    def __init__(self, folder: Path, made_by: Mapping[str, Any], in_project: bool = False) -> None:
        """Begin the folder, or go on with it; see `output_key` for ``in_project``.

        Raises:
            RunError: it holds something else, or was made by something else.
        """
        super().__init__(folder)
        self._in_project = in_project
        self._places: dict[str, tuple[str, int]] = {}  # name and place, by `output_key`
        known = {_LOCK_NAME, JOURNAL_NAME}
        if not self._path.exists() and any(path.name not in known for path in folder.iterdir()):
            what = "the folder is not empty, and predict did not make it"
            raise RunError(what, folder, "name another --out")
        found = self._read_journal() if self._path.exists() else None
        if found is None:
            self._append(made_by)
        else:
            self._compare(found, made_by)
        for path in folder.rglob(".*.partial"):
            path.unlink()
        self.take_over()

    def find(self, image: str) -> dict[str, Any] | None:
        """Return what was added of an image; None where its outputs are those of another one."""
        name, place = self._places.get(self._key(image), (None, 0))
        return self._read_line(place) if name == image else None

    def add(self, row: Mapping[str, Any]) -> None:
        """Note an image whose files are in place, ``image`` being its name."""
        self._note(row, self._append(row))

    def forget(self, image: str) -> tuple[str, int] | None:
        """Leave out the image whose outputs are where this one's go; return it and its place."""
        former = self._places.get(self._key(image))
        if former:
            self.add({"image": former[0], "stamp": None})
        return former

    def restore(self, image: str, place: int) -> None:
        """Take a `forget` back, unless the image was added since."""
        if self._key(image) not in self._places:
            self.add(self._read_line(place))

    def iter_rows(self) -> Iterator[dict[str, Any]]:
        """Yield what was added last of each image, by name."""
        for _, place in sorted(self._places.values()):
            yield self._read_line(place)

    def take_over(self) -> None:
        """Add what other processes noted, when they are done or were killed."""
        for path in sorted(self.folder.glob("images.*.jsonl")):
            for _, row in Journal(self.folder, path.name).iter_lines():
                if self.find(str(row.get("image"))) != row:  # a kill may have come before unlink
                    self.add(row)
            path.unlink()

    def _read_journal(self) -> dict[str, Any] | None:
        """Note where the images' lines are; return the first line, None where there is none."""
        made_by = None
        for place, values in self.iter_lines():
            if made_by is None:
                made_by = values
            else:
                self._note(values, place)
        return made_by

    def _compare(self, found: Mapping[str, Any], made_by: Mapping[str, Any]) -> None:
        """Refuse a folder that something else made."""
        changed = [key for key in {**made_by, **found} if found.get(key) != made_by.get(key)]
        if changed:
            what = f"the folder was made with another {', '.join(changed)}"
            raise RunError(what, self.folder, _NEW_FOLDER)

    def _note(self, row: Mapping[str, Any], place: int) -> None:
        image = str(row.get("image"))
        if row.get("stamp", ()) is None:
            self._places.pop(self._key(image), None)
        else:
            self._places[self._key(image)] = image, place

    def _key(self, image: str) -> str:
        return output_key(image, self._in_project)


@contextmanager
def open_folder(
    folder: Path, made_by: Mapping[str, Any], in_project: bool = False
) -> Iterator[OutFolder]:
    """Make the folder where it is missing, and hold it; see `OutFolder`.

    Raises:
        RunError: it cannot be written, or another process is at it.
    """
    refuse_unwritable([folder])
    folder.mkdir(parents=True, exist_ok=True)
    with _held(folder, _LOCK_NAME):
        with ExitStack() as others:  # of a call whose first process was killed and no other yet
            for path in folder.glob(f"{_LOCK_NAME}.*"):
                others.enter_context(_held(folder, path.name))
        yield OutFolder(folder, made_by, in_project)


@contextmanager
def open_part(folder: Path) -> Iterator[Journal]:
    """Yield where this process notes its images in a folder that the first process holds.

    Raises:
        RunError: another process is at it.
    """
    rank = os.environ["RANK"]
    with _held(folder, f"{_LOCK_NAME}.{rank}"):
        yield Journal(folder, f"images.{rank}.jsonl")


@contextmanager
def _held(folder: Path, name: str) -> Iterator[None]:
    lock = FileLock(folder / name, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        what = "another process is writing this folder"
        raise RunError(what, folder, "wait for it or stop it") from error
    try:
        yield
    finally:
        (folder / name).unlink(missing_ok=True)
        lock.release()
