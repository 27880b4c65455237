"""params.yaml under `dvc exp run -S`: every key takes other values and comes back.

DVC writes the whole file anew, and every list as a plain one: a comment that follows a list is
lost, and one behind a list that is emptied breaks the file.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from closure import ROOT

from steelcli.common.settings import flatten
from steelcli.params.all import load_params
from steelcli.params.yaml_document import read_document

TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")
COMMITTED = flatten(read_document(ROOT / "params.yaml"))
OTHERS: dict[str, list[Any]] = {
    "data.classes": [["pits"], [], ["pits", "long scratches"]],
    "data.datasets": [["a"], [], ["a", "b"]],
    "data.image_size": [[64, 32]],
    "data.mask_threshold": [128, None],
    "data.mask_values": [{"pits": 1, "cracks": 2}, None, {"long scratches": 3}],
    "data.value_range": [[0, 4095], None, [10, 60000]],
    "data.limit": [12, None],
    "data.mm_per_pixel": [0.25, None, 2],
    "model.encoder_weights": ["imagenet", None, "my encoder.pt"],
    "model.decoder_channels": [[16, 8, 8, 8, 4]],
    "model.mean": [[0.5, 0.5, 1e-05], "auto"],
    "model.std": [[0.25, 0.25, 0.25], "auto"],
    "report.against": [["lr-1e-4"], [], ["main", "sam 2"]],
    "report.baseline": ["lr-1e-4", None, "my model"],
    "threshold.max_clean_false_alarm": [0.1, None, 1],
    "threshold.min_areas_px": [[0], [0, 100], [250]],
    "train.trackers": [["dvclive"], [], ["wandb", "mlflow"]],
    "train.workers": ["auto", 3],
}
"""Other values of the keys that hold a list, a mapping, a word for them, or nothing."""


def write_value(value: Any) -> str:
    """Return a value as it stands after ``=`` in ``-S``."""
    if isinstance(value, list):
        return f"[{','.join(map(write_value, value))}]"
    if isinstance(value, dict):  # to DVC another mapping adds to this one: it goes by way of null
        return f"{{{','.join(f'{key}: {write_value(value[key])}' for key in value)}}}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"'{value}'" if isinstance(value, str) and " " in value else str(value)


def find_other(value: Any) -> Any:
    """Return a longer value of the same kind."""
    if isinstance(value, bool):
        return not value
    return f"another {value}" if isinstance(value, str) else value + 1e-05


class File:
    """A copy of the committed file, and the values it should hold."""

    def __init__(self, folder: Path) -> None:
        self.path, self.values = folder / "params.yaml", dict(COMMITTED)
        self.path.write_text(TEXT, encoding="utf-8")

    def change(self, changes: dict[str, Any]) -> None:
        from dvc.utils.hydra import apply_overrides

        apply_overrides(self.path, [f"{key}={write_value(changes[key])}" for key in changes])
        self.values |= changes
        assert flatten(read_document(self.path)) == flatten(self.values), changes
        text = self.path.read_text(encoding="utf-8")
        assert find_comments(text) == find_comments(TEXT), changes

    def change_back(self) -> None:
        self.change({key: COMMITTED[key] for key in COMMITTED})
        assert self.path.read_text(encoding="utf-8") == TEXT


def find_comments(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if "#" in line]


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path)


def test_every_list_and_every_empty_key_has_other_values_here() -> None:
    special = {key for key, value in COMMITTED.items() if value is None or isinstance(value, list)}
    words = {"model.mean", "model.std", "model.encoder_weights", "train.workers"}  # or a word
    assert special | words == set(OTHERS)


@pytest.mark.parametrize("key", OTHERS)
def test_a_list_or_an_empty_key_takes_other_values_and_comes_back(file: File, key: str) -> None:
    for value in OTHERS[key]:
        file.change({key: value})
        load_params(file.path)
    file.change({key: COMMITTED[key]})
    assert file.path.read_text(encoding="utf-8") == TEXT


def test_every_key_takes_another_value_and_comes_back(file: File) -> None:
    for round_number in range(3):
        others = {key: find_other(value) for key, value in COMMITTED.items() if key not in OTHERS}
        lists = {key: values[round_number % len(values)] for key, values in OTHERS.items()}
        file.change(others | lists)
        file.change_back()


def test_changes_in_any_order_leave_a_whole_file(file: File) -> None:
    generator = random.Random(0)
    for _ in range(25):
        keys = generator.sample(sorted(COMMITTED), 8)
        values = {key: [*OTHERS.get(key, ()), COMMITTED[key]] for key in keys}
        file.change({key: generator.choice(values[key]) for key in keys})
    file.change_back()
