"""What takes space is measured as it lies on the disk, and the way to clean it works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from closure import ROOT

from steelcli.reporting.storage import FREE_CACHE, build_storage, measure_storage

MIB = 2**20
DVC_YAML = """
stages:
  train:
    cmd: python -c "import os, pathlib; pathlib.Path('models').mkdir();
      pathlib.Path('models/w.pth').write_bytes(os.urandom(2**20))"
    params: [lr]
    outs: [models]
"""


def run(command: str) -> str:
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fill(name: str, size: int) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))
    return path


@pytest.fixture(autouse=True)
def work_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return tmp_path


def test_an_empty_folder_holds_nothing() -> None:
    assert measure_storage() == []


def test_each_folder_is_measured_and_linked_files_count_once() -> None:
    cached = fill(".dvc/cache/files/md5/aa/bb", 3 * MIB)
    Path("models").mkdir()
    Path("models/best.pth").hardlink_to(cached)
    Path("models/also.pth").symlink_to(cached.absolute())
    fill("models/args.json", MIB)
    fill(".steelcli/train/key/state.pt", 2 * MIB)
    fill("predictions/test/a.png", MIB)
    sizes = {str(row.path): row.size for row in measure_storage()}
    assert sizes == pytest.approx(
        {".dvc/cache": 3 * MIB, ".steelcli/train": 2 * MIB, "models": MIB, "predictions": MIB},
        abs=16384,
    )


def test_a_cache_elsewhere_is_found() -> None:
    fill("shared/files/md5/aa/bb", MIB)
    fill(".dvc/config", 0).write_text("[core]\n    remote = a\n['remote \"a\"']\n    url = /b\n")
    Path(".dvc/config.local").write_text("[cache]\n    dir = ../shared\n    type = symlink\n")
    (row,) = measure_storage()
    assert row.path.resolve() == Path("shared").resolve()


def test_a_table_names_folder_size_and_remedy() -> None:
    fill(".steelcli/train/key/state.pt", 2 * MIB)
    table = build_storage(measure_storage())
    assert table.rows == (
        (
            ".steelcli/train",
            "2.0",
            "states of interrupted trainings. `rm -r .steelcli/train`; they start afresh then",
        ),
    )


def test_the_page_names_every_command() -> None:
    page = (ROOT / "docs" / "storage.md").read_text(encoding="utf-8")
    source = (ROOT / "steelcli" / "reporting" / "storage.py").read_text(encoding="utf-8")
    commands = re.findall(r"`(dvc [^`]+)`", source)
    assert len(commands) >= 3
    for command in commands:
        assert command in page


@pytest.mark.slow
def test_cleaning_frees_the_removed_experiment_and_no_other() -> None:
    run("git init -q && git config user.email a@b.c && git config user.name a && dvc init -q")
    Path("dvc.yaml").write_text(DVC_YAML, encoding="utf-8")
    for value in (1, 2):
        Path("params.yaml").write_text(f"lr: {value}\n", encoding="utf-8")
        run("dvc repro -q && git add . && git commit -qm run")
    for name in ("drop", "keep"):  # the last one stays in the folder
        run(f"dvc exp run -q -n {name} -S lr={len(name)}{ord(name[0])}")
    run("dvc exp run -q --queue -n later -S lr=7 && dvc queue start -q")
    for _ in range(60):
        if "Success" in run("sleep 1; dvc queue status"):
            break
    rows = {str(row.path): row for row in measure_storage()}
    assert rows[".git/refs/exps"].what.startswith("3 experiments")
    assert rows[".dvc/cache"].size == pytest.approx(5 * MIB, rel=0.1)
    run("dvc exp remove drop && dvc queue remove --success --failed")
    run(f"{FREE_CACHE.strip('`')} -f")
    cache = measure_storage()[0]
    assert cache.size == pytest.approx(4 * MIB, rel=0.1)
    for revision in ("keep", "later"):
        run(f"dvc exp apply -q {revision} && dvc status -q")
    run("git checkout -q HEAD~1 -f && dvc checkout -q && dvc status -q")
