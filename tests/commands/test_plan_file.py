"""Notes in a parameter file: where they stand, that `-S` keeps them, that a new plan drops them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from closure import ROOT

from steelcli.commands.plan_file import annotate, set_values
from steelcli.common.errors import ParamsError
from steelcli.common.settings import flatten
from steelcli.params.all import load_params
from steelcli.params.yaml_document import read_document

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
HEAD = ["from it: steelcli plan data", "Data: " + "many words " * 30, "Not decided: the rest."]
VALUES = {
    "data.root": "a folder: with #signs and ü, of a name so long that YAML breaks it " * 3,
    "data.classes": ["pits", "long scratches"],
    "data.mask_values": {"pits": 1, "long scratches": 2},
    "data.image_size": [96, 64],
    "data.color": "rgb",
    "model.encoder_weights": None,
    "model.encoder_name": "resnet18",
    "train.epochs": 27,
    "train.workers": 3,
    "threshold.min_areas_px": [0, 3],
    "threshold.flip_tta": False,
}


def write_noted(path: Path, config: Path) -> str:
    """Write a config with values and a note for each; return its text."""
    shutil.copy(config, path)
    set_values(path, VALUES)
    notes = {name: ("planned", f"{name} because " + "of this " * 30) for name in VALUES}
    notes["train.lr"] = ("given", "with --set")
    text = annotate(path.read_text(encoding="utf-8"), notes, HEAD, config.name)
    path.write_text(text, encoding="utf-8")
    return text


def list_comments(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip().startswith("#")]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.name)
def test_values_notes_and_the_config_s_comments_are_there(config: Path, tmp_path: Path) -> None:
    text = write_noted(tmp_path / "params.yaml", config)
    wanted = flatten(read_document(config))
    del wanted["data.mask_values"]  # now a mapping, with names of its own
    wanted |= flatten(VALUES)
    assert flatten(read_document(tmp_path / "params.yaml")) == wanted
    assert load_params(tmp_path / "params.yaml").data.color == "rgb"
    lines = list_comments(text)
    former = iter(lines)
    for comment in list_comments(config.read_text(encoding="utf-8")):
        assert comment in former, comment  # all there, in their order
    for name in VALUES:
        assert f"# planned {name.partition('.')[2]}: {name} because" in text
    assert "\n  # given lr: with --set\n  lr: " in text
    former_lines = config.read_text(encoding="utf-8").splitlines()
    assert all(len(line) <= 100 for line in text.splitlines() if line not in former_lines)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.name)
def test_dvc_changes_a_planned_file_and_loses_no_comment(config: Path, tmp_path: Path) -> None:
    from dvc.utils.hydra import apply_overrides

    path = tmp_path / "params.yaml"
    text = write_noted(path, config)
    apply_overrides(path, ["train.lr=0.001"])
    assert path.read_text(encoding="utf-8") == text
    changes = ["data.image_size=[64,32]", "data.classes=[]", "threshold.min_areas_px=[7]"]
    changes += ["model.decoder_channels=[16,8,8,8,4]", "model.mean=[0.5,0.5,0.5]"]
    changes += ["data.mask_values=null", "data.limit=5", "train.trackers=[dvclive]", "train.lr=1"]
    apply_overrides(path, changes)
    changed = path.read_text(encoding="utf-8")
    assert list_comments(changed) == list_comments(text)
    params = load_params(path)
    assert (params.data.image_size, params.data.limit, params.train.lr) == ((64, 32), 5, 1)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.name)
def test_a_plan_from_a_planned_file_has_one_set_of_notes(config: Path, tmp_path: Path) -> None:
    text = write_noted(tmp_path / "one.yaml", config)
    again = write_noted(tmp_path / "other.yaml", tmp_path / "one.yaml")
    assert again.replace("one.yaml, said", f"{config.name}, said") == text
    bare = annotate(text, {}, HEAD, config.name)
    assert not any(" planned " in line or " given " in line for line in list_comments(bare))


def test_what_acts_on_a_terminal_is_escaped(tmp_path: Path) -> None:
    shutil.copy(CONFIGS[0], tmp_path / "params.yaml")
    text = (tmp_path / "params.yaml").read_text(encoding="utf-8")
    noted = annotate(text, {"train.lr": ("given", "a\x1b[31m\nb: 1")}, HEAD, "x")
    assert "  # given lr: a\\x1b[31m\\nb: 1\n" in noted


def test_a_config_in_flow_style_is_refused() -> None:
    with pytest.raises(ParamsError, match=r"my\.yaml, data\.root; write each parameter on a line"):
        annotate("data: {root: x}\n", {"data.root": ("planned", "given as PATH")}, HEAD, "my.yaml")
