"""Images that appear while ``steelcli predict --watch`` runs, each once its file is whole.

A file counts as whole when two looks, a second or more apart, find the same bytes and change time.
"""

from __future__ import annotations

import glob
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from steelcli.commands.predict_files import chunked, clash, find_matches, name_image, output_key
from steelcli.commands.predict_summary import describe_counts
from steelcli.common.errors import DataError, Interrupted, ParamsError
from steelcli.common.problems import Problem, Problems
from steelcli.common.progress import say
from steelcli.data.images.find import IMAGE_SUFFIXES
from steelcli.training.distributed import world_size
from steelcli.training.signals import StopRequest

_PAUSE_S = 1.0
"""Least time between two looks."""
_MAX_SILENCE_S = 30.0
"""Time after which the shared files are written although images still come."""
_LOOK_SHARE, _PUBLISH_SHARE = 4, 10
"""Looking takes a quarter of the time at most, writing the shared files a tenth."""


@dataclass
class _File:
    """A file at the last look, and whether it was handed out as it was then."""

    name: str
    key: str
    fault: DataError | None
    is_output: bool
    stamp: tuple[int, int]
    is_taken: bool = False


class Watcher:
    """Looks for new images in files, folders and patterns.

    Attributes:
        problems: what the last two looks both found wrong with the listing.
    """

    def __init__(self, paths: Sequence[str], out_dir: Path, in_project: bool = False) -> None:
        """Begin; see `list_images` for the arguments.

        Raises:
            UserError: what cannot be watched, or is not there.
        """
        if world_size() > 1:
            remedy = "start the command without torchrun"
            raise ParamsError("one process alone looks for new images", "--watch", remedy)
        for path in paths:
            if path == "-":
                what = "a list on stdin cannot be watched"
                raise ParamsError(what, "--watch", "name folders or patterns")
            if not glob.has_magic(path) and not os.path.lexists(path):
                raise DataError("no such file or folder", path, "correct the path")
        self._paths = paths
        self._in_project = in_project
        self._own_dir = os.path.realpath(out_dir)
        for path in paths:
            root, _ = find_matches(path)
            if Path(os.path.realpath(root)).is_relative_to(self._own_dir):
                what = f"all that {path} stands for lies in the output folder, which is no input"
                raise ParamsError(what, "--out", "name a folder that is not above the images")
        self._files: dict[tuple[Path, str], _File] = {}
        self._listed: list[Problem] = []
        self.problems: list[Problem] = []

    @property
    def names(self) -> set[str]:
        """Of all images there."""
        return {file.name for file in self._files.values()}

    def look(self) -> dict[str, Path]:
        """Return the whole images that no look has returned as they are now, sorted by name."""
        problems = Problems()
        files: dict[tuple[Path, str], _File] = {}
        whole = []
        for root, path, stamp in self._iter_found(problems):
            known = self._files.get((root, path))
            file = known or self._describe(Path(path), root, stamp)
            if file.stamp != stamp:
                file.stamp, file.is_taken = stamp, False
            elif known and not (file.is_taken or file.is_output):
                whole.append((file, path))
            files[root, path] = file
        clashing = _find_clashing(files)
        for (_, path), file in files.items():
            is_clashing = file.key in clashing
            fault = clash(Path(path), self._in_project) if is_clashing else file.fault
            if fault and not file.is_output:
                problems.add(fault, path)
        images = {}
        for file, path in whole:
            if file.key not in clashing and not file.fault:
                file.is_taken = True
                images[file.name] = Path(path)
        self._files = files
        rows = sorted(problems.rows, key=lambda row: row.file)
        self.problems = [row for row in rows if row in self._listed]
        self._listed = rows
        return dict(sorted(images.items()))

    def _iter_found(self, problems: Problems) -> Iterator[tuple[Path, str, tuple[int, int]]]:
        """Yield root, path and stamp of the files that could be images."""
        own = _look_at(self._own_dir)
        seen = {_identify(own)} if own else set()
        for text in self._paths:
            root, matches = find_matches(text)
            if not matches and not glob.has_magic(text):
                problems.add(DataError("no such file or folder", text, "restore it"), "")
            for match in matches:
                for path, status in _iter_files(str(Path(match)), set(seen), problems):
                    yield root, path, (status.st_size, status.st_mtime_ns)

    def _describe(self, path: Path, root: Path, stamp: tuple[int, int]) -> _File:
        """Return what is known of a new file."""
        is_output = Path(os.path.realpath(path)).is_relative_to(self._own_dir)
        try:
            name, fault = name_image(path, root), None
        except DataError as error:
            name, fault = path.as_posix(), error
        return _File(name, output_key(name, self._in_project), fault, is_output, stamp)


