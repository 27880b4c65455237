"""An unknown key is told with the parameter that it was meant to be."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from closure import ROOT

from steelcli.common.errors import ParamsError
from steelcli.params import hints
from steelcli.params.all import Params, load_params

NAMES = list(hints.iter_names(Params))


@pytest.mark.parametrize(
    ("place", "meant"),
    [
        ("train.learning_rate", "lr"),
        ("train.learningRate", "lr"),
        ("train.precison", "precision"),
        ("train.batch", "batch_size"),
        ("train.batchSize", "batch_size"),
        ("train.num_workers", "workers"),
        ("train.wd", "weight_decay"),
        ("train.hflip", "train.augment.horizontal_flip"),
        ("train.augment.horizontal_flp", "horizontal_flip"),
        ("train.augment.lr", "train.lr"),
        ("model.encoder", "encoder_name"),
        ("model.backbone", "encoder_name"),
        ("model.lr", "train.lr"),
        ("model.learning_rate", "train.lr"),
        ("data.batch_size", "train.batch_size or threshold.batch_size or evaluate.batch_size"),
        ("data.seed", "split_seed"),
        ("evaluate.seed", "train.seed"),
        ("threshold.metric", "objective"),
        ("threshold.min_area_px", "min_areas_px"),
        ("evaluate.min_area", "threshold.min_areas_px"),
        ("trian", "train"),
        ("lr", "train.lr"),
        ("train.lr_", "lr"),
    ],
)
def test_the_nearest_is_proposed(tmp_path: Path, place: str, meant: str) -> None:
    raw = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    *sections, key = place.split(".")
    target = raw
    for name in sections:
        target = target[name]
    target[key] = 1
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    with pytest.raises(ParamsError) as caught:
        load_params(path)
    assert caught.value.where == place
    assert caught.value.remedy == f"did you mean {meant}"


def test_a_parameter_of_an_earlier_version_says_what_became_of_it(tmp_path: Path) -> None:
    raw = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    raw["evaluate"]["min_area_px"] = 0
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    with pytest.raises(ParamsError) as caught:
        load_params(path)
    assert str(caught.value) == (
        "unknown parameter: evaluate.min_area_px; "
        "remove it: the area is learned now, among threshold.min_areas_px."
    )


def test_where_nothing_is_near_all_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("report: {zzzzz: 1}", encoding="utf-8")
    with pytest.raises(ParamsError, match=r"report\.zzzzz; known here: title, decimals, "):
        load_params(path)


def test_other_names_lead_to_parameters_and_hide_none() -> None:
    others = " ".join(hints._ALSO_CALLED.values()).split()
    assert set(hints._ALSO_CALLED) <= set(NAMES)
    assert len(others) == len(set(others))
    assert not set(others) & {name.rpartition(".")[2] for name in NAMES}
