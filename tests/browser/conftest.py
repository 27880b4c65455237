"""A browser, and the report of a run to open in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
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
    """A run of 15 test images with its report; not to be written into."""
    run = NoisyRun(tmp_path_factory.mktemp("noisy"))
    run.synthesize(26)
    run.run()
    run.report()
    return run
