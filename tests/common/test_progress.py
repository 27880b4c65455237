"""What is printed: escaped, through one door, and no reason to end when nobody reads it."""

from __future__ import annotations

import ast
import os
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest
from closure import ROOT

from steelcli.common import progress
from steelcli.common.progress import say, track

PRINTERS = {"print", "echo", "secho", "Console"}
"""What prints; `sys.exit` with a sentence is the door of errors, whose text `UserError` escapes."""
DOORS = {
    "commands/usage.py": {"print"},
    "common/progress.py": {"print", "Console"},
    "reporting/table.py": {"print", "Console"},
}
WORK = """
import pathlib, time
from steelcli.common.errors import RunError
from steelcli.common.progress import say
try:
    for number in range(3):
        say(f"line {number}")
        time.sleep(0.1)
except RunError as error:
    pathlib.Path("told").write_text(str(error))
pathlib.Path("done").write_text("")
"""


@pytest.mark.parametrize(
    "hostile", ["\x1b[31mred", "\x9b31m", "\u202egnp.a", "a\nError: b", "\x07", "\r", "\udc80"]
)
def test_a_line_is_printed_without_what_acts_on_a_terminal(
    hostile: str, capsys: pytest.CaptureFixture[str]
) -> None:
    say(f"model {hostile}, ü 钢 [b]")
    out = capsys.readouterr().out
    assert out[-1] == "\n"
    assert out[:-1].isprintable()
    assert out.endswith(", ü 钢 [b]\n")


def test_only_the_doors_print() -> None:
    for path in sorted((ROOT / "steelcli").rglob("*.py")):
        used = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                used.add(ast.unparse(node.func).rpartition(".")[2])
        name = path.relative_to(ROOT / "steelcli").as_posix()
        assert used & PRINTERS == DOORS.get(name, set()), name


def test_work_goes_on_where_the_reader_went_away(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WORK]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == b"line 0\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["done"]


def test_a_full_disk_behind_the_output_is_told(tmp_path: Path) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        command = [sys.executable, "-c", WORK]
        done = subprocess.run(command, cwd=tmp_path, stdout=full, stderr=-1, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "told").read_text(encoding="utf-8") == (
        "cannot print (No space left on device): standard output; free space or print elsewhere."
    )


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)

    def work(self, items: int, seconds: float) -> list[int]:
        done = []
        for item in track(iter(range(items)), "images", items):
            self.now += seconds
            done.append(item)
        return done


def test_long_work_without_a_terminal_tells_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock(monkeypatch)
    assert clock.work(1200, 0.0625) == list(range(1200))
    assert clock.work(3, 40) == [0, 1, 2]
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.splitlines() == [
        "images: 480 of 1200, 16.0/s, 0:00:45 left",
        "images: 960 of 1200, 16.0/s, 0:00:15 left",
        "images: 1 of 3, 40.0 s each, 0:01:20 left",
        "images: 2 of 3, 40.0 s each, 0:00:40 left",
    ]


def test_short_work_and_other_processes_say_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock(monkeypatch)
    clock.work(29, 1)
    monkeypatch.setenv("RANK", "1")
    clock.work(3, 40)
    assert capsys.readouterr().out == ""


def test_a_terminal_shows_count_and_rate_of_the_first_process() -> None:
    pty = pytest.importorskip("pty")
    work = (
        "import time; from steelcli.common.progress import track\n"
        "for item in track(range(8), 'images', 8): time.sleep(0.1)"
    )
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    for rank in ("1", "0"):
        ranked = environment | {"RANK": rank}
        subprocess.run([sys.executable, "-c", work], stderr=theirs, env=ranked, check=True)
        is_shown = bool(select.select([ours], [], [], 0)[0])
        assert is_shown == (rank == "0")
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert "8/8" in shown
    assert re.search(r"\d\.\d(/s| s each) ", shown)
