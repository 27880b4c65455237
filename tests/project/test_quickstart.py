"""docs/quickstart.md on real strip steel, its commands as they stand there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from clone import Clone
from closure import SHARED
from make_params import data_params
from test_journeys import read_commands

from steelcli.data.raw.recognise import open_source

STRIP_STEEL = SHARED / "strip-steel"


@pytest.mark.slow
@pytest.mark.skipif(not STRIP_STEEL.is_dir(), reason=f"real data not found at {SHARED}")
def test_five_commands_from_pictures_to_an_inspector(tmp_path: Path) -> None:
    root, new_dir = tmp_path / "steel", tmp_path / "new"
    new_names = write_folders(root, new_dir)
    clone = Clone(tmp_path / "clone")
    places = {
        "/path/to/my-steel": root,
        "/path/to/new-pictures/sheet_900.png": new_dir / new_names[0],
        "/path/to/new-pictures": new_dir,
    }
    plan, run, predict, export, inspect = read_commands(
        "docs/quickstart.md", "steelcli plan", places
    )
    clone(*plan)
    clone(*run)
    scores = json.loads((clone.clone_dir / "metrics/test.json").read_text(encoding="utf-8"))
    assert scores["optimal"]["dice_defect"] > 0.4  # a useful network, not just any
    clone(*predict)
    found_dir = clone.clone_dir / "found"
    summary = json.loads((found_dir / "summary.json").read_text(encoding="utf-8"))
    assert [image["image"] for image in summary["images"]] == new_names
    clone(*export)
    said = clone(*inspect)
    mask = cv2.imread(str(clone.clone_dir / "mask.png"), cv2.IMREAD_GRAYSCALE)
    own = cv2.imread(str(found_dir / "masks" / new_names[0]), cv2.IMREAD_GRAYSCALE)
    assert said == f"{summary['images'][0]['verdict']} {np.count_nonzero(mask)} px\n"
    assert np.count_nonzero(mask != own) <= 2  # two runtimes differ in the last bits


def write_folders(root: Path, new_dir: Path) -> list[str]:
    """Write the training images with masks, and the test images; return the names of these."""
    source = open_source(data_params(root=str(STRIP_STEEL)))
    for folder in (root / "images", root / "masks", new_dir):
        folder.mkdir(parents=True)
    new_names = []
    for sample in source.samples:
        if sample.split == "test":
            new_names.append(sample.image_path.name)
            shutil.copy(sample.image_path, new_dir)
            continue
        shutil.copy(sample.image_path, root / "images")
        mask = source.read_masks(sample, 200, 200).any(axis=0)
        assert cv2.imwrite(str(root / "masks" / sample.image_path.name), np.uint8(255) * mask)
    return sorted(new_names)
