"""What stood before a run, set aside so that a run that fails can bring it back whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from steelcli.common.errors import RunError, quote
from steelcli.common.inputs import read_json
from steelcli.common.outputs import write_json


class FormerState:
    """Copies of what a run writes, in a folder of their own on the same disk.

    Large outputs are linked, which takes no space and no time: DVC and the stages replace such
    files, and never write into them. What DVC or git may write into is copied.

    Args:
        folder: where the copies lie.
        outputs: what a run writes, relative to the working folder, and whether it may be linked.
    """

    def __init__(self, folder: Path, outputs: dict[Path, bool]) -> None:
        self.folder, self.outputs = folder, outputs
        self.list_path = folder / "list.json"  # written last: with it the copies are complete

    @property
    def is_open(self) -> bool:
        """Whether a run was killed, and could not bring back what stood before it."""
        return self.list_path.is_file()

    def keep(self) -> None:
        """Set aside what there is now, in place of what an earlier run set aside."""
        try:
            self.forget()
            for path, can_link in self.outputs.items():
                if path.exists():
                    self._set_aside(path, _link if can_link else shutil.copy2)
        except OSError as error:
            what = f"cannot set the former results aside ({quote(error.strerror or error, 200)})"
            raise RunError(what, self.folder, "free space or mend the permissions") from error
        write_json(self.list_path, {str(path): path.exists() for path in self.outputs})

    def _set_aside(self, path: Path, copy: Callable[[Any, Any], object]) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():  # DVC removes the link, never what lies behind it
            target.symlink_to(path.readlink())
        elif path.is_dir():
            shutil.copytree(path, target, copy_function=copy)
        else:
            copy(path, target)

    def bring_back(self) -> None:
        """Put everything back as it was; may be killed and called again."""
        for name, there in self._read_list().items():
            kept_path = self.folder / name
            try:
                # one that is no longer kept was put back by an earlier call
                if not there or kept_path.exists() or kept_path.is_symlink():
                    self._put_back(Path(name), there)
            except OSError as error:
                what = f"cannot bring {name} back ({quote(error.strerror or error, 200)})"
                remedy = "mend the permissions and move the rest from there"
                raise RunError(what, self.folder, remedy) from error
        self.forget()

    def _put_back(self, path: Path, there: bool) -> None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        if there:
            path.parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).replace(path)

    def forget(self) -> None:
        """Remove the copies."""
        self.list_path.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read_list(self) -> dict[str, Any]:
        return read_json(self.list_path, "remove that folder")


def _link(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a disk without hard links, or another disk
        shutil.copy2(source, target)
