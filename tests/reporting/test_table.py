"""Formatted numbers, and tables in the terminal."""

from __future__ import annotations

import re

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
            assert any(re.match(pattern, line) for line in lines), row
    if columns == 80:
        sentences = {table.note for table in made.tables}
        assert max(len(line) for line in lines if line not in sentences) <= 80


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
