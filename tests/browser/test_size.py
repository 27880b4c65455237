"""The page of 2,000 test images: time and memory to build it, and how fast it opens."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import PIL.Image
import pytest
from closure import ROOT
from noisy_run import NoisyRun
from open_page import Watch

REPORT = """
import sys
from pathlib import Path
from make_params import report_params
from steelcli.commands.report import report
report(report_params(cards=60), *map(Path, sys.argv[1:]))
for line in Path("/proc/self/status").read_text().splitlines():
    if line.startswith("VmHWM"):
        print("KiB", line.split()[1])
"""
"""Builds the page, and prints the most memory that the process held."""


def multiply(project_dir: Path, copies: int) -> None:
    """Give each image copies that differ in a corner: the same picture is used but once."""
    for path in sorted(project_dir.glob("*/img/*.jpg")):
        with PIL.Image.open(path) as picture:
            for copy in range(1, copies):
                name = f"copy{copy}{path.name[-40:]}"
                picture.paste(2 * copy, (0, 0, 16, 16))
                picture.save(path.with_name(name), quality=90)
                ann_dir = path.parent.with_name("ann")
                shutil.copy(ann_dir / f"{path.name}.json", ann_dir / f"{name}.json")


@pytest.mark.slow
def test_two_thousand_images(watch: Watch, tmp_path: Path) -> None:
    run = NoisyRun(tmp_path)
    run.synthesize(90)
    multiply(run.project_dir, 25)
    run.run(val_fraction=0.04, test_fraction=0.9)
    rows = (run.metrics_dir / "test_images.csv").read_text(encoding="utf-8").count("\n")
    assert rows > 2000
    paths = (run.metrics_dir, run.models_dir, run.report_path, run.store_dir, run.test_dir)
    env = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'support'}"}
    start = time.perf_counter()
    command = [sys.executable, "-c", REPORT, *map(str, paths)]
    done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    kib = int(done.stdout.split()[-1])
    page = watch.open(run.report_path)
    timing = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
    opened_ms = page.evaluate(timing)
    size = run.report_path.stat().st_size
    print(f"{seconds:.1f} s, {kib / 1024:.0f} MiB, {size:,} bytes, {opened_ms:.0f} ms")
    assert seconds <= 30
    assert kib <= 1024**2
    assert size <= 6_000_000
    assert opened_ms < 1000
    assert page.locator(".card").count() == 60
