"""A training that was killed and started again ends as if nothing had happened."""

from __future__ import annotations

import csv
import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from make_params import data_params, model_params, train_params

import steelcli.training.run
from steelcli.commands.prepare import prepare
from steelcli.commands.train import train
from steelcli.common.errors import Interrupted, RunError, UserError
from steelcli.model.trained_model import load_trained
from steelcli.params.train import TrainParams
from steelcli.training.saved_state import KEPT, StateDir
from steelcli.training.signals import StopRequest, stop_on_signal

TIMES = {"epoch_time", "train_images_per_second"}
SMALL = model_params(
    encoder_name="tu-tf_mobilenetv3_small_minimal_100", decoder_channels=[16, 8, 8, 8, 4]
)
PARAMS = train_params(
    epochs=2, save_every_minutes=1e-9, ema_decay=0.9, accumulate_steps=2, batch_size=2
)


class Killed(BaseException):
    """Stands for kill -9: nothing catches it."""


def run(
    out_dir: Path, store_dir: Path, params: TrainParams = PARAMS, **options: Any
) -> dict[str, Any]:
    return train(
        SMALL, params, store_dir, out_dir / "models", out_dir / "metrics" / "train.json", **options
    )


def kill_at(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, count: int, after: bool = False
) -> None:
    """Let the ``count``-th call of a method kill the run, before or after it does its work."""
    method: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def killing(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count and not after:
            raise Killed
        result = method(*args, **kwargs)
        if calls == count:
            raise Killed
        return result

    monkeypatch.setattr(owner, name, killing)


def rows_without_times(out_dir: Path) -> list[dict[str, str]]:
    with (out_dir / "models" / "metrics_seed42.csv").open(newline="", encoding="utf-8") as file:
        return [
            {key: value for key, value in row.items() if key not in TIMES}
            for row in csv.DictReader(file)
        ]


def assert_same_run(one: Path, other: Path) -> None:
    names = sorted(path.name for path in (one / "models").iterdir())
    assert names == sorted(path.name for path in (other / "models").iterdir())
    assert rows_without_times(one) == rows_without_times(other)
    for name in filter(lambda name: name.endswith(".pth"), names):
        weights = [
            torch.load(out / "models" / name, weights_only=True)["weights"] for out in (one, other)
        ]
        assert weights[0].keys() == weights[1].keys()
        assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0]), name


