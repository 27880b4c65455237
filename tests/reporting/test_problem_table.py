"""Problems and suspicions of a data set in the terminal."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from walk import steelcli, write_params

LONG = "strip_of_coil_20260711_line_3_camera_top_left_exposure_140us_" * 2


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two broken images, two equal ones and a good one, with names longer than a line."""
    root = tmp_path / ("root_" * 20)
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (40, 60)).astype(np.uint8)
    for number in range(5):
        name = f"{LONG}{number}.png"
        pixels = noise if number < 2 else rng.integers(0, 256, (40, 60)).astype(np.uint8)
        cv2.imwrite(str(root / "images" / name), pixels)
        cv2.imwrite(str(root / "masks" / name), np.uint8(255) * (noise > 200))
        if number > 2:
            path = root / "images" / name
            path.write_bytes(path.read_bytes()[:-200])
    return root


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("command", ["check", "prepare"])
def test_paths_stay_whole_on_eighty_columns(root: Path, tmp_path: Path, command: str) -> None:
    write_params(tmp_path, {"data": {"root": str(root)}})
    done = steelcli(tmp_path, command, *([str(root)] if command == "check" else []))
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert f"2 problems in {root}:" in lines
    place = lines.index(f"  images/{LONG}3.png and 1 more")  # from data.root, on a line of its own
    assert lines[place + 1].startswith("    ")
    assert "; " in lines[place + 1]
    if command == "check":
        place = lines.index("suspicious: the same pixels as another image (2 of the images):")
        assert lines[place + 1 : place + 3] == [f"  {LONG}0.png", f"  {LONG}1.png"]
