"""Reading files with bounds."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from steelcli.common.inputs import read_bytes, read_columns


def test_only_a_regular_file_within_its_bound_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"1234")
    assert read_bytes(path, 4) == b"1234"
    assert read_bytes(path, None) == b"1234"
    with pytest.raises(OSError, match="larger than 3 bytes"):
        read_bytes(path, 3)
    with pytest.raises(IsADirectoryError, match="no regular file"):
        read_bytes(tmp_path, None)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no regular file: it is a pipe"):
        read_bytes(tmp_path / "pipe", None)


def test_columns_of_a_csv_are_text_and_a_short_row_is_empty() -> None:
    assert read_columns(b"a,b\r\n1,2\r\n3\r\n", ("b", "a")) == {"b": ["2", ""], "a": ["1", "3"]}
    with pytest.raises(KeyError, match="c"):
        read_columns(b"a,b\n1,2\n", ("a", "c"))
    for long in (b"a,b\n1,2,3\n", b"a,b\n1,2\n1,2,3\n"):
        with pytest.raises(ValueError, match="Expected 2 fields"):
            read_columns(long, ("a", "b"))
    with pytest.raises(ValueError, match="utf-8"):
        read_columns(b"a\n\xff\n", ("a",))
    with pytest.raises(ValueError, match="No columns"):
        read_columns(b"", ("a",))


def test_a_large_table_is_read_about_as_fast_as_by_the_csv_module() -> None:
    """Transposing the text, 20 MB took 10 s, thirteen times as long."""
    head = "image,tp,fp,fn,iou,dice\n"
    raw = (head + "a/b.jpg,123,456,789,0.123456789,0.987654321\n" * 50_000).encode()

    def seconds(work: Callable[[], object]) -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    read_columns(raw[:100], ["tp"])  # imports pandas
    ours = min(seconds(lambda: read_columns(raw, ["image", "tp", "dice"])) for _ in range(3))
    plain = min(seconds(lambda: list(csv.reader(io.StringIO(raw.decode())))) for _ in range(3))
    assert ours < 5 * plain


def test_a_head_of_endless_columns_is_refused_at_once() -> None:
    """pandas took a minute for half a million of them."""
    with pytest.raises(ValueError, match="more than 1,000 columns"):
        read_columns(b"tp" + b",x" * 500_000 + b"\n1\n", ["tp"])
    assert read_columns(b"tp" + b",x" * 999 + b"\n1\n", ["tp"])["tp"] == ["1"]


def test_an_optional_column_may_be_missing() -> None:
    assert read_columns(b"tp\n1\n", ["tp"], ["detected"]) == {"tp": ["1"]}
    assert read_columns(b"detected,tp\n0,1\n", ["tp"], ["detected"])["detected"] == ["0"]
