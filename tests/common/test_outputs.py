"""Outputs appear whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from without_rights import run_without_rights

from steelcli.common.errors import RunError
from steelcli.common.inputs import read_json
from steelcli.common.outputs import staged_dir, staged_file, write_csv, write_json, write_together


def test_a_folder_appears_whole_and_replaces_the_old_one(tmp_path: Path) -> None:
    final_dir = tmp_path / "a" / "out"
    for text in ("one", "two"):
        with staged_dir(final_dir) as partial_dir:
            (partial_dir / text).write_text(text, encoding="utf-8")
            assert not (final_dir / text).exists()
    assert [path.name for path in final_dir.iterdir()] == ["two"]
    assert [path.name for path in final_dir.parent.iterdir()] == ["out"]


def test_a_linked_folder_is_replaced_at_its_target(tmp_path: Path) -> None:
    (tmp_path / "disk" / "models").mkdir(parents=True)
    (tmp_path / "models").symlink_to(tmp_path / "disk" / "models")
    for text in ("one", "two"):
        with staged_dir(tmp_path / "models") as partial_dir:
            (partial_dir / text).touch()
    assert (tmp_path / "models").is_symlink()
    assert [path.name for path in (tmp_path / "disk" / "models").iterdir()] == ["two"]


def test_what_describes_the_old_folder_goes_with_it(tmp_path: Path) -> None:
    with staged_dir(tmp_path / "out"):
        pass
    stale_path = tmp_path / "out.json"
    stale_path.write_text("old", encoding="utf-8")
    files = {stale_path: ""}
    with staged_dir(tmp_path / "out", files):
        files[stale_path] = "new"
        assert stale_path.read_text(encoding="utf-8") == "old"
    assert stale_path.read_text(encoding="utf-8") == "new"


def interrupt(final_dir: Path) -> None:
    with staged_dir(final_dir) as partial_dir:
        (partial_dir / "new").touch()
        raise KeyboardInterrupt


def fill_the_disk(path: Path) -> None:
    with staged_file(path) as partial_path:
        partial_path.write_text("half", encoding="utf-8")
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_failing_block_leaves_the_old_folder(tmp_path: Path) -> None:
    final_dir = tmp_path / "out"
    with staged_dir(final_dir) as partial_dir:
        (partial_dir / "old").touch()
    with pytest.raises(KeyboardInterrupt):
        interrupt(final_dir)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "old"]


def test_what_a_killed_run_left_is_cleared(tmp_path: Path) -> None:
    stale_dir = tmp_path / ".out.partial"
    stale_dir.mkdir()
    (stale_dir / "half").touch()
    with staged_dir(tmp_path / "out"):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["out"]


def test_a_failing_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_json(path, {"a": 1})
    with pytest.raises(RunError, match="No space left") as caught:
        fill_the_disk(path)
    assert str(path) in str(caught.value)
    assert read_json(path, "") == {"a": 1}
    assert len(list(tmp_path.iterdir())) == 1


def test_files_that_belong_together_are_written_or_kept_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, metrics = tmp_path / "table.csv", tmp_path / "metrics.json"
    write_together({table: "old", metrics: "old"})
    write_text = Path.write_text

    def fill_up(path: Path, text: str, **options: str) -> int:
        if path.name.startswith(".metrics"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_text(path, text, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", fill_up)
        with pytest.raises(RunError, match=r"No space left.*metrics\.json"):
            write_together({table: "new", metrics: "new"})
    assert (table.read_text(), metrics.read_text()) == ("old", "old")
    assert len(list(tmp_path.iterdir())) == 2


def write_together_until(moves: int, act: Callable[[], None], folder: Path) -> tuple[Path, Path]:
    """Replace two files that belong together, and act instead of the move after ``moves``."""
    table, metrics = folder / "table.csv", folder / "metrics.json"
    write_together({table: "old", metrics: "old"})
    replace, done = Path.replace, []

    def move(path: Path, other: Path) -> Path:
        done.append(other)
        if len(done) == moves + 1:
            act()
        return replace(path, other)

    with pytest.MonkeyPatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(Path, "replace", move)
        write_together({table: "new", metrics: "new"})
    return table, metrics


@pytest.mark.parametrize("moves", range(4))
def test_what_fails_while_files_are_replaced_brings_the_old_ones_back(
    moves: int, tmp_path: Path
) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    table, metrics = write_together_until(moves, stop, tmp_path)
    assert (table.read_text(), metrics.read_text()) == ("old", "old")


@pytest.mark.parametrize("moves", range(1, 4))
def test_a_kill_while_files_are_replaced_leaves_no_mixture(moves: int, tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        write_together_until(moves, lambda: os.kill(os.getpid(), signal.SIGKILL), tmp_path)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert not (tmp_path / "metrics.json").exists()  # which stands for all


def test_metrics_are_finite(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "m.json", {"auprc": float("nan")})
    assert not list(tmp_path.iterdir())


def test_csv_cells_without_a_value_are_empty(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", [{"a": 1, "b": None}, {"a": float("nan")}], ("a", "b"))
    assert (tmp_path / "t.csv").read_text(encoding="utf-8") == "a,b\n1,\n,\n"


@pytest.mark.parametrize("text", [None, "{", "[1]"])
def test_a_bad_input_names_the_remedy(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "in.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match="run the stage") as caught:
        read_json(path, "run the stage")
    assert str(path) in str(caught.value)


def test_json_is_readable(tmp_path: Path) -> None:
    write_json(tmp_path / "m.json", {"group": {"x": 0.5}})
    assert json.loads((tmp_path / "m.json").read_text(encoding="utf-8")) == {"group": {"x": 0.5}}


def test_two_processes_cannot_fill_one_folder(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with staged_dir(target) as first:
        (first / "a").write_text("a")
        with (
            pytest.raises(RunError, match="another process is writing this folder"),
            staged_dir(target),
        ):
            raise AssertionError("two at once")
        (first / "b").write_text("b")
    assert sorted(path.name for path in target.iterdir()) == ["a", "b"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("failing", [".out.partial", "out"])
def test_a_replacement_that_fails_loses_nothing(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, metrics = tmp_path / "out", tmp_path / "metrics.json"
    target.mkdir()
    (target / "a").write_text("old")
    metrics.write_text("{}")
    replace = Path.replace

    def refuse(path: Path, other: Path) -> Path:
        if path.name == failing:
            raise OSError(errno.EBUSY, "Device or resource busy")
        return replace(path, other)

    monkeypatch.setattr(Path, "replace", refuse)
    with (
        pytest.raises(RunError, match="Device or resource busy"),
        staged_dir(target, {metrics: "new"}),
    ):
        pass
    assert (target / "a").read_text() == "old"
    assert [path.name for path in sorted(tmp_path.iterdir())][-1] == "out"
    assert metrics.read_text() == "{}"


TRY = """
from pathlib import Path
from steelcli.common.errors import RunError
from steelcli.common.outputs import refuse_unwritable, staged_dir, write_json
try:
    {}
