"""What a hostile case is, how it is run through the command line, and what must hold afterwards."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from running import Outcome, run_apart, run_here


@dataclass(frozen=True)
class Case:
    """One way to be wrong.

    Attributes:
        name: of the test.
        command: arguments of ``steelcli``.
        spoil: makes a folder wrong in which every stage has run; it must write anew, never into a
            file (`put`).
        where: the file or dotted key that the sentence names.
        says: words of the cause and of the remedy.
        env: variables of the environment; ``{dir}`` stands for the folder.
    """

    name: str
    command: tuple[str, ...]
    spoil: Callable[[Path], None]
    where: str
    says: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


def copy_of_links(source: Path, target: Path) -> None:
    """Copy a folder without its bytes: each file is a hard link."""
    shutil.copytree(source, target, copy_function=lambda old, new: Path(new).hardlink_to(old))


def put(path: Path, content: bytes | str) -> None:
    """Write a file anew: the folder's files are hard links to those of the fixture."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def cut(path: Path, share: float) -> None:
    """Keep the first share of a file."""
    raw = path.read_bytes()
    put(path, raw[: int(len(raw) * share)])


def swap(path: Path, old: str, new: str | bytes) -> None:
    """Replace text that stands in a file once."""
    raw = path.read_bytes()
    assert raw.count(old.encode()) == 1, old
    put(path, raw.replace(old.encode(), new if isinstance(new, bytes) else new.encode()))


def mount_tiny(folder: Path, kibibytes: int) -> None:
    """Make a folder a disk of its own that is soon full."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip("mounting a small disk needs more rights")


def unmount(folder: Path) -> None:
    """Take away the disks that cases mounted below a folder."""
    lines = (
        Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
        if Path("/proc/mounts").exists()
        else []
    )
    for line in lines:
        point = line.split()[1]
        if point.startswith(f"{folder}/"):
            subprocess.run(["umount", point], check=True)


def fingerprint(folder: Path, whole: bool) -> dict[str, str]:
    """Describe every file and link below a folder, large files by their content only where
    ``whole`` is asked for."""
    seen = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            seen[name] = f"link to {path.readlink()}"
        elif path.is_dir():
            seen[name] = "folder"
        elif path.is_file() and (whole or path.stat().st_size < 2**20):
            seen[name] = hashlib.blake2b(path.read_bytes()).hexdigest()
        else:
            status = path.stat()
            seen[name] = f"{status.st_ino} {status.st_size} {status.st_mtime_ns}"
    return seen


def run_command(case: Case, work_dir: Path) -> Outcome:
    """Run the real command line in a process of its own."""
    inherited = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    env = {key: value.format(dir=work_dir, **inherited) for key, value in case.env.items()}
    return run_apart(work_dir, *case.command, env=env)


def run_main(
    case: Case, work_dir: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Outcome:
    """Run the command line in this process, in the case's surroundings."""
    from huggingface_hub import constants

    monkeypatch.setattr(
        constants, "HF_HUB_CACHE", str(work_dir / ".hub")
    )  # read at import, unlike HF_HOME below
    for key, value in case.env.items():
        monkeypatch.setenv(key, value.format(dir=work_dir, PYTHONPATH=""))
    if "PYTHONPATH" in case.env:  # the case puts a module before the installed one
        monkeypatch.setitem(sys.modules, "torchvision", None)
    return run_here(work_dir, capfd, monkeypatch, *case.command)


def assert_told(case: Case, outcome: Outcome) -> None:
    """Assert one sentence on stderr that names the place, the cause and the remedy, and exit code
    1."""
    assert outcome.code == 1, outcome.stderr[-2000:]
    assert re.fullmatch(r"Error: [^\n]+: [^\n]+; [^\n]+\.\n", outcome.stderr), outcome.stderr[
        -2000:
    ]
    assert "Traceback" not in outcome.stderr
    assert all(character.isprintable() for character in outcome.stderr[:-1])
    assert len(outcome.stderr) < 1500
    for words in (case.where, *case.says):
        assert words in outcome.stderr, (words, outcome.stderr)
