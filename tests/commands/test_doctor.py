"""What the doctor prints, and that whatever is broken becomes a finding."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from closure import ROOT
from typer.testing import CliRunner, Result

from steelcli.cli import app
from steelcli.commands.doctor import EXAMINATIONS, doctor, show_findings
from steelcli.commands.finding import Finding
from steelcli.common.errors import RunError

FINE = Finding("torch", "ok", "2.13.0")
NOTE = Finding("hub", "note", "it does not answer", "connect")
PROBLEM = Finding("dvc", "problem", "not installed", "run `pip install 'dvc>=3.60'`")


def let_find(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    """Let the doctor find this and nothing else."""
    for topic in list(EXAMINATIONS):
        monkeypatch.delitem(EXAMINATIONS, topic)
    monkeypatch.setitem(EXAMINATIONS, "all", lambda: findings)


def test_a_note_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    let_find(monkeypatch, FINE, NOTE)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0
    lines = ["ok: torch: 2.13.0", "note: hub: it does not answer; connect"]
    assert result.stdout.splitlines() == lines


def test_a_problem_is_told_once_more_as_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    let_find(monkeypatch, FINE, PROBLEM)
    with pytest.raises(RunError, match=r"cannot work here: dvc; run `pip install 'dvc>=3.60'`"):
        show_findings(doctor(), as_json=True)
    assert json.loads(capsys.readouterr().out) == {
        "works": False,
        "findings": [
            {"topic": "torch", "state": "ok", "says": "2.13.0", "remedy": ""},
            {
                "topic": "dvc",
                "state": "problem",
                "says": "not installed",
                "remedy": PROBLEM.remedy,
            },
        ],
    }


def test_a_terminal_shows_a_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    show_findings([FINE, NOTE], as_json=False)
    shown = capsys.readouterr().out
    assert "This machine and this folder" in shown
    assert "it does not answer; connect" in shown
    assert "note: hub" not in shown


def test_what_cannot_be_examined_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Iterator[Finding]:
        yield FINE
        raise OSError("libcudart.so.12: cannot open")

    let_find(monkeypatch, FINE)
    monkeypatch.setitem(EXAMINATIONS, "device", fail)
    found = doctor()
    assert found[:2] == [FINE, FINE]
    assert found[2].state == "note"
    assert found[2].says == "not examined (OSError: libcudart.so.12: cannot open)"


def test_this_machine_in_a_bare_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    result: Result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    states = {finding["topic"]: finding["state"] for finding in found["findings"]}
    assert found["works"]
    assert not [finding for finding in found["findings"] if "not examined" in finding["says"]]
    for topic in ("torch", "torch and torchvision", "dvc", "cores"):
        assert states[topic] == "ok", topic
    assert {"device", "memory", "disk of this folder"} <= states.keys()
    for topic in ("git", "dvc repository", "hub"):
        assert states[topic] == "note", topic
    assert list(tmp_path.iterdir()) == []


def test_without_torch_git_and_network_nothing_is_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "lame" / "torch").mkdir(parents=True)
    code = "raise OSError('libcudart.so.12: cannot open')"
    (tmp_path / "lame" / "torch" / "__init__.py").write_text(code, encoding="utf-8")
    surroundings = {
        "PYTHONPATH": f"{tmp_path / 'lame'}{os.pathsep}{ROOT}",
        "PATH": str(tmp_path),
        "HF_HUB_OFFLINE": "0",
        "HF_ENDPOINT": "http://127.0.0.1:9",
    }
    command = [sys.executable, "-m", "steelcli", "doctor"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | surroundings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: steelcli cannot work here: torch, ")
    assert done.stderr.count("\n") == 1
    for line in (
        "problem: torch: ",
        "note: device: not examined",
        "note: git: git is not installed",
    ):
        assert f"\n{line}" in done.stdout
    assert "\nnote: hub: it does not answer" in done.stdout
