"""The stage that goes before all others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from closure import ROOT

from steelcli.commands.check_params import check_params
from steelcli.common.errors import UserError
from steelcli.common.paths import SYNTHETIC_DIR
from steelcli.params.all import Params, load_params


def change(section: str, **values: Any) -> Params:
    params = load_params(ROOT / "params.yaml")
    changed = getattr(params, section).model_copy(update=values)
    return params.model_copy(update={section: changed})


@pytest.mark.parametrize(
    ("params", "says"),
    [
        (change("data", root="/nowhere/raw"), ["/nowhere/raw", "data.root"]),
        (change("model", encoder_name="resnet43"), ["resnet43", "did you mean resnet34"]),
        (change("model", encoder_weights="no/such.pt"), ["no/such.pt", "model.encoder_weights"]),
        (change("train", trackers=("no_such_tracker",)), ["no_such_tracker", "train.trackers"]),
    ],
    ids=["root", "encoder", "weights", "tracker"],
)
def test_what_no_stage_could_work_with_is_refused(
    tmp_path: Path, params: Params, says: list[str]
) -> None:
    checked_path = tmp_path / "checked"
    checked_path.write_bytes(b"former")
    with pytest.raises(UserError) as caught:
        check_params(params, checked_path)
    for words in says:
        assert words in str(caught.value)
    assert checked_path.read_bytes() == b"former"


def test_its_output_never_changes(tmp_path: Path) -> None:
    """Else every change of a parameter would make all stages stale."""
    check_params(change("data", root=str(tmp_path)), tmp_path / "a")
    check_params(change("train", lr=0.5), tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_data_that_dvc_brings_may_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check_params(change("data", root=str(SYNTHETIC_DIR)))
    Path("raw.dvc").touch()
    check_params(change("data", root="raw"))


def test_weights_are_looked_for_where_training_takes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = change("model", encoder_weights="encoder.pth")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"not found: data/weights/encoder\.pth; copy them there"):
        check_params(params.model_copy(update={"data": change("data", root=".").data}))
    (tmp_path / "data" / "weights").mkdir(parents=True)
    (tmp_path / "data" / "weights" / "encoder.pth").touch()
    check_params(params.model_copy(update={"data": change("data", root=".").data}))
