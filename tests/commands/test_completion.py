"""A shell completes commands, options and the names that `compare` takes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from steelcli.commands.completion import complete_scored

GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@b.c")


def complete(folder: Path, line: str) -> list[str]:
    """Return what bash would offer for the last word of a line."""
    position = str(len(line.split(" ")) - 1)
    asked = {"_STEELCLI_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": position}
    return steelcli(folder, asked).splitlines()


def steelcli(folder: Path, surroundings: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "steelcli", *arguments],
        cwd=folder,
        env=os.environ | surroundings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_bash_completes_commands_options_and_names(tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    for name in ("test_images.csv", "twin_images.csv", "test.json"):
        (tmp_path / "metrics" / name).touch()
    assert complete(tmp_path, "steelcli tr") == ["train"]
    assert complete(tmp_path, "steelcli train --re") == ["--restart"]
    assert complete(tmp_path, "steelcli compare t") == ["test", "twin"]
    assert complete(tmp_path, "steelcli compare test tw") == ["twin"]
    assert complete(tmp_path, "steelcli train --params par") == [""]  # bash then offers files


def test_bash_itself_uses_the_script_that_is_shown(tmp_path: Path) -> None:
    script = steelcli(tmp_path, {"_STEELCLI_COMPLETE": "source_bash"})
    command = tmp_path / "steelcli"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m steelcli "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    lines = (
        script,
        "COMP_WORDS=(steelcli eval)",
        "COMP_CWORD=1",
        "_steelcli_completion steelcli",
        'echo "${COMPREPLY[@]}"',
        "complete -p steelcli",
    )
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)],
        env=os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[0] == "evaluate"
    assert done.stdout.splitlines()[1].endswith("-F _steelcli_completion steelcli")


def test_the_script_is_installed_for_the_command_whatever_called_it(tmp_path: Path) -> None:
    """`python -m steelcli` must not register itself, which would complete every `python`."""
    done = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' -m steelcli --install-completion; true"],
        env=os.environ | {"HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "bash completion installed" in done.stdout, done.stderr
    (script,) = (tmp_path / ".bash_completions").iterdir()
    assert script.name == "steelcli.sh"
    last = script.read_text(encoding="utf-8").strip().splitlines()[-1]
    assert last == "complete -o default -F _steelcli_completion steelcli"


def test_experiments_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert complete_scored("") == []
    for arguments in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "one"]):
        subprocess.run([*GIT, *arguments], check=True)
    for name in ("mine", "slower"):
        reference = f"refs/exps/ab/{'0' * 38}/{name}"
        subprocess.run([*GIT, "update-ref", reference, "HEAD"], check=True)
    assert complete_scored("") == ["mine", "slower"]
    assert complete_scored("m") == ["mine"]
