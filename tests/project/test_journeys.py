"""Two users from their raw folders to a comparison, with the commands as the pages have them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest
from clone import Clone
from closure import ROOT
from numpy.typing import NDArray

from steelcli.data.raw.kaggle_rle import encode_rle
from steelcli.data.store.reader import Store
from steelcli.data.types import SPLITS

pytestmark = pytest.mark.slow

TINY = {
    "epochs: 8": "epochs: 1",
    "batch_size: 8": "batch_size: 4",
    "- 512\n  - 96": "- 128\n  - 32",
    "timing_images: 24": "timing_images: 1",
}
"""Changes of the committed parameters that make a run short."""


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    clone = Clone(tmp_path / "clone")
    params_path = clone.clone_dir / "params.yaml"
    text = params_path.read_text(encoding="utf-8")
    for committed, short in TINY.items():
        assert committed in text
        text = text.replace(committed, short)
    params_path.write_text(text, encoding="utf-8")
    clone("git", "commit", "-qam", "Train shortly")
    return clone


def read_commands(page: str, first: str, places: dict[str, Path] | None = None) -> list[list[str]]:
    """Return the commands of the block of a page that begins with a command.

    Args:
        page: its path in the repository.
        first: how the block begins.
        places: what stands for the paths of the page.
    """
    text = (ROOT / page).read_text(encoding="utf-8")
    (block,) = re.findall(rf"```\n({re.escape(first)}.*?)```", text, re.DOTALL)
    for name, path in (places or {}).items():
        assert name in block
        block = block.replace(name, str(path))
    return [shlex.split(line, comments=True) for line in block.splitlines() if line]


def draw_strips(count: int, height: int, width: int) -> list[tuple[NDArray[np.uint8], int]]:
    """Return grey strips; every second one has a square of class 1 or 2 in its middle."""
    generator = np.random.default_rng(0)
    strips = []
    for index in range(count):
        strip = generator.integers(90, 130, (height, width)).astype(np.uint8)
        number = index % 2 * (1 + index // 2 % 2)
        if number:
            strip[defect_of(strip)] = 20 if number == 1 else 230
        strips.append((strip, number))
    return strips


def defect_of(strip: NDArray[np.uint8]) -> tuple[slice, slice]:
    """Return where the square is."""
    y, x = (side // 2 for side in strip.shape)
    return slice(y - 12, y + 12), slice(x - 12, x + 12)


def test_a_student_with_a_kaggle_folder(clone: Clone, tmp_path: Path) -> None:
    root = tmp_path / "severstal"
    (root / "train_images").mkdir(parents=True)
    rows = ["ImageId,ClassId,EncodedPixels"]
    for index, (strip, number) in enumerate(draw_strips(40, 64, 320)):
        cv2.imwrite(str(root / "train_images" / f"{index:02d}.jpg"), strip)
        mask = np.zeros(strip.shape, bool)
        mask[defect_of(strip)] = True
        rows += [f"{index:02d}.jpg,{number},{encode_rle(mask)}"] if number else []
    (root / "train.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")

    assert "40 images found, 40 read, 0 problems" in clone("steelcli", "check", str(root))
    (run,) = read_commands("README.md", "steelcli run -n mine", {"/path/to/data": root})
    assert run[-1] == f"data.root={root}"
    clone(*run)
    results = (
        "params.yaml",
        "models/args.json",
        "metrics/test.json",
        "predictions/test/maps/00.png",
    )
    before = {
        name: (clone.clone_dir / name).read_bytes()
        for name in results
        if (clone.clone_dir / name).exists()
    }
    assert len(before) >= 3
    for slip, told in (("train.lr=fast", "train.lr"), ("train.learning_rate=1e-4", "lr")):
        said = clone.fail("steelcli", "run", "-S", slip)
        assert told in said
        assert said.count("\n") == 1
        assert (clone.clone_dir / "params.yaml").read_bytes() == before["params.yaml"]
    second_run, difference, comparison, back = read_commands("README.md", "steelcli run -n slower")
    clone(*second_run)
    assert max(map(len, clone(*difference).splitlines())) <= 80
    compared = clone(*comparison)
    assert "A = mine" in compared
    assert "clean_false_alarm" in compared
    assert "under 20" in compared or "fewer than 20" in compared
    clone(*back)
    for name, content in before.items():
        assert (clone.clone_dir / name).read_bytes() == content
    clone("steelcli", "report")


def test_an_engineer_with_images_and_masks(clone: Clone, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    truth = {}
    for index, (strip, number) in enumerate(draw_strips(40, 200, 200)):
        name = f"coil_{index:02d}.png"
        cv2.imwrite(str(root / "images" / name), 16 * strip.astype(np.uint16))
        mask = np.zeros(strip.shape, np.uint8)
        if number:
            mask[defect_of(strip)] = number
            cv2.imwrite(str(root / "masks" / name), mask)
        truth[name] = mask
    (values,) = read_commands("docs/masks.md", "-S 'data.mask_values={pits")
    (bits,) = read_commands("docs/masks.md", "-S 'data.value_range")
    options = [*values, *bits, "-S", "data.missing_masks=clean"]

    said = clone.fail("steelcli", "run", "-n", "plant", "-S", f"data.root={root}", *values)
    assert "data.value_range" in said
    clone("steelcli", "run", "-n", "plant", "-S", f"data.root={root}", *options)
    checked = clone("steelcli", "check", str(root))
    assert "40 images found, 40 read, 0 problems" in checked
    (proposed,) = set(re.findall(r"data\.image_size=\[\d+,\d+\]", checked))
    clone("steelcli", "run", "-n", "square", "-S", proposed)
    assert "warning: at data.image_size" not in clone("steelcli", "check", str(root))

    store = Store(clone.clone_dir / "data" / "prepared")
    assert set(store.class_titles) == {"pits", "cracks"}
    for split in SPLITS[1:]:
        out_dir = tmp_path / "preds" / split
        out_dir.mkdir(parents=True)
        for position in store.positions(split):
            name = Path(store.records[position].image).name
            shifted = np.roll(truth[name] > 0, 2, axis=1)
            cv2.imwrite(str(out_dir / name), np.uint8(255) * shifted)
    judged, with_val, report = read_commands(
        "docs/compare.md",
        "steelcli evaluate --predictions",
        {f"preds/{split}": tmp_path / "preds" / split for split in ("test", "val")},
    )
    for command in (judged, with_val, report):
        said = clone(*command)
    rows = [line for line in said.splitlines() if line.startswith("yolo")]
    assert rows
    assert max(map(len, rows)) <= 80
    (compared, _) = read_commands("docs/compare.md", "steelcli compare test yolo")
    assert "B = yolo" in clone(*compared)
