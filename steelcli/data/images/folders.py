"""Walk folders through links: every circle ends, nothing unreadable is passed over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from steelcli.common.errors import DataError


def iter_folders(root: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield each folder under ``root`` with the names of its sub-folders and of all else; top down,
    links followed.

    The caller may take sub-folders out of the list to keep out of them. A link back to a folder
    above is not followed.

    Raises:
        DataError: a folder that cannot be listed, or one that is reached by two ways: its files
            would count twice.
    """
    seen: set[str] = set()
    above = {str(folder) for folder in Path(os.path.realpath(root)).parents}
    for parent, children, names in os.walk(root, onerror=_refuse, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen or real in above:
            children.clear()
            if real in above or any(
                os.path.realpath(folder) == real for folder in Path(parent).parents
            ):
                continue
            raise DataError("a folder is reached by two ways", parent, "remove one of the links")
        seen.add(real)
        children.sort()
        yield Path(parent), children, names


def _refuse(error: OSError) -> NoReturn:
    raise DataError(
        f"cannot list the folder ({error.strerror})", error.filename, "mend its rights"
    ) from error
