"""The state of an unfinished training, so that the same command goes on after any kill.

    .steelcli/train/KEY/
        models/                      what becomes models/ at the end: checkpoints, csv, args.json
        state-EPOCH-STEP-DIGEST.pt   weights, optimiser, random numbers, position; DIGEST is the
                                     file's own SHA-256
        lock                         held while a training uses the folder

KEY stands for parameters, data, code and versions, so that no run takes another's state. The folder
is no DVC output, because DVC deletes outputs before a stage runs. It goes when the training ends.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from steelcli.common.errors import RunError
from steelcli.common.outputs import staged_file
from steelcli.common.paths import RESTART_TRAINING, STATES_VARIABLE
from steelcli.model.torch_file import load_values

MAX_OTHER_RUNS = 3
"""Unfinished runs kept beside the current one in the project; older ones are removed."""


class StateDir:
    """The folder of one unfinished run.

    Args:
        root: the folder of all unfinished runs.
        key: stands for everything the result depends on.
    """

    def __init__(self, root: Path, key: str) -> None:
        self.root, self.key, self.path = root, key, root / key
        self.models_dir = self.path / "models"

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Hold the folder for the block.

        Raises:
            RunError: another process holds it, or it cannot be made.
        """
        try:
            self.models_dir.mkdir(parents=True, exist_ok=True)
            if not os.environ.get(STATES_VARIABLE):
                self._forget_oldest()
            with FileLock(self.path / "lock", timeout=0):
                for path in self.path.glob(".*.partial"):  # of a run that was killed while saving
                    path.unlink()
                yield
        except Timeout as error:
            what = "another process is training this very run"
            raise RunError(what, self.path, "wait for it or stop it") from error
        except OSError as error:
            if error.errno is None:
                raise
            what = f"cannot write ({error.strerror})"
            raise RunError(what, self.path, "free space or mend the permissions") from error

    def save(self, state: dict[str, Any], epoch: int, step: int) -> None:
        """Write the state whole, then remove the older one.

        Args:
            state: tensors and plain types.
            epoch: the current epoch, 1-based.
            step: steps done in it.

        Raises:
            RunError: a full disk and the like; the older state stays.
        """
        buffer = io.BytesIO()  # torch.save to a full disk ends in errors of its own, not in OSError
        torch.save(state, buffer)
        older = self._states()
        path = self.path / f"state-{epoch:06d}-{step:08d}-{_digest(buffer.getbuffer())}.pt"
        with staged_file(path) as partial_path:
            partial_path.write_bytes(buffer.getbuffer())
        for old_path in older:
            if old_path != path:
                old_path.unlink()

    def load(self) -> dict[str, Any] | None:
        """Return the furthest state, or None where the run has not begun.

        Raises:
            RunError: the state is damaged; it is set aside until `clear`.
        """
        what = "the state of the interrupted training"
        damaged = sorted(self.path.glob("*.damaged"))
        if damaged:
            raise RunError(f"{what} was damaged", damaged[0], RESTART_TRAINING)
        states = self._states()
        if not states:
            return None
        newest = states[-1]
        if not newest.is_file():
            raise RunError(f"{what} is no file", newest, RESTART_TRAINING)
        if _digest(newest.read_bytes()) != newest.stem.rpartition("-")[2]:
            aside = newest.rename(newest.with_suffix(".damaged"))
            raise RunError(f"{what} is damaged and was set aside", aside, RESTART_TRAINING)
        state: dict[str, Any] = load_values(newest, what, RESTART_TRAINING, mmap=False)
        return state

    def clear(self) -> None:
        """Forget everything; the lock stays held."""
        for path in self.path.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != "lock":
                path.unlink()
        self.models_dir.mkdir()

    def remove(self) -> None:
        """Remove the folder: the training has ended and its results are in place."""
        shutil.rmtree(self.path)

    def _states(self) -> list[Path]:
        """Return the states, the furthest last: names sort by position, for a clock may jump."""
        return sorted(self.path.glob("state-*.pt"))

    def _forget_oldest(self) -> None:
        """Remove the runs that were used longest ago, all but MAX_OTHER_RUNS and this one."""
        folders = [path for path in self.root.iterdir() if path.is_dir() and not path.is_symlink()]
        others = [path for path in folders if path != self.path]
        for path in sorted(others, key=lambda other: other.stat().st_mtime)[:-MAX_OTHER_RUNS]:
            with suppress(Timeout), FileLock(path / "lock", timeout=0):  # held: a run in progress
                shutil.rmtree(path)


def _digest(raw: bytes | memoryview) -> str:
    return hashlib.sha256(raw).hexdigest()[:32]
