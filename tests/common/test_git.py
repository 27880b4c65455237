"""One way of asking git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from clone import forget_identity

from steelcli.common.git import code_revision, has_identity


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


@pytest.mark.parametrize(
    ("variables", "settings", "expected"),
    [
        ([], [], False),
        ([], ["name", "email"], True),
        (["NAME", "EMAIL"], [], True),
        ([], ["name"], False),
        (["EMAIL"], ["name"], False),  # DVC takes both from one place
    ],
)
def test_an_identity_is_a_name_and_an_address(
    variables: list[str],
    settings: list[str],
    expected: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    forget_identity(monkeypatch, tmp_path)
    monkeypatch.setenv("EMAIL", "a@b.c")  # git takes it, DVC does not
    git("init", "-q")
    for name in settings:
        git("config", f"user.{name}", "a@b.c")
    for name in variables:
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", "a@b.c")
    assert has_identity() == expected
