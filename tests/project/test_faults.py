"""The plug is pulled at random moments, under DVC, and nothing is lost; `python -m pytest -m
faults`, minutes long."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from clone import Clone

pytestmark = pytest.mark.faults

KILLS = 10
CHANGES = {
    "data.limit": 8,
    "data.image_size": [128, 32],
    "model.decoder_channels": [16, 8, 8, 8, 4],
    "train.epochs": 60,
    "train.patience": 60,
    "train.monitor": "dice_defect",
    "train.batch_size": 2,
    "train.checkpoint_every_epochs": 7,
    "train.save_every_minutes": 0.00001,
    "evaluate.timing_images": 1,
}
TIMES = {
    "epoch_time",
    "train_images_per_second",
    "seconds_per_epoch",
    "ms_per_image",
    "ms_per_image_end_to_end",
}


def without_times(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in TIMES}


def results(clone_dir: Path) -> dict[str, Any]:
    """Everything that a run leaves and that time does not change, by file."""
    found: dict[str, Any] = {}
    for path in sorted((clone_dir / "metrics").iterdir()):
        if path.suffix == ".json":
            found[path.name] = without_times(json.loads(path.read_text(encoding="utf-8")))
        elif path.suffix == ".csv":
            found[path.name] = path.read_text(encoding="utf-8")
    for path in sorted((clone_dir / "models").iterdir()):
        if path.suffix == ".pth":
            weights = torch.load(path, weights_only=True)["weights"]
            found[path.name] = {key: value.numpy().tobytes() for key, value in weights.items()}
        elif path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8") as file:
                found[path.name] = [without_times(row) for row in csv.DictReader(file)]
    for path in sorted((clone_dir / "predictions").rglob("*.png")):
        found[str(path.relative_to(clone_dir))] = path.read_bytes()
    return found


def set_params(clone: Clone) -> None:
    path = clone.clone_dir / "params.yaml"
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name, value in CHANGES.items():
        section, key = name.split(".")
        raw[section][key] = value
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")


def new_clone(folder: Path) -> Clone:
    clone = Clone(folder)
    clone.draw_fewer_images()
    return clone


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], float]:
    """The results of a run that nothing interrupts, and its seconds."""
    clone = new_clone(tmp_path_factory.mktemp("whole"))
    set_params(clone)
    started = time.monotonic()
    clone("dvc", "repro")
    return results(clone.clone_dir), time.monotonic() - started


def kill_until_done(
    clone: Clone, command: list[str], seconds: float, generator: random.Random
) -> list[str]:
    """Start the command and kill it with all its processes, until it ends; return the last line
    before each kill."""
    hits: list[str] = []
    log_path = clone.clone_dir.with_suffix(".log")
    while True:
        with log_path.open("w", encoding="utf-8") as log:
            process = subprocess.Popen(
                command,
                cwd=clone.clone_dir,
                env=clone.env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                process.wait(generator.uniform(0.05, 0.3) * seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                lines = [
                    line
                    for line in log_path.read_text(encoding="utf-8").splitlines()
                    if line.strip()
                ]
                hits.append(lines[-1][:70] if lines else "before the first line")
                continue
        assert process.returncode == 0, log_path.read_text(encoding="utf-8")
        return hits


@pytest.mark.parametrize("kind", ["repro", "exp run"])
def test_runs_killed_again_and_again_end_bit_identical(
    kind: str, expected: tuple[dict[str, Any], float], tmp_path: Path
) -> None:
    whole, seconds = expected
    changes = [f"{name}={json.dumps(value)}" for name, value in CHANGES.items()]
    experiment = [
        "dvc",
        "exp",
        "run",
        "-n",
        "killed",
        *(word for change in changes for word in ("-S", change)),
    ]
    generator, kills = random.Random(0), 0
    while kills < KILLS:
        clone = new_clone(tmp_path / f"clone{kills}")
        if kind == "repro":
            set_params(clone)
        command = ["dvc", "repro"] if kind == "repro" else experiment
        hits = kill_until_done(clone, command, seconds, generator)
        kills += len(hits)
        print(f"\ndvc {kind}, killed after:", *hits, sep="\n  ")
        found = results(clone.clone_dir)
        assert found.keys() == whole.keys()
        assert [name for name in whole if found[name] != whole[name]] == []
        assert not list((clone.clone_dir / ".steelcli" / "train").iterdir())
