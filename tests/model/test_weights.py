"""Weights of an encoder from a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from make_params import model_params

from steelcli.common.errors import ModelError
from steelcli.model.network import build_model


def test_encoder_weights_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    donor = build_model(**model_params().model_dump(), channels_last=False)
    path = tmp_path / "data" / "weights" / "encoder.pth"
    path.parent.mkdir(parents=True)
    torch.save(donor.network.encoder.state_dict(), path)
    params = model_params(encoder_weights="encoder.pth").model_dump()
    model = build_model(**params, channels_last=False)
    pairs = zip(model.network.encoder.parameters(), donor.network.encoder.parameters(), strict=True)
    assert all(torch.equal(mine, given) for mine, given in pairs)
    path.write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"data/weights/encoder\.pth"):
        build_model(**params, channels_last=False)
    path.unlink()
    with pytest.raises(ModelError, match=r"not found: data/weights/encoder\.pth; copy them there"):
        build_model(**params, channels_last=False)
