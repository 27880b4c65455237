"""Finding the images of a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelcli.common.errors import DataError
from steelcli.common.problems import Problems
from steelcli.data.images.find import iter_images, refuse_folders


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


def test_a_folder_reached_by_two_ways_counts_once_and_is_told(tmp_path: Path) -> None:
    for name in ("a/1.png", "c/2.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "a/loop").symlink_to("..")
    problems = Problems()
    found = list(iter_images(tmp_path, recursive=True, problems=problems))
    assert [path.name for path in found] == ["1.png", "2.png"]
    (row,) = problems.rows
    assert row.what == "a folder is reached by two ways"
    assert row.image is None
    with pytest.raises(DataError, match="two ways"):
        list(iter_images(tmp_path, recursive=True))


def test_looking_for_folders_of_images_goes_on_after_one_reached_by_two_ways(
    tmp_path: Path,
) -> None:
    for name in ("a/notes.txt", "c/2.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    (tmp_path / "b").symlink_to("a")
    problems = Problems()
    refuse_folders(tmp_path, problems)
    places = [(Path(row.file).name, row.what) for row in problems.rows]
    assert places == [
        ("b", "a folder is reached by two ways"),
        ("c", "images in a folder inside the folder of images are not read"),
    ]