except RunError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("refuse_unwritable([Path('models'), Path('metrics')])", "into: metrics; mend"),
        ("refuse_unwritable([Path('metrics/a/b')])", "into: metrics; mend"),
        ("refuse_unwritable([Path('new')])", "into: {folder}; mend"),
        ("write_json(Path('metrics/a.json'), {})", "a.json (Permission denied): metrics; mend"),
        ("write_json(Path('new/a.json'), {})", "new (Permission denied): {folder}; mend"),
        (
            "with staged_dir(Path('models/a'), {Path('metrics/a.json'): ''}): pass",
            "into: metrics; mend",
        ),
    ],
)
def test_the_folder_that_cannot_be_written_is_named(
    code: str, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "metrics").mkdir(0o555)
    tmp_path.chmod(0o555)
    told = run_without_rights(tmp_path, sys.executable, "-c", TRY.format(code)).stdout
    tmp_path.chmod(0o755)
    assert sentence.format(folder=tmp_path) in told
    assert told.count("\n") == 1


def test_a_folder_that_loses_its_rights_meanwhile_is_named(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "a.json").touch()

    replace = Path.replace

    def refuse(path: Path, other: Path) -> Path:
        if path.name == "a.json":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return replace(path, other)

    with (
        pytest.raises(RunError, match=r"cannot write a.json \(Permission denied\): .*/metrics;"),
        pytest.MonkeyPatch.context() as patch,
        staged_dir(tmp_path / "models" / "a", {tmp_path / "metrics" / "a.json": "{}"}),
    ):
        patch.setattr(Path, "replace", refuse)
