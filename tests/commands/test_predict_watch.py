"""New images are taken when they are whole, and what is said of all of them follows."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from make_params import data_params

from steelcli.commands import predict_loop, predict_watch
from steelcli.commands.predict import predict
from steelcli.commands.predict_files import list_images
from steelcli.commands.predict_watch import Watcher, watch_images
from steelcli.common.errors import DataError, Interrupted, UserError
from steelcli.common.problems import Problems
from steelcli.data.images.level_png import load_levels
from steelcli.training.signals import StopRequest

FILES = ("in/a.png", "in/notes.txt", "in/.b.png", "in/deep/er/c.TIF", "in/.git/d.png", "e.jpg")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (*FILES, "in/out/masks/a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def look(watcher: Watcher) -> list[str]:
    return list(watcher.look())


def test_a_file_is_whole_when_two_looks_agree(here: Path) -> None:
    watcher = Watcher(["in"], here / "in/out")
    assert look(watcher) == []
    assert look(watcher) == ["a.png", "deep/er/c.TIF"]
    assert look(watcher) == []
    for content in ("a", "ab", "abc"):
        (here / "in/new.png").write_text(content)
        assert look(watcher) == []
    assert look(watcher) == ["new.png"]
    os.utime(here / "in/a.png", ns=(1, 1))
    assert look(watcher) == []
    assert look(watcher) == ["a.png"]
    assert look(watcher) == []


@pytest.mark.parametrize(
    "paths",
    [
        *(["in"], ["in/"], ["."], ["in/notes.txt", "e.jpg"], ["in/**/*.png"], ["i*"]),
        *(["in", "in/deep"], ["in", "./in"]),
    ],
)
@pytest.mark.usefixtures("here")
def test_the_names_are_those_of_a_listing(paths: list[str]) -> None:
    watcher = Watcher(paths, Path("in/out"))
    watcher.look()
    assert watcher.look() == list_images(paths, Path("in/out"), Problems())


def test_two_images_of_one_name_are_problems_until_one_goes(here: Path) -> None:
    watcher = Watcher(["in", "no*thing.png"], here / "out")
    (here / "in/a.jpg").touch()
    watcher.look()
    assert not watcher.problems  # it may have been seen while it was renamed
    assert look(watcher) == ["deep/er/c.TIF", "out/masks/a.png"]
    assert [row.file for row in watcher.problems] == ["in/a.jpg", "in/a.png"]
    (here / "in/a.png").unlink()
    assert look(watcher) == ["a.jpg"]
    assert not watcher.problems


def test_a_folder_that_goes_and_comes_back(here: Path) -> None:
    watcher = Watcher(["in"], here / "in/out")
    (here / "in").rename("away")
    assert (look(watcher), look(watcher)) == ([], [])
    assert [row.what for row in watcher.problems] == ["no such file or folder"]
    (here / "away").rename("in")
    (here / "in/circle").symlink_to(here / "in")
    assert (look(watcher), look(watcher)) == ([], ["a.png", "deep/er/c.TIF"])


@pytest.mark.parametrize(
    ("path", "processes", "sentence"),
    [
        ("-", "1", "a list on stdin cannot be watched: --watch; name folders"),
        ("nowhere", "1", "no such file or folder: nowhere; correct"),
        ("out/new", "1", "all that out/new stands for lies in the output folder, .*: --out; name"),
        ("out", "1", "all that out stands for lies in the output folder"),
        ("out/*/a.png", "1", "all that .* stands for lies in the output folder"),
        ("in", "2", "one process alone looks for new images: --watch; start"),
    ],
)
def test_what_cannot_be_watched(
    here: Path, path: str, processes: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "out/new").mkdir(parents=True)
    monkeypatch.setenv("WORLD_SIZE", processes)
    with pytest.raises(UserError, match=sentence):
        Watcher([path], Path("out"))


def test_two_images_of_one_place_in_the_project(here: Path) -> None:
    (here / "in/img").mkdir()
    (here / "in/img/a.png").touch()
    watcher = Watcher(["in"], here / "in/out", in_project=True)
    assert (look(watcher), look(watcher)) == ([], ["deep/er/c.TIF"])
    assert [row.file for row in watcher.problems] == ["in/a.png", "in/img/a.png"]
    (here / "in/a.png").unlink()
    assert look(watcher) == ["img/a.png"]


def test_a_link_that_leads_to_itself_is_passed_over(here: Path) -> None:
    (here / "in/loop").symlink_to("loop")
    watcher = Watcher(["in"], here / "in/out")
    assert (look(watcher), look(watcher)) == ([], ["a.png", "deep/er/c.TIF"])


class Worked:
    """A watch in which 0.1 seconds pass for an image and 0.5 for the shared files."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.begun, self.images = 1000.0, 1000.0, 0
        self.published: list[tuple[int, int]] = []
        monkeypatch.setattr(predict_watch, "time", self)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def predict(self, images: dict[str, Path]) -> dict[str, DataError]:
        self.now += 0.1 * len(images)
        self.images += len(images)
        return {}

    def publish(self, _: object) -> dict[str, int]:
        self.published.append((round(self.now - self.begun), self.images))
        self.now += 0.5
        return {"images": self.images, "defect_images": 0}


