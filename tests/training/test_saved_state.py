"""The folder of a state: whole after a full disk, one process a run, old ones pruned."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from steelcli.common.errors import RunError
from steelcli.training.saved_state import MAX_OTHER_RUNS, StateDir


def test_a_full_disk_leaves_the_older_state_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state_dir = StateDir(tmp_path, "key")
    with state_dir.claim():
        state_dir.save({"value": torch.ones(3)}, 1, 1)

        def full(*_: Any) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_bytes", full)
            with pytest.raises(RunError, match="No space left on device"):
                state_dir.save({"value": torch.zeros(3)}, 1, 2)
        found = state_dir.load()
        assert found is not None
        assert torch.equal(found["value"], torch.ones(3))


def test_the_furthest_state_counts_whatever_the_clock_says(tmp_path: Path) -> None:
    state_dir = StateDir(tmp_path, "key")
    with state_dir.claim():
        state_dir.save({"value": 1}, 2, 9)
        (first,) = state_dir.path.glob("state-*.pt")
        copy = first.read_bytes()
        state_dir.save({"value": 2}, 10, 0)
        assert not first.exists()
        first.write_bytes(copy)  # killed before the older one was removed
        (newest,) = (path for path in state_dir.path.glob("state-*.pt") if path != first)
        os.utime(newest, (0, 0))
        assert state_dir.load() == {"value": 2}


def test_two_processes_cannot_train_the_same_run(tmp_path: Path) -> None:
    with StateDir(tmp_path, "key").claim():
        second = StateDir(tmp_path, "key").claim()
        with pytest.raises(RunError, match="another process is training this very run"):
            second.__enter__()
        with StateDir(tmp_path, "another").claim():
            pass


def test_old_states_are_pruned(tmp_path: Path) -> None:
    for age in range(MAX_OTHER_RUNS + 3):
        (tmp_path / f"old{age}").mkdir(parents=True)
        os.utime(tmp_path / f"old{age}", (1000 - age, 1000 - age))
    with StateDir(tmp_path, "new").claim():
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "new",
        *(f"old{age}" for age in range(MAX_OTHER_RUNS)),
    ]


def test_states_in_a_folder_that_runs_share_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEELCLI_STATE_DIR", str(tmp_path))
    for age in range(MAX_OTHER_RUNS + 3):
        (tmp_path / f"old{age}").mkdir()
    with StateDir(tmp_path, "new").claim():
        pass
    assert len(list(tmp_path.iterdir())) == MAX_OTHER_RUNS + 4
