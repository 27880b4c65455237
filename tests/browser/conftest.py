"""A browser, and the report of a run to open in it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from filelock import FileLock
from noisy_run import NoisyRun
from open_page import Watch, open_browser
from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture
def watch(browser: Browser) -> Iterator[Watch]:
    watch = Watch(browser)
    yield watch
    watch.close()


@pytest.fixture(scope="session")
def noisy_run(tmp_path_factory: pytest.TempPathFactory) -> NoisyRun:
    """A run of 15 test images with its report, one for all of pytest's workers; read only."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "noisy"
    run = NoisyRun(folder)
    with FileLock(folder.with_suffix(".lock")):
        if not run.report_path.exists():
            run.synthesize(26)
            run.run()
            run.report()
    return run
