"""What the raw data decides."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from closure import ROOT, SHARED

from steelcli.commands.plan_choices import Choices
from steelcli.commands.plan_data import _plan_balance, plan_reading, plan_splits
from steelcli.common.errors import DataError
from steelcli.params.all import load_params


def choose(root: Path, *given: str) -> Choices:
    params = load_params(ROOT / "configs" / "fast-cpu.yaml")
    data = params.data.model_copy(update={"root": str(root)})
    choices = Choices(params.model_copy(update={"data": data}), frozenset(given))
    plan_splits(choices, plan_reading(choices))
    return choices


def test_a_supervisely_project_without_splits(project_dir: Path) -> None:
    choices = choose(project_dir)
    data = choices.params.data
    assert data.format == "supervisely"
    assert (data.val_fraction, data.test_fraction) == (0.25, 0.25)  # of 24 images, half clean
    assert "there are only" in choices.reasons["data.val_fraction"]
    assert "data.keep_splits" not in choices.reasons
    assert data.color == "grey"
    said = choices.reasons["data.classes"]
    for title in ("crazing", "inclusion", "patches", "scratches"):
        assert title in said or title not in (project_dir / "meta.json").read_text()
    assert " of 24 images " in said


def test_a_project_s_own_splits_are_kept(project_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(project_dir, tmp_path / "p")
    (dataset_dir,) = [path for path in (tmp_path / "p").iterdir() if path.is_dir()]
    names = sorted(path.name for path in (dataset_dir / "img").iterdir())
    for split, members in {"train": names[:14], "val": names[14:19], "test": names[19:]}.items():
        for kind in ("img", "ann"):
            (tmp_path / "p" / split / kind).mkdir(parents=True)
        for name in members:
            (dataset_dir / "img" / name).rename(tmp_path / "p" / split / "img" / name)
            file = f"{name}.json"
            (dataset_dir / "ann" / file).rename(tmp_path / "p" / split / "ann" / file)
    shutil.rmtree(dataset_dir)
    choices = choose(tmp_path / "p")
    said = "the data brings its own: train 14, val 5, test 5 images"
    assert choices.reasons["data.keep_splits"] == said
    assert "data.val_fraction" not in choices.reasons
    assert " of 14 training images have a defect" in choices.reasons["train.balance"]


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"real data not found at {SHARED}")
def test_kaggle_s_own_files() -> None:
    choices = choose(SHARED / "severstal-mini")
    assert choices.params.data.format == "kaggle"
    assert choices.params.data.color == "grey"
    assert "of 17 images" in choices.reasons["data.classes"]
    assert "none on 8" in choices.reasons["data.classes"]


def test_balance_follows_the_shares_of_the_training_images(project_dir: Path) -> None:
    rare = choose(project_dir, "data.val_fraction", "data.test_fraction")
    assert rare.params.train.balance is True
    assert "about half either way" in rare.reasons["train.balance"]


@pytest.mark.parametrize(
    ("defects", "balance", "why"),
    [
        (20, False, "none is clean"),
        (15, False, "would repeat the few clean ones"),
        (5, True, "half of the draws show one instead"),
    ],
)
def test_balance_where_one_kind_is_rare(defects: int, balance: bool, why: str) -> None:
    choices = Choices(load_params(ROOT / "configs" / "fast-cpu.yaml"), frozenset())
    choices.choose("train.balance", not balance, "")
    _plan_balance(choices, defects, 20)
    assert choices.params.train.balance is balance
    assert why in choices.reasons["train.balance"]


def test_no_defect_at_all_is_told_as_prepare_does(project_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(project_dir, tmp_path / "p")
    for path in (tmp_path / "p").rglob("*.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        if "objects" in content:
            path.write_text(json.dumps(content | {"objects": []}), encoding="utf-8")
    with pytest.raises(DataError, match="no image has a defect"):
        choose(tmp_path / "p")
