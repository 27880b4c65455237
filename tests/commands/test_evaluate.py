"""What keeps a score from being learned by heart: thresholds, checkpoints and pictures of other
runs are refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from make_params import evaluate_params, threshold_params

from steelcli.commands.evaluate import evaluate
from steelcli.commands.tune_threshold import tune_threshold
from steelcli.common.errors import DataError, ModelError, RunError
from steelcli.common.fingerprint import fingerprint
from steelcli.common.metrics_file import read_metrics
from steelcli.data.store.reader import open_store
from steelcli.model.checkpoint import find_best, load_checkpoint, make_checkpoint, save_checkpoint
from steelcli.model.trained_model import load_trained
from steelcli.scores.counts import OperatingPoint


class Run:
    """A copy of the trained run that may be spoilt, with its threshold."""

    def __init__(self, run_dir: Path, store_dir: Path, work_dir: Path) -> None:
        self.store_dir, self.models_dir, self.metrics_dir = (
            store_dir,
            work_dir / "models",
            work_dir / "metrics",
        )
        self.predictions_dir = work_dir / "predictions"
        shutil.copytree(run_dir / "models", self.models_dir)

    def tune(self) -> dict[str, Any]:
        params = threshold_params(objective="f1")
        paths = (self.metrics_dir / "threshold.json", self.metrics_dir / "threshold_curve.csv")
        return tune_threshold(params, self.store_dir, self.models_dir, *paths)

    def evaluate(self) -> dict[str, Any]:
        threshold_path = self.metrics_dir / "threshold.json"
        folders = (
            self.store_dir,
            self.models_dir,
            threshold_path,
            self.metrics_dir,
            self.predictions_dir,
        )
        return evaluate(evaluate_params(overlays=0, timing_images=1), *folders)

    def change_checkpoint(self, change: Callable[[dict[str, Any]], None]) -> None:
        path = find_best(self.models_dir, "dice")
        checkpoint = load_checkpoint(path)
        values = {
            "weights": checkpoint.weights,
            "params": checkpoint.params.model_dump(mode="json"),
        }
        change(values)
        header = checkpoint.model_dump(mode="json", exclude={"weights"})
        header["params"] = values["params"]
        save_checkpoint(path, make_checkpoint(header, values["weights"]))


@pytest.fixture
def run(run_dir: Path, store_dir: Path, tmp_path: Path) -> Run:
    return Run(run_dir, store_dir, tmp_path)


def nudge(values: dict[str, Any]) -> None:
    name = next(key for key in values["weights"] if key.endswith("weight"))
    values["weights"][name].view(-1)[0] += 1e-3


def test_the_threshold_says_what_it_was_learned_for(run: Run) -> None:
    learned = run.tune()
    trained = load_trained(run.models_dir, run.store_dir)
    metrics = read_metrics(run.metrics_dir / "threshold.json", "")
    assert (metrics.data_key, metrics.run_key) == (trained.store.fingerprint, trained.run_key)
    assert run.evaluate()["threshold"] == learned["threshold"]
    metrics = read_metrics(run.metrics_dir / "test.json", "", ("threshold",))
    assert (metrics.data_key, metrics.run_key) == (trained.store.fingerprint, trained.run_key)


def test_a_threshold_learned_for_another_checkpoint_is_refused(run: Run) -> None:
    run.tune()
    run.change_checkpoint(nudge)
    with pytest.raises(RunError, match="for another checkpoint") as caught:
        run.evaluate()
    assert "threshold.json" in str(caught.value)
    assert "tune-threshold" in str(caught.value)
    assert not run.predictions_dir.exists()


@pytest.mark.parametrize("foreign", [None, 0, "1", ["another"], [1], ["1", "2"]])
def test_a_threshold_that_does_not_say_is_refused(run: Run, foreign: object) -> None:
    path = run.metrics_dir / "threshold.json"
    path.parent.mkdir()
    values = {"threshold": 0.5} | ({} if foreign is None else {"run_key": foreign})
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(RunError, match=r"for another checkpoint|no list of one text"):
        run.evaluate()


def test_parts_of_a_fingerprint_do_not_run_together() -> None:
    assert fingerprint(["ab", b"c"]) == fingerprint([b"ab", "c"])
    assert (
        len({fingerprint(parts) for parts in (["ab", "c"], ["a", "bc"], ["abc"], ["c", "ab"])}) == 4
    )


@pytest.mark.parametrize(
    ("section", "key", "value"), [("train", "lr", 0.5), ("model", "architecture", "unetplusplus")]
)
def test_a_checkpoint_with_other_parameters_is_refused(
    run: Run, section: str, key: str, value: object
) -> None:
    run.change_checkpoint(lambda values: values["params"][section].update({key: value}))
    with pytest.raises(ModelError, match=f"other {section} parameters") as caught:
        run.tune()
    assert "args.json" in str(caught.value)


@pytest.mark.parametrize("other", ["train", "val"])
def test_a_test_picture_in_another_split_is_refused(run: Run, tmp_path: Path, other: str) -> None:
    shutil.copytree(run.store_dir, tmp_path / "prepared")
    index_path = tmp_path / "prepared" / "index.json"
    index = json.loads(index_path.read_text(encoding="utf-8"))
    one, seen = (
        next(row for row in index["records"] if row["split"] == split) for split in ("test", other)
    )
    one["content"] = seen["content"]
    index_path.write_text(json.dumps(index), encoding="utf-8")
    run.tune()
    run.store_dir = tmp_path / "prepared"
    with pytest.raises(DataError, match="the same picture") as caught:
        run.evaluate()
    assert one["image"] in str(caught.value)
    assert seen["image"] in str(caught.value)


def test_a_picture_twice_in_one_split_is_no_leak(store_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(store_dir, tmp_path / "prepared")
    index_path = tmp_path / "prepared" / "index.json"
    index = json.loads(index_path.read_text(encoding="utf-8"))
    one, other = [row for row in index["records"] if row["split"] == "test"][:2]
    one["content"] = other["content"]
    index_path.write_text(json.dumps(index), encoding="utf-8")
    assert len(open_store(tmp_path / "prepared").records) == len(index["records"])


def test_an_evaluation_killed_while_it_is_timed_leaves_the_old_one_whole(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.tune()
    run.evaluate()
    before = digests(run.metrics_dir, run.predictions_dir)
    assert len(before) > 8

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if not child:
        monkeypatch.setattr("steelcli.commands.evaluate.measure_speed", die)
        monkeypatch.setattr("steelcli.commands.evaluate.FIXED", OperatingPoint(0.25))
        run.evaluate()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert digests(run.metrics_dir, run.predictions_dir) == before


def digests(*folders: Path) -> dict[str, bytes]:
    """Return the content of all files that are not temporary."""
    found = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and ".partial" not in str(path):
                found[str(path)] = path.read_bytes()
    return found
