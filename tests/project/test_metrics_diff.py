"""Extreme splits: finite numbers or none, and files that `dvc metrics diff` reads, in a real
repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from steelcli.common.metrics_file import format_metrics
from steelcli.common.outputs import write_csv, write_together
from steelcli.data.levels import to_levels
from steelcli.scores.columns import RELIABILITY_COLUMNS
from steelcli.scores.counts import FIXED, OperatingPoint
from steelcli.scores.scorer import SplitScorer
from steelcli.scores.summary import summarise

SHAPE = (16, 24)
POINT = OperatingPoint(0.3, 2)
CASES = {
    "mixed": ([0, 1, 0, 1], "soft"),
    "all-clean": ([0, 0, 0], "soft"),
    "all-defect": ([1, 1, 1], "soft"),
    "all-empty": ([0, 1, 1], "empty"),
    "all-full": ([0, 1, 1], "full"),
    "single-clean": ([0], "empty"),
    "single-defect": ([1], "full"),
    "nothing": ([], "soft"),
}


def score(defects: list[int], kind: str) -> SplitScorer:
    rng = np.random.default_rng(0)
    scorer = SplitScorer(["scratch", "patch"], [POINT, FIXED], 0.1)
    for index, defect in enumerate(defects):
        masks = np.zeros((2, *SHAPE), bool)
        if defect:
            masks[0, 2:5, 3 : 9 + index] = masks[0, 10:12, 4:6] = True
        level = {"soft": rng.random(SHAPE), "empty": np.zeros(SHAPE), "full": np.ones(SHAPE)}[kind]
        scorer.update(f"{index}.png", to_levels(level.astype(np.float32)), masks)
    return scorer


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DVC repository with a tag per case."""
    folder = tmp_path_factory.mktemp("repository")
    run(folder, "git", "init", "-q")
    run(folder, "dvc", "init", "-q")
    (folder / "dvc.yaml").write_text("metrics:\n  - metrics/test.json\n", encoding="utf-8")
    for name, (defects, kind) in CASES.items():
        scorer = score(defects, kind)
        text = format_metrics(summarise(scorer, POINT), f"data of {name}", f"run of {name}")
        write_together({folder / "metrics" / "test.json": text})
        write_csv(folder / "metrics" / "reliability.csv", scorer.reliability(), RELIABILITY_COLUMNS)
        run(folder, "git", "add", "-A")
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
        run(folder, "git", *identity, "commit", "-qm", name)
        run(folder, "git", "tag", name)
    return folder


def run(folder: Path, *command: str) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", CASES)
def test_every_scalar_is_finite_or_left_out(name: str) -> None:
    defects, kind = CASES[name]
    metrics = summarise(score(defects, kind), POINT)
    for value in metrics.values():
        for scalar in value.values() if isinstance(value, dict) else [value]:
            assert isinstance(scalar, (int, float))
            assert np.isfinite(scalar)
    by_component = {"found_class", "found_size", "recall_size", "size_bounds_px"}
    assert by_component & metrics.keys() == (by_component if any(defects) else set())
    assert {"brier", "ece"} & metrics.keys() == ({"brier", "ece"} if defects else set())
    if any(defects):
        recall = {"empty": {0}, "full": {1}}.get(kind)
        found = {*metrics["found_class"].values(), *metrics["found_size"].values()}
        assert not recall or set(metrics["recall_size"].values()) == recall
        assert not recall or found == {0}  # under a tenth of what is all predicted is defect
        assert metrics["found_class"].keys() == {"scratch"}


@pytest.mark.parametrize("name", [name for name in CASES if name != "mixed"])
@pytest.mark.slow
def test_dvc_compares_them(repository: Path, name: str) -> None:
    found = json.loads(run(repository, "dvc", "metrics", "diff", "mixed", name, "--json"))[
        "metrics/test.json"
    ]
    assert found["images"]["new"] == len(CASES[name][0])
    was, now = (dict(flatten(summarise(score(*CASES[case]), POINT))) for case in ("mixed", name))
    for key in was.keys() | now.keys():
        if was.get(key) != now.get(key):
            assert found[key].get("new") == now.get(key)
            assert found[key].get("old") == was.get(key)


def test_dvc_compares_a_clean_split_with_a_mixed_one(repository: Path) -> None:
    found = json.loads(run(repository, "dvc", "metrics", "diff", "mixed", "all-clean", "--json"))[
        "metrics/test.json"
    ]
    assert found["found_class.scratch"]["old"] == 0
    assert found["found_class.scratch"].get("new") is None
    assert found["ece"]["diff"] != 0


def test_no_key_is_a_row_of_a_difference(repository: Path) -> None:
    for command in (("metrics", "diff", "mixed", "all-clean"), ("metrics", "show")):
        assert "_key" not in run(repository, "dvc", *command)


def flatten(metrics: dict[str, object]) -> list[tuple[str, object]]:
    return [
        (f"{key}.{name}" if name else key, scalar)
        for key, value in metrics.items()
        for name, scalar in (value.items() if isinstance(value, dict) else [("", value)])
    ]
