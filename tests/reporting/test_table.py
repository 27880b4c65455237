"""Formatted numbers, and tables in the terminal."""

from __future__ import annotations

import fcntl
import itertools
import os
import re
import struct
import subprocess
import sys
import termios

import pytest

from steelcli.reporting.page import Page
from steelcli.reporting.table import Table, format_number, show_tables


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (None, 4, "–"),
        (float("nan"), 4, "–"),
        (1234567, 4, "1,234,567"),
        (0.0, 4, "0.0000"),
        (0.00005, 4, "0.0001"),
        (0.00004, 4, "4.0e-05"),
        (-1e-9, 2, "-1.0e-09"),
        (9.99995, 4, "10.0000"),
        (1234.5678, 4, "1,234.57"),
        (1234.5678, 1, "1,234.6"),
        (True, 4, "True"),
        ("text", 4, "text"),
    ],
)
def test_numbers(value: object, decimals: int, text: str) -> None:
    assert format_number(value, decimals) == text


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("columns", [30, 80, 200])
def test_terminal_shows_all_numbers_and_names(
    made: Page, columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    show_tables(made.tables)
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert "…" not in out
    for table in made.tables:
        assert table.title in lines
        for row in table.rows:
            shown = [
                cell
                for cell, heading in zip(row, table.columns, strict=True)
                if heading != "meaning"
            ]
            pattern = " +".join(map(re.escape, shown)) + "( |$)"
            below = " +" + " +".join(map(re.escape, shown[1:])) + "( |$)"
            assert any(
                re.match(pattern, line) or (line == shown[0] and re.match(below, following))
                for line, following in itertools.pairwise(lines)
            ), row
    if columns == 80:
        assert max(map(len, lines)) <= 80


@pytest.mark.usefixtures("terminal")
def test_markup_in_names_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    show_tables([Table("[b]title[/b]", ("class",), (("[bold]rust[/x] :boom:",),), "[i]note[/i]")])
    out = capsys.readouterr().out
    for text in ("[b]title[/b]", "[bold]rust[/x] :boom:", "[i]note[/i]"):
        assert text in out


@pytest.mark.usefixtures("terminal")
def test_names_from_files_do_not_act_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "\x1b[2J\x9b1m\u202eb\nc\x07"
    shown = r"\x1b[2J\x9b1m\u202eb\nc\x07"
    show_tables([Table(hostile, ("metric", hostile), (("name", hostile),), hostile)])
    out = capsys.readouterr().out
    assert out.count(shown) == 4
    assert all(line.isprintable() for line in out.split("\n"))


def test_without_a_standard_output_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)  # as under `steelcli report >&-`
    show_tables([Table("title", ("class",), (("rust",),))])


NAME = "coil 7/strip_of_coil_20260711_line_3_camera_top_left_exposure_140us_0001.jpg"
LONG = Table("Images", ("image", "dice", "missed px"), ((NAME, "0.1234", "1,234"),), "a note " * 20)


@pytest.mark.usefixtures("terminal")
def test_a_long_name_has_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    show_tables([LONG])
    lines = capsys.readouterr().out.splitlines()
    place = lines.index(NAME)
    assert lines[place - 2] == "image     dice   missed px"
    assert lines[place + 1] == "        0.1234       1,234"
    assert max(map(len, lines)) <= 80
    assert lines[place + 2].startswith("a note a note")


@pytest.mark.usefixtures("terminal")
def test_a_word_of_prose_stays_whole(capsys: pytest.CaptureFixture[str]) -> None:
    path = "/data/" + "folder_" * 8
    show_tables(
        [Table("t", ("metric", "value", "meaning"), (("x" * 30, "1", f"see {path} there"),))]
    )
    assert path in capsys.readouterr().out


def test_a_pipe_gets_whole_lines_in_ascii(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    prose = Table("Prose", ("metric", "meaning"), (("dice", "word " * 60 + "end"),))
    show_tables([LONG, prose])
    out = capsys.readouterr().out
    assert out.isascii()
    assert "\x1b" not in out
    lines = out.splitlines()
    assert any(line.startswith(f"{NAME}   0.1234") for line in lines)
    assert ("a note " * 20).strip() in lines
    assert any(line.endswith(" word end") for line in lines)


def test_a_terminal_is_used_to_its_width() -> None:
    pty = pytest.importorskip("pty")
    code = (
        "from steelcli.reporting.table import Table, show_tables\n"
        "show_tables([Table('t', ('metric', 'meaning'), (('dice', 'word ' * 60),))])"
    )
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("COLUMNS", "LINES", "NO_COLOR")
    }
    for columns in (80, 150):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        command = [sys.executable, "-c", code]
        files = {"stdin": subprocess.DEVNULL, "stdout": theirs, "stderr": subprocess.DEVNULL}
        subprocess.run(command, **files, env=environment | {"TERM": "xterm"}, check=True)
        os.close(theirs)
        lines = os.read(ours, 100_000).decode().splitlines()
        os.close(ours)
        assert "\x1b[1m" in lines[0]
        longest = max(len(re.sub(r"\x1b\[[\d;]*m", "", line).rstrip()) for line in lines)
        assert columns - 10 < longest <= columns
