"""The folder of predictions: what made it, what is finished, what a kill leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelcli.commands.predict_folder import open_folder, open_part
from steelcli.common.errors import RunError

MADE_BY = {"run_key": "ab", "threshold": 0.5, "value_range": None}


def rows(folder: Path) -> list[dict[str, object]]:
    with open_folder(folder, MADE_BY) as opened:
        return list(opened.iter_rows())


def fill(folder: Path, *images: str) -> None:
    with open_folder(folder, MADE_BY) as opened:
        for number, image in enumerate(images):
            opened.add({"image": image, "number": number})


def test_rows_come_back_by_name_the_last_of_each(tmp_path: Path) -> None:
    fill(tmp_path, "b", "a", "ü\n", "b")
    assert [(row["image"], row["number"]) for row in rows(tmp_path)] == [
        ("a", 1),
        ("b", 3),
        ("ü\n", 2),
    ]


def test_a_line_cut_off_anywhere_is_written_again(tmp_path: Path) -> None:
    fill(tmp_path / "whole", "a", "b")
    whole = (tmp_path / "whole" / "images.jsonl").read_bytes()
    for length in range(len(whole)):
        folder = tmp_path / str(length)
        folder.mkdir()
        (folder / "images.jsonl").write_bytes(whole[:length])
        with open_folder(folder, MADE_BY) as opened:
            for number, image in enumerate("ab"):
                if opened.find(image) is None:
                    opened.add({"image": image, "number": number})
        assert (folder / "images.jsonl").read_bytes() == whole


def test_what_a_kill_leaves_of_a_file_is_removed(tmp_path: Path) -> None:
    fill(tmp_path, "a")
    partial_path = tmp_path / "masks" / "deep" / ".a.png.12.partial"
    partial_path.parent.mkdir(parents=True)
    partial_path.touch()
    assert len(rows(tmp_path)) == 1
    assert not partial_path.exists()


def test_a_folder_of_another_model_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, "a")
    before = (tmp_path / "images.jsonl").read_bytes()
    message = r"made with another run_key, threshold: .*; name another --out, or remove"
    with (
        pytest.raises(RunError, match=message),
        open_folder(tmp_path, MADE_BY | {"run_key": "cd", "threshold": 0.25}),
    ):
        pass
    assert (tmp_path / "images.jsonl").read_bytes() == before


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(RunError, match="predict did not make it"):
        fill(tmp_path, "a")
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


def test_two_processes_cannot_fill_one_folder(tmp_path: Path) -> None:
    with (
        open_folder(tmp_path, MADE_BY),
        pytest.raises(RunError, match="another process is writing"),
        open_folder(tmp_path, MADE_BY),
    ):
        pass


@pytest.mark.parametrize("line", [b"{]\n", b"[]\n", b"\xff\n"])
def test_a_journal_changed_by_hand_is_refused(tmp_path: Path, line: bytes) -> None:
    fill(tmp_path, "a")
    with (tmp_path / "images.jsonl").open("ab") as file:
        file.write(line)
    with pytest.raises(RunError, match="changed by hand"):
        rows(tmp_path)


def test_what_other_processes_noted_is_taken_over_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    fill(tmp_path, "a", "c")
    for _ in range(2):  # the second time as after a kill before the part was removed
        with open_part(tmp_path) as part:
            part.add({"image": "c", "number": 1})
            part.add({"image": "b", "number": 7})
        part_path = tmp_path / "images.1.jsonl"
        with part_path.open("ab") as file:
            file.write(b'{"image": "d", "num')
        with open_folder(tmp_path, MADE_BY) as opened:
            assert [row["image"] for row in opened.iter_rows()] == ["a", "b", "c"]
            assert opened.find("b") == {"image": "b", "number": 7}
        assert [path.name for path in tmp_path.iterdir()] == ["images.jsonl"]
    assert (tmp_path / "images.jsonl").read_bytes().count(b"\n") == 4


def test_a_process_that_outlives_the_first_one_keeps_others_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    fill(tmp_path, "a")
    with open_part(tmp_path):
        with pytest.raises(RunError, match="another process is writing"):
            fill(tmp_path, "b")
        with pytest.raises(RunError, match="another process is writing"):
            fill(tmp_path, "b")
    fill(tmp_path, "b")
    assert not list(tmp_path.glob(".*"))


def test_what_is_forgotten_does_not_come_back_unless_restored(tmp_path: Path) -> None:
    fill(tmp_path, "a.png", "b.png")
    with open_folder(tmp_path, MADE_BY) as opened:
        former = opened.forget("A.jpg")
        assert former
        assert former[0] == "a.png"
        assert opened.forget("a.png") is None
    assert [row["image"] for row in rows(tmp_path)] == ["b.png"]
    with open_folder(tmp_path, MADE_BY) as opened:
        opened.restore(*former)
    fill(tmp_path, "B.jpg")
    assert [row["image"] for row in rows(tmp_path)] == ["B.jpg", "a.png"]
    with open_folder(tmp_path, MADE_BY) as opened:
        opened.restore(*former)
        assert opened.find("b.png") is None
        assert opened.find("a.png") == {"image": "a.png", "number": 0}


def test_a_folder_that_knows_more_of_its_maker_is_refused(tmp_path: Path) -> None:
    with open_folder(tmp_path, MADE_BY | {"flip": True}):
        pass
    (tmp_path / ".b.partial").touch()
    with pytest.raises(RunError, match="made with another flip: "):
        rows(tmp_path)
    assert (tmp_path / ".b.partial").exists()  # it may be somebody else's
    with open_folder(tmp_path, MADE_BY | {"flip": True, "mm": None}):
        assert not (tmp_path / ".b.partial").exists()
