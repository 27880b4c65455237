"""What the memory figures rest on: the look at a tree of processes, and the images drawn."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from make_params import data_params

from bench.memory import draw_images
from bench.process_tree import run
from steelcli.data.raw.kaggle import open_kaggle

CHILD = "import time; held = b'x' * (80 * 2**20); time.sleep(1)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}], check=True)"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells of memory there")
def test_the_memory_of_children_counts(tmp_path: Path) -> None:
    env = dict(os.environ)
    alone = run([sys.executable, "-c", "import time; time.sleep(1)"], tmp_path, env, tmp_path / "a")
    both = run([sys.executable, "-c", PARENT], tmp_path, env, tmp_path / "b")
    assert 80 <= both.own_mib - alone.own_mib < 120
    assert both.rss_mib > both.own_mib
    assert both.seconds >= 1
    assert both.inner_seconds == 0


def test_a_command_that_fails_is_told_with_its_output(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no luck')"]
    with pytest.raises(RuntimeError, match="no luck"):
        run(command, tmp_path, dict(os.environ), tmp_path / "log")


def test_every_second_image_has_a_defect(tmp_path: Path) -> None:
    draw_images(tmp_path / "raw", 12)
    source = open_kaggle(tmp_path / "raw", data_params())
    found = [source.read_masks(sample, 64, 256).any() for sample in source.samples]
    assert found == [False, True] * 6
