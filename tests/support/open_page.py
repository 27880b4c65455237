"""The report opened in a browser that tells of every fault."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from closure import ROOT
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
AXE_PATH = ROOT / "tests" / "web" / "node_modules" / "axe-core" / "axe.min.js"


def skip(reason: str) -> None:
    """Skip the test; in CI, fail: there the tests of the page must run."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start the browser that is installed."""
    paths = [path for name in NAMES if (path := shutil.which(name))]
    if not paths:
        skip(f"none of {', '.join(NAMES)} is on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=paths[0])
        yield browser
        browser.close()


class Watch:
    """Opens pages, and notes what must not happen on any of them."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.faults: list[str] = []

    def open(self, path: Path, **options: Any) -> Page:
        """Open a file in a fresh window, 1280 × 900 unless ``options`` say otherwise."""
        size = {"width": 1280, "height": 900}
        context = self.browser.new_context(**{"viewport": size, **options})
        context.set_default_timeout(20_000)
        page = context.new_page()
        own = path.resolve().as_uri()

        def note_request(request: Request) -> None:
            if not request.url.startswith("data:") and request.url.partition("#")[0] != own:
                self.faults.append(f"request: {request.url[:200]}")

        def note_console(message: ConsoleMessage) -> None:
            self.faults.append(f"console: {message.text[:500]}")

        page.on("request", note_request)
        page.on("console", note_console)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error.message[:500]}"))
        page.on("dialog", lambda dialog: self.faults.append(f"dialog: {dialog.message}"))
        page.goto(own)
        return page

    def close(self) -> None:
        """Close every window, and fail if one of them had a fault."""
        for context in self.browser.contexts:
            context.close()
        faults, self.faults = self.faults, []
        assert not faults


def unfold(page: Page) -> None:
    """Open every part that opens on a click."""
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true;")


def find_barriers(page: Page, rules: Sequence[str] = (), part: str = "body") -> list[str]:
    """Return the serious and critical faults that axe-core finds in a part, a line each.

    Args:
        page: with everything folded out.
        rules: axe's names of those to look for; none: all.
        part: a selector.
    """
    if not AXE_PATH.is_file():
        skip("axe-core is missing: run `make web`")
    page.evaluate(AXE_PATH.read_text(encoding="utf-8"))
    options = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
    found = page.evaluate("([part, options]) => axe.run(part, options)", [part, options])
    return [
        f"{fault['id']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
        for fault in found["violations"]
        if fault["impact"] in {"serious", "critical"}
        for node in fault["nodes"]
    ]
