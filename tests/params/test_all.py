"""params.yaml: complete, documented, and refused by dotted name where it is wrong."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml
from closure import ROOT
from make_params import data_params, train_params
from pydantic import BaseModel

from steelcli.common.errors import ParamsError
from steelcli.params.all import Params, load_params
from steelcli.params.section import SECTIONS, read_params

COMMITTED = ROOT / "params.yaml"


def changed(tmp_path: Path, section: str, key: str, value: Any) -> Path:
    raw = yaml.safe_load(COMMITTED.read_text(encoding="utf-8"))
    raw[section][key] = value
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return path


def sections(model: type[BaseModel]) -> list[type[BaseModel]]:
    nested = [f.annotation for f in model.model_fields.values() if inspect.isclass(f.annotation)]
    kinds = [kind for kind in nested if issubclass(kind, BaseModel)]
    return kinds + [deeper for kind in kinds for deeper in sections(kind)]


def test_the_committed_file_is_valid_and_has_every_section() -> None:
    params = load_params(COMMITTED)
    assert tuple(type(params).model_fields) == SECTIONS
    assert params.train.weight_decay == 1e-4
    assert params.train.max_grad_norm == 1.0
    assert params.train.patience == 7
    assert params.train.seed == 42


@pytest.mark.parametrize("kind", sections(Params), ids=lambda kind: kind.__name__)
def test_every_field_has_no_default_and_a_line_of_documentation(kind: type[BaseModel]) -> None:
    assert all(field.is_required() for field in kind.model_fields.values())
    tree = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(tree, ast.ClassDef)
    for statement, following in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(statement, ast.AnnAssign):
            field = ast.unparse(statement)
            if kind.__name__ == "TrainParams" and field.startswith("augment"):
                continue
            assert isinstance(following, ast.Expr), (
                f"{kind.__name__}: {field} has no docstring line"
            )


@pytest.mark.parametrize("text", ["1e-4", "0.0001", "1e-04"])
def test_text_that_reads_as_a_number_is_one(tmp_path: Path, text: str) -> None:
    assert load_params(changed(tmp_path, "train", "lr", text)).train.lr == 1e-4


@pytest.mark.parametrize(
    ("section", "key", "value", "says"),
    [
        ("train", "lr", "fast", ["train.lr", "fast"]),
        ("train", "lr", -1, ["train.lr", "greater than 0"]),
        ("train", "lr", ".nan", ["train.lr"]),
        ("train", "lr", float("nan"), ["train.lr"]),
        ("train", "lr", True, ["train.lr"]),
        ("train", "epochs", 1.5, ["train.epochs"]),
        ("train", "epochs", "3", ["train.epochs"]),
        ("train", "precison", "fp32", ["train.precison", "did you mean precision"]),
        ("model", "architecture", "segnet", ["model.architecture", "unetplusplus"]),
        ("model", "decoder_channels", [1, 2], ["model.decoder_channels"]),
        ("data", "image_size", [1000, 256], ["data.image_size.0", "1000", "992 and 1024"]),
        ("threshold", "min_areas_px", [], ["threshold.min_areas_px"]),
        ("threshold", "min_areas_px", 16, ["threshold.min_areas_px"]),
        ("threshold", "min_areas_px", [0, -1], ["threshold.min_areas_px.1"]),
        ("threshold", "min_areas_px", [8, 8], ["threshold.min_areas_px", "twice"]),
        ("threshold", "max_clean_false_alarm", 1.5, ["threshold.max_clean_false_alarm"]),
        ("evaluate", "save_maps", "some", ["evaluate.save_maps", "'shown'"]),
        ("data", "val_fraction", 0.9, ["data.test_fraction", "leave nothing to train on"]),
        ("data", "mask_values", {"pits": 1, "cracks": 1}, ["data.mask_values", "one grey value"]),
        ("data", "mask_values", {"pits": 0}, ["data.mask_values.pits", "greater than or equal to"]),
        ("data", "mask_values", {"pits": 65536}, ["data.mask_values.pits", "less than or equal"]),
        ("data", "value_range", [4095, 0], ["data.value_range"]),
        ("data", "value_range", [7, 7], ["data.value_range", "not below the second"]),
        ("data", "value_range", 4095, ["data.value_range"]),
        ("evaluate", "min_overlap", 0, ["evaluate.min_overlap"]),
    ],
)
def test_a_wrong_value_is_named(
    tmp_path: Path, section: str, key: str, value: Any, says: list[str]
) -> None:
    with pytest.raises(ParamsError) as caught:
        load_params(changed(tmp_path, section, key, value))
    for words in says:
        assert words in str(caught.value)


def test_grey_values_are_cut_or_name_classes_never_both() -> None:
    with pytest.raises(ParamsError, match=r"data\.mask_threshold is set too.*data\.mask_values"):
        data_params(mask_threshold=128, mask_values={"pits": 200})


def test_an_empty_range_is_none() -> None:
    assert data_params(value_range=[]).value_range is None


def test_dvc_sets_and_empties_what_masks_and_16_bits_need(tmp_path: Path) -> None:
    from dvc.utils.hydra import apply_overrides

    path = tmp_path / "params.yaml"
    text = COMMITTED.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    apply_overrides(path, ["data.mask_values={pits: 1, cracks: 2}", "data.value_range=[0,4095]"])
    assert load_params(path).data.mask_values == {"pits": 1, "cracks": 2}
    assert load_params(path).data.value_range == (0, 4095)
    # Hydra would merge a mapping into the one that stands there
    apply_overrides(path, ["data.mask_values=null", "data.mask_values={patches: 7}"])
    assert load_params(path).data.mask_values == {"patches": 7}
    apply_overrides(path, ["data.mask_values=null", "data.value_range=null"])
    assert path.read_text(encoding="utf-8") == text


def test_the_rotation_is_bounded_for_steel() -> None:
    with pytest.raises(ParamsError, match=r"train\.augment\.rotate_degrees"):
        train_params(augment={"rotate_degrees": 11})


def test_a_missing_key_and_a_missing_section_are_named(tmp_path: Path) -> None:
    raw = yaml.safe_load(COMMITTED.read_text(encoding="utf-8"))
    del raw["train"]["seed"]
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    with pytest.raises(ParamsError, match=r"train\.seed"):
        load_params(path)
    del raw["train"]
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    with pytest.raises(ParamsError, match="missing section: train"):
        load_params(path)


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2", "trian: {}", "\t"])
def test_a_broken_file_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ParamsError) as caught:
        load_params(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="pass --params"):
        read_params(tmp_path / "none.yaml")


def test_sections_cannot_be_changed() -> None:
    params = data_params()
    with pytest.raises(ValueError, match="frozen"):
        params.root = "elsewhere"
