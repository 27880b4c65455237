"""Hostile parameters, models, stage inputs and surroundings: one clear sentence each, and nothing
changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import env_inputs
import env_models
import env_params
import pytest
from env import (
    Case,
    assert_told,
    copy_of_links,
    fingerprint,
    run_command,
    run_main,
    unmount,
)
from running import assert_quick_and_small

CASES = [*env_params.CASES, *env_models.CASES, *env_inputs.CASES]
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@pytest.fixture
def work_dir(walked_dir: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder in which every stage has run, to be spoilt."""
    folder = tmp_path / "work"
    copy_of_links(walked_dir, folder)
    yield folder
    unmount(tmp_path)


def test_there_are_enough_distinct_cases() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 45


@each_case
def test_the_sentence(
    case: Case, work_dir: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    case.spoil(work_dir)
    before = fingerprint(work_dir, whole=False)
    assert_told(case, run_main(case, work_dir, monkeypatch, capfd))
    assert fingerprint(work_dir, whole=False) == before


@pytest.mark.hostile
@each_case
def test_the_command(case: Case, work_dir: Path) -> None:
    case.spoil(work_dir)
    before = fingerprint(work_dir, whole=True)
    outcome = run_command(case, work_dir)
    assert_told(case, outcome)
    assert fingerprint(work_dir, whole=True) == before
    assert_quick_and_small(outcome)
