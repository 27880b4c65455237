"""What paths stand for, and what their images are called."""

from __future__ import annotations

import io
import sys
import unicodedata
from pathlib import Path

import pytest
from without_rights import run_without_rights

from steelcli.commands.predict_files import list_images, output_key, supervisely_paths
from steelcli.commands.predict_image import png_paths
from steelcli.common.problems import Problems

FILES = ("in/a.png", "in/b.JPG", "in/notes.txt", "in/.hidden.png", "in/deep/er/c.tif", "d[1].bmp")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*paths: str, out: str = "out") -> list[str]:
    problems = Problems()
    images = list_images(paths, Path(out), problems)
    assert not problems.rows
    assert all(path.is_file() for path in images.values())
    return list(images)


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["in"], ["a.png", "b.JPG", "deep/er/c.tif"]),
        (["in/"], ["a.png", "b.JPG", "deep/er/c.tif"]),
        (["."], ["d[1].bmp", "in/a.png", "in/b.JPG", "in/deep/er/c.tif"]),
        (["in/a.png", "in/deep/er/c.tif"], ["a.png", "c.tif"]),
        (["in/notes.txt"], ["notes.txt"]),  # the content tells what it is
        (["d[1].bmp"], ["d[1].bmp"]),  # a file before a pattern
        (["in/*.[pJ]*"], ["a.png", "b.JPG"]),
        (["in/**/*.tif"], ["deep/er/c.tif"]),
        (["*/deep"], ["in/deep/er/c.tif"]),
        (["in/a.png", "in/a*.png"], ["a.png"]),
    ],
)
@pytest.mark.usefixtures("here")
def test_paths_and_their_names(paths: list[str], expected: list[str]) -> None:
    assert names(*paths) == expected


def test_absolute_paths(here: Path) -> None:
    assert names(str(here / "in")) == names("in")
    assert names(f"{here}/in/**/*.tif") == ["deep/er/c.tif"]


@pytest.mark.usefixtures("here")
def test_a_list_on_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO(b"in/a.png\r\n\nin/deep\n")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(raw))
    assert names("-", "d[1].bmp") == ["a.png", "d[1].bmp", "er/c.tif"]


def test_the_output_is_no_input(here: Path) -> None:
    (here / "in/out/masks").mkdir(parents=True)
    (here / "in/out/masks/a.png").touch()
    (here / "link").symlink_to("in")
    assert (
        names("in", out="in/out") == names("link", out="in/out") == ["a.png", "b.JPG", FILES[4][3:]]
    )


@pytest.mark.parametrize("name", ["a.b.PNG", ".png", "a.", "a", "Ä.png", "x/img/y.d/é.tif"])
@pytest.mark.parametrize("folder", ["", "line/", "img/", "line/datasets/late/"])
def test_images_of_one_output_have_one_key(folder: str, name: str) -> None:
    image = folder + name
    output = png_paths(Path(), ["masks"], image)["masks"].relative_to("masks").as_posix()
    assert output_key(image, False) == output_key(output, False)
    assert output_key(image, False) != output_key(f"other/{image}", False)
    place = supervisely_paths(image)[0].as_posix()
    assert output_key(image, True) == output_key(place, True)
    decomposed = unicodedata.normalize("NFD", folder + name.swapcase())
    assert output_key(image, False) == output_key(decomposed, False)


@pytest.mark.usefixtures("here")
def test_no_name_leads_out_of_the_output_folder() -> None:
    problems = Problems()
    assert list_images(["in/deep/e*/../../../d*.bmp"], Path("out"), problems) == {}
    assert [row.remedy for row in problems.rows] == ["leave .. out of the pattern"]


@pytest.mark.usefixtures("here")
def test_images_of_one_name_are_all_problems() -> None:
    for name in ("in/a.jpg", "other/A.png"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    problems = Problems()
    images = list_images(["in", "other/A.png"], Path("out"), problems)
    assert list(images) == ["b.JPG", "deep/er/c.tif"]
    assert {row.file for row in problems.rows} == {"in/a.png", "in/a.jpg", "other/A.png"}
    assert {row.what for row in problems.rows} == {
        "two images share one name but for the suffix, case or Unicode form"
    }


def test_what_is_not_there_is_a_problem(here: Path) -> None:
    (here / f"in/{'x' * 210}.png").touch()
    (here / "in/e.gif").touch()
    (here / "loop.png").symlink_to("loop.png")
    problems = Problems()
    paths = ["in", "nowhere", "no*thing", "y" * 5000, "in/a\u202e.png", "loop.png"]
    (here / "in/a\u202e.png").touch()
    images = list_images(paths, Path("out"), problems)
    assert list(images) == ["a.png", "b.JPG", "deep/er/c.tif", "loop.png"]
    whats = [row.what for row in problems.rows]
    assert whats.count("no such file or folder") == 3
    assert "images of type .gif are not read" in whats
    assert len(whats) == 7


LIST = """
from pathlib import Path
from steelcli.commands.predict_files import list_images
from steelcli.common.problems import Problems
problems = Problems()
print(*list_images(["in", "d[1].bmp"], Path("out"), problems))
print(len(problems.rows), problems.rows[0].file)
"""


def test_a_folder_without_rights_leaves_out_its_own_images_alone(here: Path) -> None:
    (here / "in/deep").chmod(0)
    try:
        done = run_without_rights(here, sys.executable, "-c", LIST)
    finally:
        (here / "in/deep").chmod(0o700)
    assert done.stdout == "a.png b.JPG d[1].bmp\n1 in/deep\n", done.stderr
