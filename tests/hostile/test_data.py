"""Hostile data: each case is refused in one sentence, quickly, in little memory, and nothing is
written over."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import cases_annotations
import cases_images
import cases_kaggle
import cases_oddities
import cases_paths
import numpy as np
import pytest
from cases_oddities import Oddity
from corpus import Case, assert_refused, outputs, set_up, write_project
from make_params import data_params
from running import assert_quick_and_small, run_apart, run_here
from walk import SMALL, steelcli, write_params
from without_rights import run_without_rights

from steelcli.commands.prepare import prepare
from steelcli.common.errors import DataError
from steelcli.data.images.decode import read_image
from steelcli.data.raw.recognise import open_source
from steelcli.data.raw.to_store import choose_images
from steelcli.data.store.reader import Store
from steelcli.data.types import SPLITS

CASES: list[Case] = [
    *cases_images.CASES,
    *cases_annotations.CASES,
    *cases_kaggle.CASES,
    *cases_paths.CASES,
]
SLOW = (
    "JPEG of fill bytes",
    "JPEG of endless segments",
    "annotation of empty mappings",
    "objects that each cover all",
    "polygon with 100,000 holes",
)
"""Cases that take seconds to refuse: once is enough for the default tests."""
QUICK = [case for case in CASES if case.name not in SLOW]
MAX_MIXED_BYTES = 2**20
"""Larger cases take seconds to refuse; each is refused on its own."""


def test_the_cases_are_many_and_distinct() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 220
    assert set(SLOW) < set(names)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_hostile_data_is_refused(
    case: Case, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set_up(case, tmp_path)
    assert_refused(case, run_here(tmp_path, capfd, monkeypatch, "prepare"), tmp_path, before)


@pytest.mark.hostile
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_hostile_data_is_refused_by_a_process_of_its_own(case: Case, tmp_path: Path) -> None:
    before = set_up(case, tmp_path)
    outcome = run_apart(tmp_path, "prepare")
    assert_refused(case, outcome, tmp_path, before)
    assert_quick_and_small(outcome)


@pytest.mark.parametrize("case", QUICK[:: len(QUICK) // 5], ids=lambda case: case.name)
def test_a_few_hostile_cases_in_processes_of_their_own(case: Case, tmp_path: Path) -> None:
    before = set_up(case, tmp_path)
    assert_refused(case, run_apart(tmp_path, "prepare"), tmp_path, before)


@pytest.mark.parametrize("case", QUICK[::4], ids=lambda case: case.name)
def test_check_says_the_same_and_writes_nothing(
    case: Case, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set_up(case, tmp_path)
    outcome = run_here(tmp_path, capfd, monkeypatch, "check", "raw")
    assert outcome.code == 1
    assert outcome.stderr.startswith("Error: ")
    assert outcome.stderr.count("\n") == 1
    for words in case.says:
        assert words in outcome.stderr
    assert outputs(tmp_path) == before
    assert not (tmp_path / "metrics" / "data_problems.csv").exists()


@pytest.mark.parametrize("oddity", cases_oddities.ODDITIES, ids=lambda oddity: oddity.name)
def test_what_is_odd_but_sound_is_read(oddity: Oddity, tmp_path: Path) -> None:
    oddity.build(tmp_path)
    source = open_source(data_params(root=str(tmp_path)))
    sample = next(sample for sample in source.samples if sample.image == oddity.image)
    image = read_image(sample.image_path, "grey", 10**8)
    assert image.shape == oddity.shape
    assert int(source.read_masks(sample, *image.shape).sum()) == oddity.defect_pixels


def list_files(work_dir: Path) -> set[str]:
    with (work_dir / "metrics" / "data_problems.csv").open(newline="", encoding="utf-8") as file:
        return {Path(row["file"]).name for row in csv.DictReader(file)}


def mix(root: Path) -> set[str]:
    """Write 30 sound images and one of each bad kind of image and annotation within
    `MAX_MIXED_BYTES`; return the files at fault."""
    write_project(root, 30)
    cases = [
        case
        for case in (*cases_images.CASES, *cases_annotations.CASES)
        if case.rows == 1 and not case.params
    ]
    files = set()
    for index, case in enumerate(cases):
        spoilt_dir = root.parent / "spoilt" / str(index)
        case.build(spoilt_dir)
        if sum(path.lstat().st_size for path in spoilt_dir.rglob("*")) > MAX_MIXED_BYTES:
            continue
        for kind in ("img", "ann"):
            for path in (
                (spoilt_dir / "ds" / kind).glob("bad*") if (spoilt_dir / "ds").exists() else ()
            ):
                name = f"{index:03d}_{path.name}"
                path.rename(root / "ds" / kind / name)
                files |= {name} if path.name in case.says else set()
    return files


def test_among_good_images_exactly_the_bad_ones_are_listed_or_left_out(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = mix(tmp_path / "raw")
    assert len(bad) >= 100
    changes = {"root": "raw", "image_size": [64, 32]}
    write_params(tmp_path, {"data": changes})
    assert run_here(tmp_path, capfd, monkeypatch, "prepare").code == 1
    assert list_files(tmp_path) == bad
    assert not (tmp_path / "data").exists()
    write_params(tmp_path, {"data": changes | {"on_error": "skip"}})
    refused = run_here(tmp_path, capfd, monkeypatch, "prepare")
    assert "data.max_skipped_fraction (0.1)" in refused.stderr
    assert list_files(tmp_path) == bad
    write_params(tmp_path, {"data": changes | {"on_error": "skip", "max_skipped_fraction": 0.9}})
    assert run_here(tmp_path, capfd, monkeypatch, "prepare").code == 0
    assert list_files(tmp_path) == bad
    metrics = json.loads((tmp_path / "metrics" / "data.json").read_text(encoding="utf-8"))
    images = [path for path in (tmp_path / "raw" / "ds" / "img").iterdir() if not path.is_dir()]
    assert metrics["images_found"] == len(images)
    assert metrics["skipped"] == len(images) - 30
    assert sum(metrics[split]["images"] for split in SPLITS) == 30
    assert all(
        record.image.startswith("good_") for record in Store(tmp_path / "data" / "prepared").records
    )
    capfd.readouterr()


@pytest.mark.slow
def test_training_runs_on_the_good_images(tmp_path: Path) -> None:
    mix(tmp_path / "raw")
    data = {"root": "raw", "image_size": [64, 32], "on_error": "skip", "max_skipped_fraction": 0.9}
    write_params(tmp_path, SMALL | {"data": data})
    for name in ("prepare", "train"):
        done = steelcli(tmp_path, name)
        assert done.returncode == 0, done.stderr
    assert list((tmp_path / "models").glob("best_dice_*.pth"))


def test_a_clean_run_leaves_no_stale_problems(tmp_path: Path) -> None:
    write_project(tmp_path / "raw", 12)
    paths = tmp_path / "prepared", tmp_path / "metrics" / "data.json"
    broken_path = tmp_path / "raw" / "ds" / "ann" / "good_05.png.json"
    sound = broken_path.read_bytes()
    broken_path.write_bytes(b"{")
    params = data_params(root=str(tmp_path / "raw"))
    with pytest.raises(DataError, match="1 problem in the data"):
        prepare(params, *paths)
    assert list_files(tmp_path) == {"good_05.png.json"}
    broken_path.write_bytes(sound)
    assert prepare(params, *paths)["skipped"] == 0
    assert (tmp_path / "metrics" / "data_problems.csv").read_text(
        encoding="utf-8"
    ) == "file,what,remedy\n"


@pytest.mark.parametrize("change", ["vanishes", "changes"])
def test_a_test_image_that_changes_before_it_is_copied_is_named(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_project(tmp_path / "raw", 12)

    def choose_and_spoil(*arguments: Any) -> Any:
        chosen = choose_images(*arguments)
        victim = chosen[0][-1].sample.image_path
        assert chosen[0][-1].split == "test"
        if change == "vanishes":
            victim.unlink()
        else:
            victim.write_bytes(cases_images.PNG)
        return chosen

    monkeypatch.setattr("steelcli.commands.prepare.choose_images", choose_and_spoil)
    told = {"vanishes": "No such file", "changes": "changed while it was read"}[change]
    with pytest.raises(DataError, match=rf"{told}.*good_\d\d\.png"):
        prepare(
            data_params(root=str(tmp_path / "raw")),
            tmp_path / "prepared",
            tmp_path / "metrics" / "data.json",
        )
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_problems_come_in_the_same_order_from_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mix(tmp_path / "raw")
    lists = []
    for few in (1, 10**6):
        monkeypatch.setattr("steelcli.common.cores._MIN_ITEMS", few)
        with pytest.raises(DataError, match="problems in the data"):
            prepare(
                data_params(root=str(tmp_path / "raw")),
                tmp_path / "prepared",
                tmp_path / "data.json",
            )
        lists.append((tmp_path / "data_problems.csv").read_bytes())
    assert lists[0] == lists[1]


@pytest.mark.parametrize("part", ["img/good_05.png", "ann/good_05.png.json", "img"])
def test_what_may_not_be_read_is_named(part: str, tmp_path: Path) -> None:
    write_project(tmp_path / "raw", 12)
    path = tmp_path / "raw" / "ds" / part
    write_params(tmp_path, {"data": {"root": "raw"}})
    path.chmod(0)
    try:
        done = run_without_rights(tmp_path, sys.executable, "-m", "steelcli", "prepare")
    finally:
        path.chmod(0o755)
    assert done.returncode == 1
    assert f"raw/ds/{part}" in done.stderr
    assert "Permission denied" in done.stderr


def test_rows_that_no_image_can_be_told_from_are_never_skipped(tmp_path: Path) -> None:
    from corpus import write_kaggle

    write_kaggle(tmp_path / "raw", ["good_1.png,2"])
    params = data_params(root=str(tmp_path / "raw"), on_error="skip", max_skipped_fraction=0.9)
    with pytest.raises(DataError, match="row 3 has 2 fields") as caught:
        prepare(params, tmp_path / "prepared", tmp_path / "data.json")
    assert "on_error" not in str(caught.value)


def test_pictures_differ() -> None:
    from corpus import picture

    assert not np.array_equal(picture(1), picture(2))
