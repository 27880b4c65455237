"""What is printed: escaped, through one door, and no reason to end when nobody reads it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from closure import ROOT

from steelcli.common.progress import say

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
