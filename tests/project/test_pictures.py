"""The pictures of the README, drawn by `make pictures`."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from closure import ROOT

SCRIPT = ROOT / "docs" / "draw_pictures.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw_pictures", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("channels", [(), (3,)], ids=["grey", "rgb"])
def test_the_strip_shows_truth_prediction_and_heat_map(
    script: ModuleType, channels: tuple[int, ...]
) -> None:
    image = np.full((256, 1600, *channels), 128, np.uint8)
    truth, predicted = np.zeros((2, 256, 1600), bool)
    truth[100:200, 400:600] = predicted[100:200, 1200:1400] = True
    picture = script.stack_rows(image, truth, predicted, predicted.astype(np.float32))
    height = (len(picture) - 12) // 3
    assert picture.shape == (3 * height + 12, script.WIDTH, 3)
    rows = [picture[start : start + height] for start in (0, height + 6, 2 * height + 12)]
    for row, color, left, right in (
        (rows[0], script.GREEN, 400, 600),
        (rows[1], script.RED, 1200, 1400),
    ):
        columns = np.flatnonzero((row == color).all(axis=2).any(axis=0)) * 1600 / script.WIDTH
        assert abs(columns.min() - left) < 8
        assert abs(columns.max() - right) < 8
    middle = height * 150 // 256
    bright, dark = (rows[2][middle, x * script.WIDTH // 1600].sum() for x in (1300, 800))
    assert bright > 500
    assert dark < 50


def test_a_picture_shrinks_until_it_is_small(script: ModuleType, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 830, 3), np.uint8)
    for picture in (noise, np.zeros_like(noise)):
        script.save_small(picture, tmp_path / "picture.png")
        assert (tmp_path / "picture.png").stat().st_size <= script.MAX_BYTES
    assert cv2.imread(str(tmp_path / "picture.png")).shape == noise.shape


def test_without_a_run_or_chromium_it_ends_in_a_sentence(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, str(SCRIPT)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "Error: metrics/test_images.csv is missing; run `dvc repro` first.\n"
    monkeypatch.setattr(script, "REPORT_PATH", SCRIPT)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="no chromium on PATH"):
        script.draw_report()


def test_chromium_photographs_the_report(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not any(map(script.shutil.which, script.CHROMIUM)):
        pytest.skip("no chromium on PATH")
    parts = "<header></header>"
    for part, _ in script.PARTS.values():
        parts += f"<section id={part[1:]}></section>" if part.startswith("#") else ""
    style = "body {margin: 0} section, header {height: 1000px; background: rgb(10, 200, 30)}"
    page = tmp_path / "report.html"
    page.write_text(f"<style>{style}</style><body data-ready>{parts}", encoding="utf-8")
    monkeypatch.setattr(script, "REPORT_PATH", page)
    monkeypatch.setattr(script, "IMAGES_DIR", tmp_path)
    script.draw_report()
    for name, (_, height) in script.PARTS.items():
        picture = cv2.imread(str(tmp_path / f"{name}.png"))
        assert picture.shape == (height, script.WIDTH, 3)
        assert picture[height // 2, 400].tolist() == [30, 200, 10]