class _SharedFiles:
    """Writes the files of all images when it is time, and knows what is wrong with which image."""

    def __init__(
        self, watcher: Watcher, publish: Callable[[Sequence[Problem]], dict[str, int]]
    ) -> None:
        self._watcher, self._publish = watcher, publish
        self._failed: dict[str, DataError] = {}
        self._told: list[Problem] = []
        self._is_behind = True
        self._published = self._cost = 0.0

    def take(self, images: Iterable[str], faults: Mapping[str, DataError]) -> None:
        """Note images that were predicted, but for the faults."""
        for name in images:
            self._failed.pop(name, None)
        self._failed |= faults
        self._is_behind = True

    def write_if_due(self, is_quiet: bool) -> None:
        """Write where something is new, it is quiet or long ago, and writing takes little time."""
        begun = time.monotonic()
        silence = begun - self._published
        if silence < _PUBLISH_SHARE * self._cost or not (is_quiet or silence > _MAX_SILENCE_S):
            return
        problems = self._list_problems()
        if self._is_behind or problems != self._told:
            _tell(problems, self._told)
            counts, self._told, self._is_behind = self._publish(problems), problems, False
            self._published = time.monotonic()
            self._cost = self._published - begun
            say(describe_counts(counts))

    def write(self) -> dict[str, int]:
        """Write, and return ``images`` and ``defect_images``."""
        return self._publish(self._list_problems())

    def _list_problems(self) -> list[Problem]:
        """Return what is wrong with the files that are there, those that clash as such alone."""
        if self._failed:
            names = self._watcher.names
            self._failed = {name: self._failed[name] for name in self._failed if name in names}
        problems = Problems()
        for name in sorted(self._failed):
            error = self._failed[name]
            # else it was moved away before it was read
            if os.path.exists(error.where):  # noqa: PTH110
                problems.add(error, error.where)
        listed = self._watcher.problems
        files = {row.file for row in listed}
        return [*listed, *(row for row in problems.rows if row.file not in files)]


def watch_images(
    watcher: Watcher,
    predict_new: Callable[[dict[str, Path]], dict[str, DataError]],
    publish: Callable[[Sequence[Problem]], dict[str, int]],
    request: StopRequest,
    slice_size: int,
) -> NoReturn:
    """Predict what appears, and write the shared files where nothing does, until a signal.

    Args:
        predict_new: writes what is found in images; returns those that cannot be read, by name.
        publish: writes the shared files; returns ``images`` and ``defect_images``.
        slice_size: images after which the shared files may be written although more are waiting.

    Raises:
        Interrupted: at SIGINT and SIGTERM, when all files are whole and true.
    """
    shared = _SharedFiles(watcher, publish)
    watcher.look()
    _wait(time.monotonic() + _PAUSE_S, request)
    while not request.number:
        begun = time.monotonic()
        images = watcher.look()
        looked = time.monotonic()
        for some in chunked(images, slice_size):
            if not request.number:
                shared.take(some, predict_new(some))
                shared.write_if_due(is_quiet=False)
        shared.write_if_due(is_quiet=not images)
        _wait(begun + max(_PAUSE_S, _LOOK_SHARE * (looked - begun)), request)
    message = f"Interrupted: {describe_counts(shared.write())}; the same command goes on."
    raise Interrupted(request.number, message)


def _tell(problems: Iterable[Problem], told: Sequence[Problem]) -> None:
    for row in problems:
        if row not in told:
            say(f"{row.what}: {row.file}; {row.remedy}")


def _wait(until: float, request: StopRequest) -> None:
    while not request.number and time.monotonic() < until:
        time.sleep(0.05)


def _iter_files(
    path: str, seen: set[tuple[int, int]], problems: Problems
) -> Iterator[tuple[str, os.stat_result]]:
    """Yield a file itself, of a folder the images in it at any depth, but no hidden ones.

    A folder of ``seen`` is passed over, and one that links lead to again.
    """
    status = _look_at(path)
    if status is None:
        return
    if not stat.S_ISDIR(status.st_mode):
        yield path, status
        return
    if _identify(status) in seen:
        return
    seen.add(_identify(status))
    try:
        entries = list(os.scandir(path))
    except OSError as error:
        what = f"cannot list the folder ({error.strerror})"
        problems.add(DataError(what, path, "mend its rights"), "")
        return
    for entry in entries:
        if entry.name[0] == ".":
            continue
        is_image = os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122
        # entry.is_dir raises where links lead in a circle
        if is_image or os.path.isdir(entry.path):  # noqa: PTH112
            yield from _iter_files(entry.path, seen, problems)


def _look_at(path: str) -> os.stat_result | None:
    """Return the state of a file; None for one that has just gone, or a link to nowhere."""
    try:
        return os.stat(path)  # noqa: PTH116
    except OSError:
        return None


def _identify(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _find_clashing(files: Mapping[tuple[Path, str], _File]) -> set[str]:
    """Return the keys that several images share."""
    first: dict[str, tuple[str, str]] = {}
    clashing = set()
    for (_, path), file in files.items():
        own = file.name, path
        if not file.is_output and first.setdefault(file.key, own) != own:
            clashing.add(file.key)
    return clashing