def test_the_summary_follows_during_and_soon_after_a_long_backlog(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1000):
        (here / f"in/{number}.png").touch()
    watcher, worked, request = Watcher(["in"], here / "out"), Worked(monkeypatch), StopRequest()
    look_again = watcher.look

    def look() -> dict[str, Path]:
        late_path = here / "in/late.png"
        if worked.now > worked.begun + 130 and not late_path.exists():
            late_path.touch()
        if worked.now > worked.begun + 150:
            request.number = signal.SIGINT
        return look_again()

    monkeypatch.setattr(watcher, "look", look)
    with pytest.raises(Interrupted):
        watch_images(watcher, worked.predict, worked.publish, request, 100)
    times = [time for time, _ in worked.published]
    assert [images for _, images in worked.published[:4]] == [100, 500, 900, 1003]
    assert max(np.diff(times[:4])) < 45
    assert worked.published[4][1] == 1004
    assert 130 < times[4] < 140


class Watch:
    """A watch over ``in/``; see `run`."""

    def __init__(self, predict_dir: Path, work_dir: Path) -> None:
        self.predict_dir, self.in_dir, self.out_dir = predict_dir, work_dir / "in", work_dir / "out"
        self.originals = sorted((predict_dir / "in").iterdir())
        self.in_dir.mkdir()

    def add(self, *numbers: int, size: int | None = None) -> None:
        for number in numbers:
            raw = self.originals[number].read_bytes()[:size]
            (self.in_dir / f"{number}.jpg").write_bytes(raw)

    def predict(self, out_dir: Path, **options: Any) -> dict[str, int]:
        places = self.predict_dir / "models", self.predict_dir / "metrics" / "threshold.json"
        asked = [str(self.in_dir)], out_dir, ("masks", "maps"), 2, data_params(), None, None
        return predict(*asked, *places, **options)

    def run(self, monkeypatch: pytest.MonkeyPatch, steps: Iterator[None]) -> str:
        """Do a step before each look and end behind the last; return the last sentence."""

        def wait(_until: float, request: Any) -> None:
            if next(steps, self) is self:
                request.number = signal.SIGINT

        monkeypatch.setattr(predict_watch, "_wait", wait)
        monkeypatch.setattr(predict_watch, "_PUBLISH_SHARE", 0)
        with pytest.raises(Interrupted) as caught:
            self.predict(self.out_dir, watch=True)
        assert caught.value.exit_code == 130
        return str(caught.value)

    @property
    def told(self) -> tuple[list[str], list[str]]:
        """The images of the summary, and the problems."""
        tables = []
        for name, column in (("summary.csv", "image"), ("problems.csv", "file")):
            with (self.out_dir / name).open(newline="", encoding="utf-8") as file:
                tables.append([Path(row[column]).name for row in csv.DictReader(file)])
        return tables[0], tables[1]

    @property
    def masks(self) -> list[str]:
        return sorted(path.stem for path in (self.out_dir / "masks").iterdir())


@pytest.fixture
def watch(predict_dir: Path, tmp_path: Path) -> Watch:
    return Watch(predict_dir, tmp_path)


