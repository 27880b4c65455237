"""The folder of the raw data: found, readable, of one format."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from walk import write_params
from without_rights import run_without_rights


@pytest.mark.parametrize(
    ("command", "root", "locked", "mode", "refused"),
    [
        (("prepare",), "raw", "raw", 0o000, "raw"),
        (("prepare",), "raw", "raw", 0o111, "raw"),
        (("check", "raw"), "raw", "raw", 0o000, "raw"),
        (("check", "up/raw"), "up/raw", "up", 0o000, "up/raw"),
    ],
)
def test_a_root_that_cannot_be_read_is_one_sentence(
    command: tuple[str, ...], root: str, locked: str, mode: int, refused: str, tmp_path: Path
) -> None:
    write_params(tmp_path, {"data": {"root": root}})
    (tmp_path / root / "images").mkdir(parents=True)
    (tmp_path / root / "masks").mkdir()
    (tmp_path / locked).chmod(mode)
    done = run_without_rights(tmp_path, sys.executable, "-m", "steelcli", *command)
    (tmp_path / locked).chmod(0o755)
    assert done.returncode == 1
    assert done.stderr == (
        f"Error: cannot read the raw data (Permission denied): {refused}; mend the permissions.\n"
    )
