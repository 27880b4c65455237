"""One way of asking git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from steelcli.common.git import code_revision


def git(*arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    done = subprocess.run(["git", *who, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_the_revision_says_whether_files_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert code_revision() == ""
    git("init", "-q")
    (tmp_path / "file").write_text("one", encoding="utf-8")
    git("add", "file")
    assert code_revision() == ""  # no commit yet
    git("commit", "-qm", "one")
    assert code_revision() == git("rev-parse", "HEAD")
    (tmp_path / "file").write_text("two", encoding="utf-8")
    assert code_revision() == git("rev-parse", "HEAD") + "+"
