"""Files of torch.save."""

from __future__ import annotations

from pathlib import Path

import torch

from steelcli.model.torch_file import copy_tensors, load_values


def test_tied_weights_stay_tied(tmp_path: Path) -> None:
    tensor = torch.arange(1000.0)
    torch.save({"one": tensor, "other": tensor, "part": tensor[:10]}, tmp_path / "tied.pth")
    arguments = (tmp_path / "tied.pth", "the file", "write it again")
    taken = copy_tensors(load_values(*arguments), *arguments)
    assert taken["one"] is taken["other"]
    assert torch.equal(taken["one"], tensor)
    assert torch.equal(taken["part"], tensor[:10])
