"""What a failed run brings back."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelcli.commands.former_state import FormerState

OUTPUTS = {Path("params.yaml"): False, Path("models"): True, Path("metrics/train.json"): False}


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FormerState:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("former", encoding="utf-8")
    Path("models/deep").mkdir(parents=True)
    Path("models/deep/a.pth").write_bytes(b"former")
    return FormerState(Path(".steelcli/before"), OUTPUTS)


def break_everything() -> None:
    """Do what DVC and a failed stage do: write in place, remove, leave what was not there."""
    Path("params.yaml").write_text("new", encoding="utf-8")
    Path("models/deep/a.pth").unlink()
    Path("models/deep/b.pth").write_bytes(b"new")
    Path("metrics").mkdir(exist_ok=True)
    Path("metrics/train.json").write_text("new", encoding="utf-8")


def assert_former() -> None:
    assert Path("params.yaml").read_text(encoding="utf-8") == "former"
    assert {path.name: path.read_bytes() for path in Path("models/deep").iterdir()} == {
        "a.pth": b"former"
    }
    assert not Path("metrics/train.json").exists()
    assert not Path(".steelcli/before").exists()


def test_everything_comes_back(state: FormerState) -> None:
    state.keep()
    break_everything()
    state.bring_back()
    assert_former()


def test_a_link_comes_back_as_a_link(state: FormerState) -> None:
    Path("models").replace("elsewhere")
    Path("models").symlink_to("elsewhere")
    state.keep()
    Path("models").unlink()
    Path("models").mkdir()
    state.bring_back()
    assert Path("models").is_symlink()
    assert_former()


def test_large_outputs_are_linked_and_keep_their_identity(state: FormerState) -> None:
    before = Path("models/deep/a.pth").stat()
    state.keep()
    break_everything()
    state.bring_back()
    after = Path("models/deep/a.pth").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_disk_without_links_gets_copies(
    state: FormerState, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    state.keep()
    break_everything()
    state.bring_back()
    assert_former()


def test_a_run_is_open_until_its_results_are_kept_or_brought_back(state: FormerState) -> None:
    assert not state.is_open
    for end in (state.forget, state.bring_back):
        state.keep()
        assert state.is_open
        end()
        assert not state.is_open


def test_what_is_kept_anew_replaces_what_was_kept(state: FormerState) -> None:
    state.keep()
    Path("params.yaml").write_text("mended by hand", encoding="utf-8")
    state.keep()
    Path("params.yaml").write_text("new", encoding="utf-8")
    state.bring_back()
    assert Path("params.yaml").read_text(encoding="utf-8") == "mended by hand"


@pytest.mark.parametrize("moves", [0, 1])
def test_bringing_back_may_be_killed_and_begun_again(
    state: FormerState, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    state.keep()
    break_everything()
    replace, left = Path.replace, [moves]

    def killing(path: Path, target: Path) -> Path:
        if ".steelcli" in str(path) and not left[0]:
            raise KeyboardInterrupt
        left[0] -= ".steelcli" in str(path)
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killing)
        with pytest.raises(KeyboardInterrupt):
            state.bring_back()
    state.bring_back()
    assert_former()
