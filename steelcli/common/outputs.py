"""Write under a temporary name, then rename: a killed command leaves nothing half-written."""

from __future__ import annotations

import csv
import errno
import io
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from steelcli.common.csv_cells import protect
from steelcli.common.errors import RunError

_REMEDIES = {
    **dict.fromkeys(
        (errno.ENOTDIR, errno.EEXIST), "move the file away that stands where a folder belongs"
    ),
    errno.EISDIR: "move the folder away that stands where a file belongs",
    errno.ENAMETOOLONG: "choose a shorter name",
}
_NO_RIGHT = (errno.EACCES, errno.EPERM, errno.EROFS)
"""What is refused for the folder's sake: files are made, moved and removed, never written into."""


@contextmanager
def staged_dir(final_dir: Path, files: Mapping[Path, str] | None = None) -> Iterator[Path]:
    """Yield an empty folder that takes the place of ``final_dir`` when the block ends well.

    Args:
        final_dir: where the folder goes; where this is a link, its target is replaced.
        files: what belongs to the folder, as in `write_together`; the block fills in the texts.

    Raises:
        RunError: the folder or a file cannot be written, another process is at it, or something
            else stands in its place.
    """
    files = files if files is not None else {}
    final_dir = _resolve(final_dir)
    partial_dir = final_dir.with_name(f".{final_dir.name}.partial")
    old_dir = final_dir.with_name(f".{final_dir.name}.old")
    refuse_unwritable([final_dir, final_dir.parent, *(path.parent for path in files)])
    with _explained(final_dir), _alone(final_dir):
        _remove(partial_dir)
        partial_dir.mkdir()
        try:
            yield partial_dir
            _remove(old_dir)
            with _staged_texts(files) as publish:
                if final_dir.exists():
                    final_dir.replace(old_dir)  # first: this fails early on a mount point
                try:
                    publish(lambda: partial_dir.replace(final_dir))
                except BaseException:
                    if old_dir.exists():
                        _remove(final_dir)
                        old_dir.replace(final_dir)
                    raise
            _remove(old_dir)
        except BaseException:
            _remove(partial_dir)
            raise


def write_together(texts: Mapping[Path, str]) -> None:
    """Write files that belong together; the last one stands for all.

    It is removed before the others are replaced and comes back after them, so a killed command
    leaves no mixture that holds it.

    Raises:
        RunError: a file cannot be written; all are as before.
    """
    with _staged_texts(texts) as publish:
        publish(lambda: None)


@contextmanager
def _staged_texts(texts: Mapping[Path, str]) -> Iterator[Callable[[Callable[[], object]], None]]:
    """Write texts under temporary names; yield what moves them into place.

    It moves the old files away, the last one first, calls its argument, and moves the new ones
    into place; where it fails, the old ones come back.
    """
    partial_paths = {path: _partial_path(path) for path in texts}

    def publish(act: Callable[[], object]) -> None:
        old_paths: dict[Path, Path] = {}
        try:
            for path in reversed(list(texts)):
                if path.exists():
                    with _explained(path):
                        old_paths[path] = path.replace(path.with_name(f".{path.name}.old"))
            act()
            for path, partial_path in partial_paths.items():
                with _explained(path):
                    partial_path.replace(path)
        except BaseException:
            for path, old_path in old_paths.items():
                old_path.replace(path)
            raise
        for old_path in old_paths.values():
            _remove(old_path)

    try:
        for path, partial_path in partial_paths.items():
            with _explained(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                partial_path.write_text(texts[path], encoding="utf-8", newline="\n")
        yield publish
    finally:
        for partial_path in partial_paths.values():
            partial_path.unlink(missing_ok=True)


def _partial_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


@contextmanager
def _alone(final_dir: Path) -> Iterator[None]:
    """Hold a lock beside a folder: two processes that fill one folder would mix their files.

    The folder above, where it is made for the lock, goes with it if nothing else comes there.
    """
    lock_path = final_dir.with_name(f".{final_dir.name}.lock.partial")
    is_new = not lock_path.parent.exists()
    lock_path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(lock_path, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise RunError(
            "another process is writing this folder", final_dir, "wait for it or stop it"
        ) from error
    try:
        yield
    finally:
        lock_path.unlink(missing_ok=True)
        lock.release()
        if is_new and not any(lock_path.parent.iterdir()):
            lock_path.parent.rmdir()


def refuse_unwritable(folders: Sequence[Path]) -> None:
    """Find out before the work, not after it, that nothing can be written into a folder.

    Raises:
        RunError: a file stands there, the rights are missing, or the place cannot be looked at.
    """
    for path in folders:
        with _explained(path):
            there = next(place for place in (path, *path.parents) if place.exists())
            if not there.is_dir():
                raise RunError(
                    "a file stands where a folder is to be written", there, "move the file away"
                )
            if not os.access(there, os.W_OK | os.X_OK):
                what = "this folder cannot be written into"
                raise RunError(what, _name(there), "mend the permissions")


@contextmanager
def staged_file(final_path: Path) -> Iterator[Path]:
    """Yield a name to write to; it is renamed to ``final_path`` when the block ends well.

    Raises:
        RunError: the file cannot be written.
    """
    partial_path = _partial_path(final_path)
    with _explained(final_path):
        final_path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial_path
            partial_path.replace(final_path)
        finally:
            partial_path.unlink(missing_ok=True)


def format_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Return rows under the columns; text that could be a formula gets an apostrophe in front.

    An absent, None or non-finite value becomes an empty cell.
    """
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _to_cell(row.get(key)) for key in columns})
    return file.getvalue()


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a mapping of finite numbers, texts, lists and such mappings.

    Raises:
        ValueError: a value that is not finite, a bug of the caller.
    """
    with staged_file(path) as partial_path:
        text = json.dumps(values, indent=2, allow_nan=False) + "\n"
        partial_path.write_text(text, encoding="utf-8", newline="\n")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write `format_csv`."""
    with staged_file(path) as partial_path:
        partial_path.write_text(format_csv(rows, columns), encoding="utf-8", newline="\n")


def _resolve(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:  # a RuntimeError up to Python 3.12
        raise RunError("the links of a path go in a circle", path, "remove them") from error


def _to_cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return protect(value) if isinstance(value, str) else value


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn the file system's refusal to write ``path`` into one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        reason = error.strerror or str(error)
        refused = _find_refused(error, path)
        if error.errno in _NO_RIGHT:
            what = f"cannot write {refused.name} ({reason})"
            raise RunError(what, _name(refused.parent), "mend the permissions") from error
        remedy = _REMEDIES.get(error.errno, "free space or mend the permissions")
        raise RunError(f"cannot write ({reason})", refused, remedy) from error


def _name(folder: Path) -> Path:
    """Return a folder under a name that can be shown, which that of the working folder cannot."""
    return folder if folder.name else folder.absolute()


def _find_refused(error: OSError, path: Path) -> Path:
    """Return what could not be written: ``path`` for its temporary names and what is in them."""
    if not isinstance(error.filename, str):  # a full disk names none
        return path
    named = Path(error.filename)
    is_temporary = any(part.startswith(f".{path.name}.") for part in named.parts)
    return path if is_temporary else named
