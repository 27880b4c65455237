"""A name that begins as a formula does is none in a csv, and comes back as it was."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from steelcli.common.csv_cells import protect, restore
from steelcli.common.inputs import read_columns
from steelcli.common.outputs import write_csv

NAMES = ["=1+1.png", "+a.png", "-a.png", "@a.png", "\ta", "'=a", "''@a", "'a", "a=b", ""]


@given(st.text("'=+-@\t\ra1", max_size=6))
@example("＝1")
def test_every_text_comes_back(text: str) -> None:
    assert restore(protect(text)) == text
    assert protect(text)[:1] not in tuple("=+-@\t\r＝")


def test_a_file_holds_no_formula_and_its_numbers_stay(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write_csv(path, [{"image": name, "gain": -0.5} for name in NAMES], ("image", "gain"))
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows][:4] == ["'=1+1.png", "'+a.png", "'-a.png", "'@a.png"]
    assert {row["gain"] for row in rows} == {"-0.5"}
    columns = read_columns(path.read_bytes(), ("image", "gain"))
    assert columns == {"image": NAMES, "gain": ["-0.5"] * len(NAMES)}


@pytest.mark.parametrize("cell", ["=a.png", "a.png", "-1.5"])
def test_a_table_of_an_older_version_reads_the_same(cell: str) -> None:
    assert read_columns(f"image\n{cell}\n".encode(), ("image",)) == {"image": [cell]}
