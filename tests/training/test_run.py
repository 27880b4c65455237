"""A training that was killed and started again ends as if nothing had happened."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from make_params import model_params, train_params
from small_runs import (
    PARAMS,
    SMALL,
    Killed,
    act_at_step,
    assert_same_run,
    kill_at,
    rows_without_times,
    run_small,
)
from walk import SMALL as SMALL_WALK
from walk import steelcli as run_command
from walk import write_params

import steelcli.training.run
from steelcli.commands.train import train
from steelcli.common.errors import Interrupted, RunError, UserError
from steelcli.model.checkpoint import find_best, load_checkpoint
from steelcli.model.network import build_model
from steelcli.model.normalisation import resolve_normalisation
from steelcli.model.trained_model import load_trained
from steelcli.training import run_folder
from steelcli.training.loop import Trainer
from steelcli.training.run_folder import RunFolder
from steelcli.training.saved_state import StateDir


@pytest.mark.parametrize(
    ("owner", "name", "count", "after"),
    [
        ("Trainer", "_step", 2, False),  # within the first epoch
        ("StateDir", "save", 5, True),
        ("Trainer", "_iter_scored", 2, False),  # at the second validation
        ("RunFolder", "add_epoch", 2, True),  # the epoch's files are written, its state is not
        ("RunFolder", "tidy", 6, False),
    ],
)
def test_a_killed_run_ends_as_if_nothing_had_happened(
    whole_dir: Path,
    small_store_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner,
    name,
    count,
    after,
) -> None:
    with monkeypatch.context() as patch:
        kill_at(patch, getattr(steelcli.training.run, owner), name, count, after)
        with pytest.raises(Killed):
            run_small(tmp_path, small_store_dir)
    assert not (tmp_path / "models").exists()
    run_small(tmp_path, small_store_dir)
    assert_same_run(whole_dir, tmp_path)


def test_a_run_killed_in_another_folder_goes_on_from_the_named_folder_of_states(
    whole_dir: Path, small_store_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEELCLI_STATE_DIR", str(tmp_path / "states"))
    others = [tmp_path / "states" / f"of another {place}" for place in range(5)]
    for folder in others:
        folder.mkdir(parents=True)
    with monkeypatch.context() as patch:
        kill_at(patch, StateDir, "save", 3, after=True)
        with pytest.raises(Killed):
            run_small(tmp_path / "temporary", small_store_dir)
    assert not (tmp_path / "temporary").exists()
    (state,) = (tmp_path / "states").glob(".steelcli/train/*/state-*.pt")
    assert all(folder.is_dir() for folder in others)
    with monkeypatch.context() as patch:
        loaded: list[Path] = []
        load = StateDir.load

        def note(folder: StateDir) -> dict[str, Any] | None:
            loaded.extend(folder.path.glob("state-*.pt"))
            return load(folder)

        patch.setattr(StateDir, "load", note)
        run_small(tmp_path / "again", small_store_dir)
    assert loaded == [state]
    assert_same_run(whole_dir, tmp_path / "again")
    assert not list((tmp_path / "states" / ".steelcli" / "train").iterdir())
    assert not list((tmp_path / "again").glob(".*"))


def test_a_killed_run_with_dropout_ends_as_if_nothing_had_happened(
    small_store_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pyramid = SMALL.model_copy(
        update={"architecture": "fpn", "decoder_channels": (32, 32, 8, 8, 4)}
    )
    network = build_model(**resolve_normalisation(pyramid).model_dump(), channels_last=False)
    assert any(isinstance(layer, torch.nn.Dropout2d) for layer in network.modules())
    run_small(tmp_path / "whole", small_store_dir, model=pyramid)
    with monkeypatch.context() as patch:
        kill_at(patch, Trainer, "_step", 2)
        with pytest.raises(Killed):
            run_small(tmp_path / "killed", small_store_dir, model=pyramid)
    run_small(tmp_path / "killed", small_store_dir, model=pyramid)
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


def test_a_run_killed_before_its_last_file_only_writes_that(
    whole_dir: Path, small_store_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        kill_at(patch, steelcli.training.run, "staged_dir", 1)
        with pytest.raises(Killed):
            run_small(tmp_path, small_store_dir)
        patch.setattr(steelcli.training.run.Trainer, "_step", None)  # nothing is trained again
        patch.undo()
        patch.setattr(steelcli.training.run.Trainer, "_step", None)
        run_small(tmp_path, small_store_dir)
    assert_same_run(whole_dir, tmp_path)
    assert not list((tmp_path / ".steelcli" / "train").iterdir())


DEFECTS = PARAMS.model_copy(update={"monitor": "dice_defect", "lr": 0.01})


@pytest.fixture(scope="module")
def monitored_dir(small_store_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run by another monitor than Dice and IoU that nothing interrupts."""
    out_dir = tmp_path_factory.mktemp("monitored")
    run_small(out_dir, small_store_dir, DEFECTS)
    return out_dir


