"""Git and DVC, from a bare folder to a pipeline that is out of date."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from steelcli.commands import examine_project as module
from steelcli.commands.examine_project import examine_dvc, examine_git

DVC_YAML = """
stages:
  train:
    cmd: python -c "open('model', 'w').write('weights')"
    params: [lr]
    outs: [model]
"""


@pytest.fixture(autouse=True)
def work_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in no repository, of a user whom git does not know."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("GIT_COMMITTER_NAME", raising=False)
    folders = (str(Path(sys.executable).parent), os.environ["PATH"])
    monkeypatch.setenv("PATH", os.pathsep.join(folders))
    return tmp_path


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def states() -> dict[str, str]:
    return {finding.topic: finding.state for finding in examine_git()}


def test_git_from_nothing_to_a_clean_commit_of_a_known_user(work_dir: Path) -> None:
    (found,) = examine_git()
    assert found.state == "note"
    assert found.says.startswith("there is no git repository")
    run("git", "init", "-q")
    (found,) = examine_git()
    assert found.says == "the git repository has no commit yet"
    (work_dir / "file").write_text("one", encoding="utf-8")
    run("git", "add", "file")
    run("git", "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "one")
    assert states() == {"git": "ok", "git identity": "note"}
    run("git", "config", "user.name", "a")
    run("git", "config", "user.email", "a@b.c")
    (work_dir / "file").write_text("two", encoding="utf-8")
    assert states() == {"git": "note", "git identity": "ok"}


def test_a_pipeline_from_nothing_to_out_of_date(work_dir: Path) -> None:
    (found,) = examine_dvc()
    assert (found.topic, found.state) == ("dvc repository", "note")
    run(sys.executable, "-m", "dvc", "init", "-q", "--no-scm")
    (work_dir / "dvc.yaml").write_text(DVC_YAML, encoding="utf-8")
    (work_dir / "params.yaml").write_text("lr: 1\n", encoding="utf-8")
    _, found = examine_dvc()
    assert found.says == "there is none: no stage has run"
    run(sys.executable, "-m", "dvc", "repro", "-q")
    assert [finding.state for finding in examine_dvc()] == ["ok", "ok"]
    (work_dir / "params.yaml").write_text("lr: 2\n", encoding="utf-8")
    _, found = examine_dvc()
    assert found.state == "note"
    assert found.says == "stage train is out of date: params.yaml (lr)"
    assert found.remedy == "run `steelcli run`"
    (work_dir / "dvc.yaml").write_text("stages: [", encoding="utf-8")
    _, found = examine_dvc()
    assert found.state == "note"
    assert found.says == "`dvc status` fails ('./dvc.yaml' is invalid.)"


def test_dvc_is_not_waited_for_long(work_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (work_dir / ".dvc").mkdir()
    for name in ("dvc.yaml", "dvc.lock"):
        (work_dir / name).touch()
    monkeypatch.setattr(module, "MAX_STATUS_SECONDS", 0.01)
    _, found = examine_dvc()
    assert found.state == "note"
    assert "takes more than" in found.says


def test_a_few_changes_are_named() -> None:
    changes = ["always changed", {"changed deps": {"a": "modified", "b": "deleted", "c": "new"}}]
    expected = "always changed, a modified, b deleted and 1 more"
    assert module._describe_changes(changes) == expected
    assert module._find_remedy("data/dvc.yaml:draw") == "run `dvc repro data/dvc.yaml:draw`"
