"""A git repository with the working tree's files, for tests that need DVC."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from closure import ROOT

SUPPORT = ROOT / "tests" / "support"
_WHO = ("GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "GIT_CONFIG_GLOBAL", "XDG_CONFIG_HOME")


def forget_identity(monkeypatch: pytest.MonkeyPatch, home_dir: Path) -> None:
    """Let git and DVC find no name of the person who runs the tests."""
    monkeypatch.setenv("HOME", str(home_dir))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in _WHO:
        monkeypatch.delenv(name, raising=False)


class Clone:
    """A git repository with the working tree's files, run with this environment's commands."""

    def __init__(self, clone_dir: Path) -> None:
        self.clone_dir = clone_dir
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file():
                target = clone_dir / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, target)
        self.env = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(clone_dir),
            "DVC_NO_ANALYTICS": "1",
            "NO_ALBUMENTATIONS_UPDATE": "1",
        }
        self("git", "init", "-q")
        self("git", "config", "user.name", "Test")
        self("git", "config", "user.email", "test@example.org")
        self("git", "add", "-A")
        self("git", "commit", "-qm", "Start")

    def __call__(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=self.clone_dir, env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def fail(self, *command: str) -> str:
        """Run a command that has to fail in a sentence; return what it says."""
        done = subprocess.run(
            command, cwd=self.clone_dir, env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode, f"{' '.join(command)}\n{done.stdout}"
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    @contextmanager
    def forked_stages(self, folder: Path) -> Iterator[None]:
        """Let DVC's stages be forked from a process that has imported the clone's code.

        Args:
            folder: an empty one for what this needs.
        """
        calls, answers, python = (folder / name for name in ("calls", "answers", "python"))
        os.mkfifo(calls)
        os.mkfifo(answers)
        words = (sys.executable, "-SE", SUPPORT / "forked_stage.py", calls, answers)
        line = f'exec {" ".join(shlex.quote(str(word)) for word in words)} "$@"'
        python.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        python.chmod(0o755)
        own = self.env
        # the server goes on while a writer has its calls open
        with calls.open("r+b", buffering=0):
            with calls.open("rb") as stdin, answers.open("r+b", buffering=0) as stdout:
                server = subprocess.Popen(
                    [sys.executable, SUPPORT / "forking_server.py"],
                    cwd=self.clone_dir,
                    env=own,
                    stdin=stdin,
                    stdout=stdout,
                    start_new_session=True,
                )
            self.env = own | {"PATH": f"{folder}{os.pathsep}{own['PATH']}"}
            try:
                yield
            finally:
                self.env = own
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()

    def draw_fewer_images(self) -> None:
        """Let the embedded data be 40 images."""
        stage_path = self.clone_dir / "data" / "synthetic" / "dvc.yaml"
        text = stage_path.read_text(encoding="utf-8")
        assert "--images 400" in text
        stage_path.write_text(text.replace("--images 400", "--images 40"), encoding="utf-8")
        self("git", "commit", "-qam", "Draw fewer images")
