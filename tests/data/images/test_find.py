"""Finding the images of a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelcli.common.errors import DataError
from steelcli.data.images.find import iter_images


def test_images_of_a_folder_are_sorted(tmp_path: Path) -> None:
    for name in (
        "b.PNG",
        "a.jpg",
        ".hidden.png",
        "notes.txt",
        "sub/c.tiff",
        ".git/d.png",
        "e.png/x.txt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in iter_images(tmp_path)] == ["a.jpg", "b.PNG"]
    assert [path.name for path in iter_images(tmp_path, recursive=True)] == [
        "a.jpg",
        "b.PNG",
        "c.tiff",
    ]


def test_unread_image_type_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.gif").touch()
    with pytest.raises(DataError, match=r"a\.gif; convert"):
        list(iter_images(tmp_path))