def test_the_best_by_the_monitor_is_what_later_stages_load(
    monitored_dir: Path, small_store_dir: Path
) -> None:
    models_dir = monitored_dir / "models"
    rows = rows_without_times(monitored_dir)
    best = {
        kind: max(float(row[f"val_{kind}_opt"]) for row in rows)
        for kind in ("dice", "dice_defect", "iou")
    }
    assert best["dice"] != best["dice_defect"]
    names = sorted(path.name for path in models_dir.glob("best_*"))
    assert names == [f"best_{kind}_{score:.4f}_seed42.pth" for kind, score in best.items()]
    checkpoint = load_trained(models_dir, small_store_dir).checkpoint
    assert checkpoint.score == best["dice_defect"]
    metrics = json.loads((monitored_dir / "metrics" / "train.json").read_text(encoding="utf-8"))
    assert metrics["best_dice_defect"] == checkpoint.score
    assert metrics["best_epoch"] == checkpoint.epoch


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_run_killed_between_two_best_checkpoints_loses_none(
    monitored_dir: Path,
    small_store_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
) -> None:
    with monkeypatch.context() as patch:
        kill_at(patch, run_folder, "save_checkpoint", count, after=True)
        with pytest.raises(Killed):
            run_small(tmp_path, small_store_dir, DEFECTS)
    run_small(tmp_path, small_store_dir, DEFECTS)
    assert_same_run(monitored_dir, tmp_path)


KILLING = """
import os, signal, sys
from steelcli.cli import main
from steelcli.training import run_folder
save, left = run_folder.save_checkpoint, int(sys.argv.pop())
def killing(*arguments):
    global left
    save(*arguments)
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
run_folder.save_checkpoint = killing
main()
"""


