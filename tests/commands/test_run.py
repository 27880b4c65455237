"""`steelcli run`: what is refused before DVC is called, and what is brought back after it failed.

The real DVC runs in tests/project/test_own_data.py.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from clone import Clone, forget_identity
from filelock import FileLock

from steelcli.commands import run as module
from steelcli.commands.run import run
from steelcli.common.errors import RunError, UserError

Calls = list[list[str]]
ROOT_HERE = ["-S", "data.root=."]


@pytest.fixture(scope="module")
def clone_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Clone(tmp_path_factory.mktemp("clone")).clone_dir


@pytest.fixture
def calls(clone_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """The arguments that DVC is called with, in a clone."""
    monkeypatch.chdir(clone_dir)
    found: Calls = []

    def call(arguments: Sequence[str]) -> int:
        found.append(list(arguments))
        return 0

    monkeypatch.setattr(module, "_call_dvc", call)
    return found


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train.lr=fast"], ["train.lr", "fast"]),
        (["train.batchsize=4"], ["train.batchsize", "did you mean batch_size"]),
        (["+train.foo=1"], ["train.foo", "unknown"]),
        (["~train.lr"], ["train.lr", "missing"]),
        (["data=3"], ["data", "3"]),
        (["train.lr=1e-4", "data.image_size=[100,64]"], ["data.image_size.0", "96 and 128"]),
        (["train.lr=0,1"], ["train.lr=0,1", "decimal point"]),
        (["train.lr"], ["train.lr", "key=value"]),
        (["report.title=Blech Größe"], ["report.title", "key='value'"]),
        (["report.title='${x}'"], ["report.title"]),
        (["data.root=/nowhere/raw"], ["/nowhere/raw", "data.root"]),
    ],
    ids=lambda value: str(value[0]),
)
def test_a_slip_is_refused_and_nothing_is_touched(
    calls: Calls, arguments: list[str], says: list[str]
) -> None:
    before = Path("params.yaml").read_bytes()
    with pytest.raises(UserError) as caught:
        run([word for text in arguments for word in ("-S", text)])
    for words in says:
        assert words in str(caught.value)
    assert not calls
    assert Path("params.yaml").read_bytes() == before


def test_a_mapping_that_dvc_would_add_to_is_refused(calls: Calls) -> None:
    before = Path("params.yaml").read_text(encoding="utf-8")
    held = before.replace("mask_values:", "mask_values: {pits: 1, cracks: 2}", 2)
    assert held.count("{pits: 1, cracks: 2}") > before.count("{pits: 1, cracks: 2}")
    Path("params.yaml").write_text(held.replace("# mask_values: {pits: 1, cracks: 2}", "#"))
    try:
        with pytest.raises(UserError, match=r"add to.*; give -S data.mask_values=null before it"):
            run(["-S", "data.mask_values={pits: 1}"])
        assert not calls
        run(["-S", "data.mask_values=null", "-S", "data.mask_values={pits: 1}", *ROOT_HERE])
        assert len(calls) == 1
    finally:
        Path("params.yaml").write_text(before, encoding="utf-8")


def test_a_good_run_is_handed_on_as_it_is(calls: Calls, tmp_path: Path) -> None:
    arguments = ["-n", "mine", "-S", f"data.root={tmp_path}", "-S", "train.trackers=[]", "--force"]
    run(arguments)
    assert calls == [arguments]
    assert not Path(".steelcli/before").exists()


def test_a_value_with_signs_goes_in_quotes(calls: Calls, tmp_path: Path) -> None:
    (tmp_path / "Blech (Größe)").mkdir()
    run(["-S", f"data.root='{tmp_path}/Blech (Größe)'"])
    assert len(calls) == 1


def test_each_of_several_queued_values_is_checked(calls: Calls) -> None:
    run(["--queue", "-S", "train.lr=0.1,0.01"])
    with pytest.raises(UserError, match="greater than 0"):
        run(["--queue", "-S", "train.lr=0.1,-1"])
    assert len(calls) == 1


def test_a_run_elsewhere_finds_no_untracked_data(calls: Calls) -> None:
    Path("raw").mkdir(exist_ok=True)
    for place in ("--temp", "--queue"):
        with pytest.raises(UserError, match=rf"data\.root; write {Path.cwd()}/raw"):
            run([place, "-S", "data.root=raw"])
        run([place, "-S", f"data.root={Path.cwd()}/raw"])
    run(["-S", "data.root=raw"])
    assert len(calls) == 3


def test_wrong_usage_is_exit_code_two(calls: Calls) -> None:
    with pytest.raises(SystemExit) as caught:
        run(["--nonsense"])
    assert caught.value.code == 2
    assert not calls


def test_what_a_failed_run_touched_is_brought_back(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("models").mkdir(exist_ok=True)
    Path("models/a.pth").write_bytes(b"weights")
    names = ("params.yaml", "dvc.lock", "metrics/train.json", "metrics/froc.csv")
    before = {name: Path(name).read_bytes() for name in names}

    def fail(_: Sequence[str]) -> int:
        for name in names[:2]:
            Path(name).write_bytes(b"half")
        for name in names[2:]:
            Path(name).unlink()
        shutil.rmtree("models")
        return 255

    monkeypatch.setattr(module, "_call_dvc", fail)
    with pytest.raises(RunError, match="as before"):
        run(["-S", "train.lr=0.5"])
    assert {name: Path(name).read_bytes() for name in names} == before
    assert Path("models/a.pth").read_bytes() == b"weights"
    assert not calls


def test_changes_that_git_has_no_name_to_commit_are_refused(
    calls: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = Clone(tmp_path / "clone")
    clone("git", "config", "--remove-section", "user")
    monkeypatch.chdir(clone.clone_dir)
    forget_identity(monkeypatch, tmp_path)
    run(ROOT_HERE)
    with Path("params.yaml").open("a", encoding="utf-8") as file:
        file.write("# edited\n")
    before = Path("params.yaml").read_bytes()
    with pytest.raises(RunError, match=r"no name.*git config --global user\.name NAME"):
        run(ROOT_HERE)
    assert Path("params.yaml").read_bytes() == before
    assert not Path(".steelcli/before").exists()
    run(["--run-all"])
    assert len(calls) == 2


def test_two_runs_in_one_folder_do_not_mix(calls: Calls) -> None:
    Path(".steelcli").mkdir(exist_ok=True)
    with FileLock(".steelcli/before.lock"), pytest.raises(RunError, match="another"):
        run([])
    assert not calls


def test_another_dvc_at_work_is_not_disturbed(calls: Calls) -> None:
    """Such as the one that a killed `steelcli run` left."""
    locks_path = Path(".dvc/tmp/rwlock")
    locks_path.parent.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(["sleep", "60"])
    lock = {"pid": process.pid, "cmd": "dvc exp run"}
    locks_path.write_text(json.dumps({"write": {"models": lock}, "read": {}}), encoding="utf-8")
    with pytest.raises(RunError, match=f"process {process.pid}, is at work"):
        run([])
    process.kill()
    process.wait()
    run([])
    assert calls == [[]]


def test_a_folder_without_a_repository_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match=rf"no git repository.*{tmp_path}; clone with git"):
        run([])


def test_a_folder_inside_the_repository_is_not_its_root(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("steelcli")
    with pytest.raises(RunError, match="not the root of a DVC repository"):
        run([])
    assert not calls
