"""The synthetic strips: reproducible, complete, well annotated, and no threshold on grey finds
their defects."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from closure import ROOT

from steelcli.commands.synthesize import synthesize
from steelcli.common.errors import UserError
from steelcli.data.raw.bitmap import decode_bitmap
from steelcli.data.synthetic.defects import CLASS_TITLES, draw_outline, paint_defect
from steelcli.data.synthetic.strip import Strip, draw_strip
from steelcli.data.synthetic.texture import HEIGHT, WIDTH, Sheet

SEED = 42


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out_dir = tmp_path_factory.mktemp("synthetic") / "deep" / "project"
    return out_dir, synthesize(out_dir, 40, SEED, workers=2)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def annotations_of(out_dir: Path) -> dict[str, dict[str, Any]]:
    paths = sorted((out_dir / "strips" / "ann").iterdir())
    return {path.name.removesuffix(".json"): json.loads(path.read_text()) for path in paths}


def draw_strips(count: int, seed: int) -> list[Strip]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(partial(draw_strip, seed), range(count)))


def best_threshold_dice(strips: list[Strip]) -> dict[str, float]:
    """The best Dice any `grey <= t` or `grey >= t` reaches, t chosen on these very strips."""
    counts = np.zeros((len(strips), 2, 256))  # [strip, elsewhere / defect, grey level]
    for row, strip in zip(counts, strips, strict=True):
        truth = np.zeros(strip.grey.shape, bool)
        for outline in strip.outlines.values():
            truth |= outline
        row[0], row[1] = (
            np.bincount(strip.grey[truth == side], minlength=256) for side in (False, True)
        )
    defect = counts[:, 1].sum(axis=1)
    best = {"pooled": 0.0, "mean": 0.0}
    for histogram in (counts, counts[:, :, ::-1]):
        below = histogram.cumsum(axis=2)
        tp, chosen = below[:, 1], below.sum(axis=1)
        pooled = 2 * tp.sum(axis=0) / (chosen.sum(axis=0) + defect.sum())
        shown = defect > 0
        mean = (2 * tp[shown] / (chosen[shown] + defect[shown, None])).mean(axis=0)
        best = {"pooled": max(best["pooled"], pooled.max()), "mean": max(best["mean"], mean.max())}
    return best


def test_bytes_depend_on_neither_workers_nor_count(tmp_path: Path) -> None:
    synthesize(tmp_path / "one", 8, 5, workers=1)
    synthesize(tmp_path / "two", 16, 5, workers=2)
    few, many = files_of(tmp_path / "one"), files_of(tmp_path / "two")
    assert len(few) == 1 + 2 * 8
    assert len(many) == 1 + 2 * 16
    assert few == {name: many[name] for name in few}


def test_a_fresh_process_draws_the_same_bytes() -> None:
    code = (
        f"import hashlib; from steelcli.data.synthetic.strip import draw_strip; s = draw_strip({SEED}, 3);"
        "print(hashlib.sha256(s.grey.tobytes()).hexdigest())"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert output.strip() == hashlib.sha256(draw_strip(SEED, 3).grey.tobytes()).hexdigest()


def test_another_seed_draws_other_strips() -> None:
    assert (draw_strip(1, 0).grey != draw_strip(2, 0).grey).mean() > 0.5
    assert (draw_strip(1, 0).grey != draw_strip(1, 1).grey).mean() > 0.5


def test_project_is_supervisely(project: tuple[Path, dict[str, Any]]) -> None:
    out_dir, summary = project
    meta = json.loads((out_dir / "meta.json").read_text())
    assert [(item["title"], item["shape"]) for item in meta["classes"]] == [
        (title, "bitmap") for title in CLASS_TITLES
    ]
    names = {f"strip_{number:04d}.jpg" for number in range(1, 41)}
    assert {path.name for path in (out_dir / "strips" / "img").iterdir()} == names
    assert set(annotations_of(out_dir)) == names
    assert summary["images"] == 40
    assert [path.name for path in out_dir.parent.iterdir()] == [
        "project"
    ]  # nothing temporary is left


def test_images_are_grey_strips_of_moderate_size(project: tuple[Path, dict[str, Any]]) -> None:
    paths = sorted((project[0] / "strips" / "img").iterdir())
    for path in paths[:8]:
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert image is not None
        assert image.shape == (HEIGHT, WIDTH)
        assert image.std() > 2
    assert sum(path.stat().st_size for path in paths) / len(paths) < 60e6 / 400


def test_masks_are_filled_components_inside_the_strip(project: tuple[Path, dict[str, Any]]) -> None:
    for name, annotation in annotations_of(project[0]).items():
        assert annotation["size"] == {"height": HEIGHT, "width": WIDTH}
        total = np.zeros((HEIGHT, WIDTH), int)
        for item in annotation["objects"]:
            box = decode_bitmap(item["bitmap"]["data"], name)
            assert np.asarray(box.any(axis=1))[[0, -1]].all()  # the box is tight
            assert np.asarray(box.any(axis=0))[[0, -1]].all()
            assert cv2.connectedComponents(box.astype(np.uint8), connectivity=8)[0] == 2
            (x, y), (height, width) = item["bitmap"]["origin"], box.shape
            assert 0 <= x <= WIDTH - width
            assert 0 <= y <= HEIGHT - height
            total[y : y + height, x : x + width] += box
        assert total.max() <= 1  # no pixel has two classes
        if annotation["objects"]:
            assert 0.004 < (total > 0).mean() < 0.4


def test_half_is_clean_and_every_class_is_there(project: tuple[Path, dict[str, Any]]) -> None:
    out_dir, summary = project
    titles = [
        {item["classTitle"] for item in value["objects"]}
        for value in annotations_of(out_dir).values()
    ]
    shown = [classes for classes in titles if classes]
    assert 0.4 <= len(shown) / len(titles) <= 0.6
    assert any(len(classes) == 2 for classes in shown)
    counts = {title: sum(title in classes for classes in shown) for title in CLASS_TITLES}
    assert min(counts.values()) >= 0.08 * len(shown)
    assert len(set(counts.values())) > 1
    assert summary["defect_images"] == len(shown)
    assert summary["class_images"] == counts
    assert 0.02 < summary["defect_share"] < 0.15


def test_no_grey_threshold_finds_the_defects() -> None:
    best = best_threshold_dice(draw_strips(40, 7))
    assert best["pooled"] < 0.20
    assert best["mean"] < 0.20


@pytest.mark.slow
@pytest.mark.parametrize("seed", [SEED, 3])
def test_no_grey_threshold_finds_the_defects_of_a_test_split(seed: int) -> None:
    best = best_threshold_dice(draw_strips(80, seed))
    assert best["pooled"] < 0.20
    assert best["mean"] < 0.20


@pytest.mark.parametrize("title", CLASS_TITLES)
def test_outlines_sit_on_the_damage(title: str) -> None:
    for seed in range(4):
        rng, sheet = np.random.default_rng(seed), Sheet(300, WIDTH)
        taken = np.zeros((HEIGHT, WIDTH), bool)
        taken[:, 900:1000] = True
        damage = paint_defect(rng, title, sheet, taken)
        change = np.abs(damage.log_gain)
        assert not (damage.outline & taken).any()
        assert not damage.outline[:, :300].any()
        free = ~taken
        free[:, :300] = False
        assert change[damage.outline].sum() > 0.97 * change[free].sum()  # what shows is outlined
        near = cv2.dilate((change > 0.1).astype(np.uint8), np.ones((41, 41), np.uint8)) > 0
        assert (damage.outline & ~near).mean() < 0.002  # and nothing far from it is


def test_classes_come_darker_and_brighter() -> None:
    taken, sheet = np.zeros((HEIGHT, WIDTH), bool), Sheet(0, WIDTH)
    for title in CLASS_TITLES:
        gains = [
            paint_defect(np.random.default_rng(seed), title, sheet, taken).log_gain
            for seed in range(10)
        ]
        assert min(gain.sum() for gain in gains) < 0 < max(gain.sum() for gain in gains)


def test_outline_covers_with_margin_and_fills_holes() -> None:
    damaged = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(damaged, (200, 120), 40, 1, 3)
    outline = draw_outline(damaged, 8)
    assert outline[damaged > 0].all()
    assert outline[120, 200]
    assert 45 < np.flatnonzero(outline[120]).max() - 200 < 54


@pytest.mark.parametrize(("images", "seed"), [(7, 0), (0, 0), (8, -1)])
def test_wrong_numbers_are_refused(tmp_path: Path, images: int, seed: int) -> None:
    with pytest.raises(UserError):
        synthesize(tmp_path / "project", images, seed)
    assert not any(tmp_path.iterdir())


def test_a_folder_with_content_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(UserError, match="not empty"):
        synthesize(tmp_path, 8, 0)
    with pytest.raises(UserError, match="not empty"):
        synthesize(tmp_path / "mine.txt", 8, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_failing_midway_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_late(seed: int, index: int) -> Strip:
        if index == 5:
            raise MemoryError
        return draw_strip(seed, index)

    monkeypatch.setattr("steelcli.data.synthetic.project.draw_strip", fail_late)
    with pytest.raises(MemoryError):
        synthesize(tmp_path / "project", 8, 0, workers=2)
    assert not any(tmp_path.iterdir())
    monkeypatch.undo()
    (tmp_path / "project").mkdir()  # an empty folder is no obstacle
    synthesize(tmp_path / "project", 8, 0)
    assert (tmp_path / "project" / "meta.json").is_file()
