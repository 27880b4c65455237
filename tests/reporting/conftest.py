"""A finished run and its report."""

from __future__ import annotations

from pathlib import Path

import pytest
from make_run import Run

from steelcli.reporting.page import Page


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


@pytest.fixture(scope="session")
def made_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, str]:
    """The report of such a run and its HTML, drawn once."""
    run = Run(tmp_path_factory.mktemp("run"))
    page = run.report()
    return page, run.report_path.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def made(made_run: tuple[Page, str]) -> Page:
    return made_run[0]


@pytest.fixture(scope="session")
def text(made_run: tuple[Page, str]) -> str:
    return made_run[1]


@pytest.fixture
def no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what takes the time."""
    monkeypatch.setattr("steelcli.reporting.render.draw_chart", lambda _: "")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
