"""What `auto` stands for: numbers that are known without a network, in every file of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from make_params import model_params, train_params
from small_runs import SMALL

from steelcli.commands.train import train
from steelcli.common.errors import ParamsError
from steelcli.model.checkpoint import find_best, load_checkpoint
from steelcli.model.normalisation import resolve_normalisation
from steelcli.model.smp_import import import_smp
from steelcli.model.trained_model import load_trained
from steelcli.params.model import NetworkParams
from steelcli.params.section import parse_section

IMAGENET = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
HALF = [0.5] * 3, [0.5] * 3
DPN = [124 / 255, 117 / 255, 104 / 255], [1 / (0.0167 * 255)] * 3


@pytest.mark.parametrize(
    ("encoder_name", "numbers"),
    [
        ("resnet34", IMAGENET),
        ("tu-resnet18.no_such_tag", IMAGENET),  # building the network refuses it
        ("mit_b0", IMAGENET),
        ("dpn68", DPN),
        ("tu-dpn68", DPN),
        ("xception", HALF),
        ("inceptionv4", HALF),
        ("tu-tf_efficientnet_lite0", HALF),
        ("timm-tf_efficientnet_lite0", HALF),
        ("tu-tf_mobilenetv3_small_minimal_100", HALF),
        ("timm-mobilenetv3_small_minimal_100", HALF),
        ("timm-regnetx_002", IMAGENET),
        ("tu-fastvit_mci0", ([0.0] * 3, [1.0] * 3)),
        ("tu-nonsense", IMAGENET),
    ],
)
def test_auto_is_what_the_weights_were_trained_with(
    encoder_name: str, numbers: tuple[list[float], list[float]]
) -> None:
    params = model_params(encoder_name=encoder_name, mean="auto", std="auto")
    resolved = resolve_normalisation(params)
    assert [list(resolved.mean), list(resolved.std)] == [pytest.approx(each) for each in numbers]
    with_its_weights = params.model_copy(update={"encoder_weights": "imagenet"})
    assert resolve_normalisation(with_its_weights).mean == resolved.mean


def test_every_encoder_with_settings_of_timm_agrees_with_smp() -> None:
    """smp's own answer, for the encoders where it asks no hub."""
    encoders = import_smp().encoders
    for name in ("tu-tf_efficientnet_lite0", "tu-dpn68", "tu-resnet18", "tu-inception_v4"):
        settings = encoders.get_preprocessing_params(name)
        resolved = resolve_normalisation(model_params(encoder_name=name, mean="auto", std="auto"))
        assert (list(resolved.mean), list(resolved.std)) == (settings["mean"], settings["std"])


def test_numbers_stay_and_each_may_be_auto_alone() -> None:
    given = model_params()
    assert resolve_normalisation(given).model_dump() == given.model_dump()
    resolved = resolve_normalisation(model_params(std="auto"))
    assert (resolved.mean, resolved.std) == ((0.5, 0.5, 0.5), tuple(IMAGENET[1]))


@pytest.mark.parametrize(
    ("value", "where", "says"),
    [
        ("automatic", "model.mean", "'auto'"),
        ([0.5, 2, 0.5], "model.mean.1", "less than or equal to 1"),
        ([0.5, 0.5], "model.mean.2", "bad value"),
        ([0.5, "auto", 0.5], "model.mean.1", "number"),
        (None, "model.mean", "'auto'"),
        ({"r": 1}, "model.mean", "'auto'"),
        (0.5, "model.mean", "'auto'"),
    ],
)
def test_a_wrong_value_is_named_by_its_parameter(value: object, where: str, says: str) -> None:
    with pytest.raises(ParamsError) as caught:
        model_params(mean=value)
    assert caught.value.where == where
    assert says in str(caught.value)


def test_a_run_s_files_hold_numbers(store_dir: Path, tmp_path: Path) -> None:
    encoder_name = "tu-tf_mobilenetv3_small_minimal_100"
    params = SMALL.model_copy(update={"mean": "auto", "std": "auto", "encoder_name": encoder_name})
    models_dir = tmp_path / "models"
    train(params, train_params(epochs=1), store_dir, models_dir, tmp_path / "metrics/train.json")
    settings = json.loads((models_dir / "args.json").read_text(encoding="utf-8"))
    assert settings["model"]["mean"] == settings["model"]["std"] == [0.5, 0.5, 0.5]
    checkpoint = load_checkpoint(find_best(models_dir, "dice"))
    assert checkpoint.params.model.mean == (0.5, 0.5, 0.5)
    assert load_trained(models_dir, store_dir).model.mean.flatten().tolist() == [127.5] * 3


def test_a_checkpoint_that_says_auto_is_refused() -> None:
    raw = model_params(mean="auto").model_dump(mode="json")
    with pytest.raises(ParamsError, match=r"params\.model\.mean"):
        parse_section(raw, "params.model", NetworkParams)