@pytest.mark.slow
def test_the_real_command_killed_between_best_checkpoints_changes_no_bit(
    project_dir: Path, tmp_path: Path
) -> None:
    changes = SMALL_WALK | {
        "data": {"root": str(project_dir), **SMALL_WALK["data"]},
        # whatever the scores: four checkpoints in the first epoch, then at least one in each
        "train": {"epochs": 4, "batch_size": 4, "monitor": "f1", "checkpoint_every_epochs": 1},
    }
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
        write_params(tmp_path / name, changes)
        assert run_command(tmp_path / name, "prepare").returncode == 0
    assert run_command(tmp_path / "whole", "train").returncode == 0
    for left in ("1", "2", "3", "4", "5"):
        command = [sys.executable, "-c", KILLING, "train", left]
        done = subprocess.run(command, cwd=tmp_path / "killed", capture_output=True, check=False)
        assert done.returncode == -signal.SIGKILL
    assert run_command(tmp_path / "killed", "train").returncode == 0
    assert list((tmp_path / "killed" / "models").glob("best_f1_*"))
    assert_same_run(tmp_path / "whole", tmp_path / "killed")
    done_threshold = run_command(tmp_path / "killed", "tune-threshold")
    assert done_threshold.returncode == 0, done_threshold.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_says_how_to_go_on(
    whole_dir: Path,
    small_store_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:
    with monkeypatch.context() as patch:
        act_at_step(patch, 2, lambda _: os.kill(os.getpid(), number))
        patch.setattr(
            steelcli.training.run.Saver,
            "save",
            counted := CountedSave(steelcli.training.run.Saver.save),
        )
        slow = PARAMS.model_copy(update={"save_every_minutes": 1e9})
        with pytest.raises(
            Interrupted, match=r"epoch 1 after step 2 of \d+; the same command goes on"
        ) as caught:
            run_small(tmp_path, small_store_dir, slow)
    assert counted.calls == 1
    assert caught.value.exit_code == 128 + number
    run_small(tmp_path, small_store_dir, slow)
    assert rows_without_times(whole_dir) == rows_without_times(tmp_path)


class CountedSave:
    def __init__(self, method: Callable[..., Any]) -> None:
        self.method, self.calls = method, 0

    def __get__(self, instance: Any, _owner: type) -> Callable[..., Any]:
        def call() -> None:
            self.calls += 1
            self.method(instance)

        return call


def test_another_run_does_not_take_the_state(
    small_store_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        kill_at(patch, steelcli.training.run.Trainer, "_step", 2)
        with pytest.raises(Killed):
            run_small(tmp_path, small_store_dir)
    capsys.readouterr()
    run_small(tmp_path, small_store_dir, train_params(lr=0.002, epochs=1))
    assert "going on" not in capsys.readouterr().out
    monkeypatch.setattr("steelcli.training.run.code_digest", lambda _: "other code")
    run_small(tmp_path, small_store_dir, PARAMS.model_copy(update={"epochs": 1}))
    assert "going on" not in capsys.readouterr().out


def test_other_bytes_of_the_encoder_weights_are_another_run(
    small_store_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Their digest stands in args.json and in the checkpoints, and keys the state."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "data" / "weights" / "encoder.pth"
    path.parent.mkdir(parents=True)
    params = SMALL.model_copy(update={"encoder_weights": "encoder.pth"})
    outputs = (tmp_path / "models", tmp_path / "metrics" / "train.json")

    def run(seed: int) -> None:
        torch.manual_seed(seed)
        donor = build_model(**SMALL.model_dump(), channels_last=False)
        torch.save(donor.network.encoder.state_dict(), path)
        train(params, PARAMS.model_copy(update={"epochs": 1}), small_store_dir, *outputs)

    for seed in (1, 2):
        with monkeypatch.context() as patch:
            kill_at(patch, steelcli.training.run.Trainer, "_step", 2)
            with pytest.raises(Killed):
                run(seed)
        assert "going on" not in capsys.readouterr().out
    run(2)
    assert "going on" in capsys.readouterr().out
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    settings = json.loads((tmp_path / "models" / "args.json").read_text(encoding="utf-8"))
    assert settings["run"]["encoder_digest"] == digest
    assert load_checkpoint(find_best(tmp_path / "models", "dice")).encoder_digest == digest


def test_a_damaged_state_is_told_and_set_aside(
    whole_dir: Path, small_store_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        kill_at(patch, steelcli.training.run.Trainer, "_step", 2)
        with pytest.raises(Killed):
            run_small(tmp_path, small_store_dir)
    (state_path,) = (tmp_path / ".steelcli" / "train").glob("*/state-*.pt")
    raw = bytearray(state_path.read_bytes())
    raw[len(raw) // 2] ^= 1
    state_path.write_bytes(raw)
    for _ in range(2):
        with pytest.raises(RunError, match=r"damaged.*; run `steelcli train --restart`"):
            run_small(tmp_path, small_store_dir)
    run_small(tmp_path, small_store_dir, restart=True)
    assert_same_run(whole_dir, tmp_path)


@pytest.mark.parametrize(
    "content", ["hello", {}, {"position": {"epoch": 1}, "run_folder": "{}"}, bytearray(9)]
)
def test_a_state_that_no_training_wrote_is_told(
    content: Any, small_store_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        kill_at(patch, steelcli.training.run.Trainer, "_step", 2)
        with pytest.raises(Killed):
            run_small(tmp_path, small_store_dir)
    (state_path,) = (tmp_path / ".steelcli" / "train").glob("*/state-*.pt")
    StateDir(state_path.parent.parent, state_path.parent.name).save(content, 9, 9)
    with pytest.raises(UserError, match="train --restart"):
        run_small(tmp_path, small_store_dir)


def test_a_state_without_its_checkpoints_is_told(
    whole_dir: Path, small_store_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        kill_at(patch, steelcli.training.run.RunFolder, "add_epoch", 2)
        with pytest.raises(Killed):
            run_small(tmp_path, small_store_dir)
    best = next((tmp_path / ".steelcli" / "train").glob("*/models/best_dice_*.pth"))
    best.unlink()
    with pytest.raises(
        RunError, match=rf"is missing: .*{best.name}; run `steelcli train --restart`"
    ):
        run_small(tmp_path, small_store_dir)
    run_small(tmp_path, small_store_dir, restart=True)
    assert_same_run(whole_dir, tmp_path)


@pytest.mark.faults
def test_a_disk_that_is_full_at_each_write_in_turn_loses_nothing(
    whole_dir: Path, small_store_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every output is renamed into place once; at attempt n the disk is full from the n-th of these
    on."""
    replace = Path.replace
    told: list[str] = []
    while True:
        calls = 0

        def full(path: Path, target: Path, most: int = len(told)) -> Path:
            nonlocal calls
            calls += 1
            if calls > most:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return replace(path, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", full)
            try:
                run_small(tmp_path, small_store_dir)
                break
            except RunError as error:
                told.append(str(error))
    assert len(told) > 5
    assert all("No space left on device" in sentence for sentence in told)
    assert_same_run(whole_dir, tmp_path)


@pytest.mark.parametrize(
    ("batch_size", "error", "sentence"),
    [
        (
            2,
            torch.OutOfMemoryError("x"),
            r"train\.batch_size; lower it to 1 and raise train\.accumulate_steps to 4",
        ),
        (
            1,
            torch.OutOfMemoryError("x"),
            r"train\.batch_size; lower data\.image_size or take a smaller",
        ),
    ],
)
def test_memory_that_runs_out_is_told_with_the_advice_that_fits(
    small_store_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    batch_size: int,
    error: Exception,
    sentence: str,
) -> None:
    def run_out(*_: Any) -> None:
        raise error

    monkeypatch.setattr(steelcli.training.run.Trainer, "_step", run_out)
    with pytest.raises(RunError, match=sentence):
        run_small(tmp_path, small_store_dir, PARAMS.model_copy(update={"batch_size": batch_size}))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("call", [1, 2, 6])
def test_a_loading_process_that_is_killed_amid_a_step_changes_no_bit(
    whole_dir: Path,
    small_store_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: int,
) -> None:
    """Each step takes two forward passes; the worker dies right after one of them."""
    forward = Trainer._pass
    calls = 0

    def killing(trainer: Trainer, *arguments: Any) -> Any:
        nonlocal calls
        result = forward(trainer, *arguments)
        calls += 1
        if calls == call:
            (worker,) = trainer.loader._workers
            os.kill(worker.pid, signal.SIGKILL)
            time.sleep(60)  # torch raises as soon as it gets word
        return result

    params = PARAMS.model_copy(update={"workers": 1})
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_pass", killing)
        with pytest.raises(RunError, match=r"memory runs out: train\.workers"):
            run_small(tmp_path, small_store_dir, params)
    run_small(tmp_path, small_store_dir, params)
    assert_same_run(whole_dir, tmp_path)


@pytest.mark.slow
def test_killed_loading_processes_of_the_real_command_change_no_bit(
    project_dir: Path, tmp_path: Path
) -> None:
    """Again and again, at whatever the training does then."""
    train = {
        "epochs": 12,
        "patience": 12,
        "workers": 2,
        "save_every_minutes": 1e-9,
        "batch_size": 4,
    }
    changes = SMALL_WALK | {
        "data": {"root": str(project_dir), **SMALL_WALK["data"]},
        "train": train,
    }
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
        write_params(tmp_path / name, changes)
        assert run_command(tmp_path / name, "prepare").returncode == 0
    assert run_command(tmp_path / "whole", "train").returncode == 0
    chance = random.Random(7)
    for epoch in (1, 3, 5, 8):
        process = subprocess.Popen(
            [sys.executable, "-m", "steelcli", "train"],
            cwd=tmp_path / "killed",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout
        assert any(line.startswith(f"epoch {epoch}/") for line in process.stdout)
        command = psutil.Process(process.pid)
        time.sleep(0.2 * chance.random())
        while not (workers := command.children()) and process.poll() is None:
            time.sleep(0.01)
        chance.choice(workers).kill()
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "Error: a loading process was killed, " in stderr
    done = run_command(tmp_path / "killed", "train")
    assert done.returncode == 0, done.stderr
    assert "going on with an interrupted run" in done.stdout
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


def test_nothing_is_published_for_a_parent_that_has_died(
    whole_dir: Path, small_store_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("steelcli.training.run.parent_lives", lambda: False)
        with pytest.raises(RunError, match="the process that started this training has ended"):
            run_small(tmp_path, small_store_dir)
    assert not (tmp_path / "models").exists()
    assert not (tmp_path / "metrics" / "train.json").exists()
    run_small(tmp_path, small_store_dir)
    assert_same_run(whole_dir, tmp_path)


def test_an_error_of_ours_is_not_taken_for_a_lost_process(
    small_store_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")

    monkeypatch.setattr(steelcli.training.run.Trainer, "_step", fail)
    with pytest.raises(RuntimeError, match="pid 7"):
        run_small(tmp_path, small_store_dir, PARAMS.model_copy(update={"workers": 1}))


def test_training_stops_early(store_dir: Path, tmp_path: Path) -> None:
    params = train_params(epochs=9, patience=1, lr=1e-9, min_lr=0.0)
    metrics = train(model_params(), params, store_dir, tmp_path / "models", tmp_path / "train.json")
    assert metrics["epochs"] < 9
    assert metrics["epochs"] - metrics["best_epoch"] == 1


def test_a_run_with_restarts_that_was_killed_stops_at_the_same_epoch(
    small_store_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Periods of 1, 2, 4 and 8 epochs; the epochs 2, 4, 5 and 8 to 11 do not count."""
    changes = {"epochs": 15, "patience": 2, "restart_epochs": 1, "lr": 1e-9, "min_lr": 0.0}
    params = PARAMS.model_copy(update=changes)
    whole = run_small(tmp_path / "whole", small_store_dir, params)
    scores = [float(row["val_dice_opt"]) for row in rows_without_times(tmp_path / "whole")]
    first = scores.index(max(scores)) + 1
    counted = [epoch for epoch in (1, 3, 6, 7, 12, 13, 14, 15) if epoch > first]
    assert whole["epochs"] == counted[1]
    assert "right after restarts that do not count: stopped early" in capsys.readouterr().out
    with monkeypatch.context() as patch:
        kill_at(patch, RunFolder, "add_epoch", whole["epochs"] - 1, after=True)
        with pytest.raises(Killed):
            run_small(tmp_path / "killed", small_store_dir, params)
    run_small(tmp_path / "killed", small_store_dir, params)
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


def test_mixed_precision_runs(store_dir: Path, tmp_path: Path) -> None:
    params = train_params(precision="bf16", epochs=1, channels_last=True)
    metrics = train(model_params(), params, store_dir, tmp_path / "models", tmp_path / "train.json")
    assert math.isfinite(metrics["train_loss"])
