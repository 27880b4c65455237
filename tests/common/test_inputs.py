"""Reading files with bounds."""

from __future__ import annotations

import os
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