@pytest.fixture(scope="module")
def store_dir(project_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight images to train on, four to validate, at 128×32."""
    work_dir = tmp_path_factory.mktemp("small")
    params = data_params(root=str(project_dir), image_size=[128, 32], limit=8)
    prepare(params, work_dir / "prepared", work_dir / "data.json")
    return work_dir / "prepared"


@pytest.fixture(scope="module")
def whole(store_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupts."""
    out_dir = tmp_path_factory.mktemp("whole")
    run(out_dir, store_dir)
    assert not list((out_dir / ".steelcli" / "train").iterdir())
    return out_dir


@pytest.mark.parametrize(
    ("owner", "name", "count", "after"),
    [
        ("Trainer", "_step", 2, False),  # within the first epoch
        ("StateDir", "save", 5, True),
        ("Trainer", "_iter_scored", 2, False),  # at the second validation
        ("Record", "take", 2, True),  # the epoch's files are written, its state is not
        ("Record", "tidy", 6, False),
    ],
)
def test_a_killed_run_ends_as_if_nothing_had_happened(
    whole: Path,
    store_dir: Path,
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
            run(tmp_path, store_dir)
    assert not (tmp_path / "models").exists()
    run(tmp_path, store_dir)
    assert_same_run(whole, tmp_path)


def test_a_run_killed_before_its_last_file_only_writes_that(
    whole: Path, store_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        kill_at(patch, steelcli.training.run, "write_json", 1)
        with pytest.raises(Killed):
            run(tmp_path, store_dir)
        patch.setattr(steelcli.training.run.Trainer, "_step", None)  # nothing is trained again
        patch.undo()
        patch.setattr(steelcli.training.run.Trainer, "_step", None)
        run(tmp_path, store_dir)
    assert_same_run(whole, tmp_path)
    assert not list((tmp_path / ".steelcli" / "train").iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_says_how_to_go_on(
    whole: Path,
    store_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:
    step = steelcli.training.run.Trainer._step
    calls = 0

    def signalled(trainer: Any, batches: Any) -> list[int]:
        nonlocal calls
        calls += 1
        if calls == 2:
            os.kill(os.getpid(), number)
        return step(trainer, batches)

    with monkeypatch.context() as patch:
        patch.setattr(steelcli.training.run.Trainer, "_step", signalled)
        patch.setattr(
            steelcli.training.run._Run,
            "_save",
            counted := CountedSave(steelcli.training.run._Run._save),
        )
        slow = PARAMS.model_copy(update={"save_every_minutes": 1e9})
        with pytest.raises(
            Interrupted, match=r"epoch 1 after step 2 of \d+; the same command goes on"
        ) as caught:
            run(tmp_path, store_dir, slow)
    assert counted.calls == 1
    assert caught.value.exit_code == 128 + number
    run(tmp_path, store_dir, slow)
    assert rows_without_times(whole) == rows_without_times(tmp_path)


class CountedSave:
    def __init__(self, method: Callable[..., Any]) -> None:
        self.method, self.calls = method, 0

    def __get__(self, instance: Any, _owner: type) -> Callable[..., Any]:
        def call() -> None:
            self.calls += 1
            self.method(instance)

        return call


def test_a_second_signal_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    killed = []
    monkeypatch.setattr(
        "steelcli.training.signals.os.kill", lambda pid, number: killed.append((pid, number))
    )
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signal() as request:
        request.take(signal.SIGTERM, None)
        assert request.number == signal.SIGTERM
        assert not killed
        request.take(signal.SIGTERM, None)
        assert killed == [(os.getpid(), signal.SIGTERM)]
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) == before


def test_another_run_does_not_take_the_state(
    store_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        kill_at(patch, steelcli.training.run.Trainer, "_step", 2)
        with pytest.raises(Killed):
            run(tmp_path, store_dir)
    capsys.readouterr()
    run(tmp_path, store_dir, train_params(lr=0.002, epochs=1))
    assert "going on" not in capsys.readouterr().out
    monkeypatch.setattr("steelcli.training.run.code_digest", lambda _: "other code")
    run(tmp_path, store_dir, PARAMS.model_copy(update={"epochs": 1}))
    assert "going on" not in capsys.readouterr().out


def test_a_damaged_state_is_told_and_set_aside(
    whole: Path, store_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        kill_at(patch, steelcli.training.run.Trainer, "_step", 2)
        with pytest.raises(Killed):
            run(tmp_path, store_dir)
    (state_path,) = (tmp_path / ".steelcli" / "train").glob("*/state-*.pt")
    raw = bytearray(state_path.read_bytes())
    raw[len(raw) // 2] ^= 1
    state_path.write_bytes(raw)
    for _ in range(2):
        with pytest.raises(
            RunError, match=r"damaged.*; remove that folder, or run `steelcli train --restart`"
        ):
            run(tmp_path, store_dir)
    run(tmp_path, store_dir, restart=True)
    assert_same_run(whole, tmp_path)


@pytest.mark.parametrize(
    "content", ["hello", {}, {"progress": {"epoch": 1}, "record": "{}"}, bytearray(9)]
)
def test_a_state_that_no_training_wrote_is_told(
    content: Any, store_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        kill_at(patch, steelcli.training.run.Trainer, "_step", 2)
        with pytest.raises(Killed):
            run(tmp_path, store_dir)
    (state_path,) = (tmp_path / ".steelcli" / "train").glob("*/state-*.pt")
    StateDir(state_path.parent.parent, state_path.parent.name).save(content, 9, 9)
    with pytest.raises(UserError, match="train --restart"):
        run(tmp_path, store_dir)


def test_a_state_without_its_checkpoints_is_told(
    whole: Path, store_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        kill_at(patch, steelcli.training.run.Record, "take", 2)
        with pytest.raises(Killed):
            run(tmp_path, store_dir)
    best = next((tmp_path / ".steelcli" / "train").glob("*/models/best_dice_*.pth"))
    best.unlink()
    with pytest.raises(
        RunError, match=rf"is missing: .*{best.name}; run `steelcli train --restart`"
    ):
        run(tmp_path, store_dir)
    run(tmp_path, store_dir, restart=True)
    assert_same_run(whole, tmp_path)


def test_a_full_disk_leaves_the_older_state_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state_dir = StateDir(tmp_path, "key")
    with state_dir.claim():
        state_dir.save({"value": torch.ones(3)}, 1, 1)

        def full(*_: Any) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_bytes", full)
            with pytest.raises(RunError, match="No space left on device"):
                state_dir.save({"value": torch.zeros(3)}, 1, 2)
        found = state_dir.load()
        assert found is not None
        assert torch.equal(found["value"], torch.ones(3))


def test_the_furthest_state_counts_whatever_the_clock_says(tmp_path: Path) -> None:
    state_dir = StateDir(tmp_path, "key")
    with state_dir.claim():
        state_dir.save({"value": 1}, 2, 9)
        (first,) = state_dir.path.glob("state-*.pt")
        copy = first.read_bytes()
        state_dir.save({"value": 2}, 10, 0)
        assert not first.exists()
        first.write_bytes(copy)  # killed before the older one was removed
        (newest,) = (path for path in state_dir.path.glob("state-*.pt") if path != first)
        os.utime(newest, (0, 0))
        assert state_dir.load() == {"value": 2}


def test_two_processes_cannot_train_the_same_run(tmp_path: Path) -> None:
    with StateDir(tmp_path, "key").claim():
        second = StateDir(tmp_path, "key").claim()
        with pytest.raises(RunError, match="another process is training this very run"):
            second.__enter__()
        with StateDir(tmp_path, "another").claim():
            pass


def test_old_states_are_pruned(tmp_path: Path) -> None:
    for age in range(KEPT + 3):
        (tmp_path / f"old{age}").mkdir(parents=True)
        os.utime(tmp_path / f"old{age}", (1000 - age, 1000 - age))
    with StateDir(tmp_path, "new").claim():
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "new",
        *(f"old{age}" for age in range(KEPT)),
    ]


def test_a_request_outside_the_main_thread_is_never_made() -> None:
    from threading import Thread

    seen: list[StopRequest] = []

    def body() -> None:
        with stop_on_signal() as request:
            seen.append(request)

    thread = Thread(target=body)
    thread.start()
    thread.join()
    assert seen[0].number == 0


def test_a_consumer_of_predictions_keeps_its_gradients(whole: Path, store_dir: Path) -> None:
    trained = load_trained(whole / "models", store_dir)
    maps = trained.iter_levels("val", 1)
    next(maps)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


@pytest.mark.faults
def test_a_disk_that_is_full_at_each_write_in_turn_loses_nothing(
    whole: Path, store_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
                run(tmp_path, store_dir)
                break
            except RunError as error:
                told.append(str(error))
    assert len(told) > 5
    assert all("No space left on device" in sentence for sentence in told)
    assert_same_run(whole, tmp_path)


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
        (
            2,
            RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."),
            r"memory runs out: train\.workers",
        ),
    ],
)
def test_memory_that_runs_out_is_told_with_the_advice_that_fits(
    store_dir: Path,
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
        run(tmp_path, store_dir, PARAMS.model_copy(update={"batch_size": batch_size}))