def test_new_images_and_the_summary_of_all(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def steps() -> Iterator[None]:
        watch.add(0, 1, 2)
        watch.add(3, size=3000)
        yield  # they are seen
        assert watch.told == ([], [])
        yield  # they are whole
        assert watch.masks == ["0", "1", "2"]
        yield  # nothing new
        assert watch.told == (["0.jpg", "1.jpg", "2.jpg"], ["3.jpg"])
        watch.add(3, 4)
        yield
        assert watch.masks == ["0", "1", "2"]
        yield
        assert watch.masks == ["0", "1", "2", "3", "4"]
        assert len(watch.told[0]) == 3  # it has not been quiet since
        yield
        assert watch.told == ([f"{number}.jpg" for number in range(5)], [])
        (watch.in_dir / "0.jpg").unlink()  # what was found stays
        watch.add(5)
        yield
        yield
        assert "5" in watch.masks
        assert "5.jpg" not in watch.told[0]

    sentence = watch.run(monkeypatch, steps())
    assert sentence.startswith("Interrupted: 6 images, ")
    assert watch.told == ([f"{number}.jpg" for number in range(6)], [])
    printed = capsys.readouterr().out
    assert printed.count("3.jpg; ") == 1
    assert [line.split(" ")[0] for line in printed.splitlines() if " with a defect" in line] == [
        *("0", "3", "5")
    ]
    watch.add(0)
    watch.predict(watch.out_dir.with_name("once"))
    for path in (watch.out_dir.with_name("once") / "maps").iterdir():
        levels = load_levels(path).astype(np.int64)
        difference = np.abs(levels - load_levels(watch.out_dir / "maps" / path.name))
        assert difference.max() <= 1  # other batches may round the last bit differently


def test_an_unreadable_file_that_clashes_too_is_listed_once(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def steps() -> Iterator[None]:
        watch.add(0, size=3000)
        yield
        yield
        shutil.copy(watch.originals[1], watch.in_dir / "0.png")
        yield
        yield

    watch.run(monkeypatch, steps())
    assert sorted(watch.told[1]) == ["0.jpg", "0.png"]


def test_an_image_that_goes_before_it_is_read_is_no_problem(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = predict_loop.plan_batches

    def planned(*arguments: Any) -> Any:
        batches = plan(*arguments)
        (watch.in_dir / "0.jpg").unlink(missing_ok=True)
        return batches

    monkeypatch.setattr("steelcli.commands.predict.plan_batches", planned)
    watch.add(0, 1)
    watch.run(monkeypatch, iter([None]))
    assert watch.told == (["1.jpg"], [])


def test_a_signal_ends_the_work_behind_a_batch(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch.add(*range(6))
    compute = predict_loop._compute

    def interrupted(*arguments: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return compute(*arguments)

    monkeypatch.setattr(predict_loop, "_compute", interrupted)
    with pytest.raises(Interrupted, match="the same command goes on") as caught:
        watch.predict(watch.out_dir)
    assert caught.value.exit_code == 143
    assert watch.masks == ["0", "1"]
    assert not list(watch.out_dir.glob("summary.*"))
    monkeypatch.undo()
    assert watch.predict(watch.out_dir)["images"] == 6


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """Wait for a file; end the process where it does not come."""
    deadline = time.monotonic() + 300
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"no {path.name}: {process.communicate()[1]}")
        time.sleep(0.02)


@pytest.mark.slow
def test_the_command_until_ctrl_c(predict_dir: Path, tmp_path: Path) -> None:
    for name in ("models", "metrics", "in"):
        shutil.copytree(predict_dir / name, tmp_path / name)
    shutil.copy(predict_dir / "params.yaml", tmp_path)
    first, *others = sorted((tmp_path / "in").iterdir())
    process = subprocess.Popen(
        [sys.executable, "-m", "steelcli", "predict", "in", "--watch", "--out", "out"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(tmp_path / "out/summary.csv", process)
    shutil.copytree(tmp_path / "in", tmp_path / "in/late")
    wait_for(tmp_path / "out/masks/late" / f"{first.stem}.png", process)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr.startswith("Interrupted: ")
    assert stderr.endswith("the same command goes on.\n")
    with (tmp_path / "out/summary.csv").open(newline="", encoding="utf-8") as file:
        told = {row["image"] for row in csv.DictReader(file)}
    masks = (tmp_path / "out/masks").rglob("*.png")
    assert {Path(name).with_suffix(".png").as_posix() for name in told} == {
        path.relative_to(tmp_path / "out/masks").as_posix() for path in masks
    }
    assert len(told) > len(others)
    assert not list((tmp_path / "out").rglob(".*"))
