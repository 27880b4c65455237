"""W&B offline, an MLflow store in sqlite, TensorBoard: really written by a run, read back, and one
run each."""

from __future__ import annotations

import csv
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from make_params import train_params
from walk import SMALL, steelcli, write_params

from steelcli.common.errors import ModelError, RunError
from steelcli.model.run_settings import TrackedRun, read_settings
from steelcli.scores.columns import EPOCH_COLUMNS
from steelcli.training.trackers import Trackers, name_run

NAMES = ["wandb", "mlflow", "tensorboard"]


@pytest.fixture(scope="module")
def tracked_dir(project_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a run of two epochs was tracked by all three, up to the test scores."""
    for name in NAMES:
        pytest.importorskip(name, reason="`make trackers` installs the trackers")
    work_dir = tmp_path_factory.mktemp("tracked")
    train = SMALL["train"] | {"trackers": NAMES, "epochs": 2}
    write_params(
        work_dir, SMALL | {"data": {"root": str(project_dir), **SMALL["data"]}, "train": train}
    )
    for command in ("prepare", "train", "tune-threshold", "evaluate"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("WANDB_MODE", "offline")
            done = steelcli(work_dir, command)
        assert done.returncode == 0, done.stderr
    return work_dir


def epochs(work_dir: Path) -> list[dict[str, str]]:
    with (work_dir / "models" / "metrics_seed42.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def final_score(work_dir: Path) -> float:
    values: dict[str, Any] = json.loads(
        (work_dir / "metrics" / "test.json").read_text(encoding="utf-8")
    )
    score: float = values["optimal"]["dice"]
    return score


def read_leveldb_log(path: Path) -> Iterator[bytes]:
    """Yield the records of a file in LevelDB's log format: blocks of 32 KiB, each part led by crc,
    length and type."""
    data, position, parts = path.read_bytes(), 7, b""  # W&B's own header is 7 bytes long
    while position < len(data):
        left = 32768 - position % 32768
        if left < 7:
            position += left
            continue
        length, kind = struct.unpack_from("<HB", data, position + 4)
        parts += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield parts
            parts = b""


@pytest.mark.trackers
@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_mlflow_holds_every_column_the_parameters_and_the_final_scores_in_one_run(
    tracked_dir: Path,
) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{tracked_dir / 'trackers' / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string="name = 'steelcli'")
    (run,) = client.search_runs([experiment.experiment_id])
    rows = epochs(tracked_dir)
    for column in EPOCH_COLUMNS:
        known = [float(row[column]) for row in rows if row[column]]
        history = client.get_metric_history(run.info.run_id, column)
        assert [point.value for point in history] == pytest.approx(known), column
        assert [point.step for point in history] == [1, 2][: len(known)]
    assert run.data.metrics["test.optimal.dice"] == pytest.approx(final_score(tracked_dir))
    assert run.data.params["train.lr"] == "0.001"
    assert Path(tracked_dir / run.data.params["checkpoints.best_dice"]).exists()
    assert run.info.status == "FINISHED"


@pytest.mark.trackers
@pytest.mark.filterwarnings("ignore")  # protobuf's own
def test_wandb_holds_every_column_in_its_offline_folder(tracked_dir: Path) -> None:
    from wandb.proto import wandb_internal_pb2

    rows: list[dict[str, float]] = []
    identifiers = set()
    folders = sorted((tracked_dir / "trackers" / "wandb").glob("offline-run-*"))
    for folder in folders:
        (log_path,) = folder.glob("*.wandb")
        identifiers.add(log_path.stem)
        for raw in read_leveldb_log(log_path):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(raw)
            if record.HasField("history"):
                items = {
                    item.key or ".".join(item.nested_key): item.value_json
                    for item in record.history.item
                }
                rows.append({key: json.loads(value) for key, value in items.items()})
    assert (
        len(folders) == 2
    )  # training and evaluation; `wandb sync` joins them, since both have the run's identifier
    assert len(identifiers) == 1
    train_rows = [row for row in rows if "train_loss" in row]
    for row, expected in zip(train_rows, epochs(tracked_dir), strict=True):
        for column in EPOCH_COLUMNS:
            assert expected[column] == "" or row[column] == pytest.approx(
                float(expected[column])
            ), column
    assert any(
        row.get("test.optimal.dice") == pytest.approx(final_score(tracked_dir)) for row in rows
    )


@pytest.mark.trackers
@pytest.mark.filterwarnings("ignore")  # protobuf's own
def test_tensorboard_holds_every_column(tracked_dir: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (folder,) = (tracked_dir / "trackers" / "tensorboard").iterdir()
    events = EventAccumulator(str(folder)).Reload()
    for column in EPOCH_COLUMNS:
        known = [float(row[column]) for row in epochs(tracked_dir) if row[column]]
        assert [event.value for event in events.Scalars(column)] == pytest.approx(
            known, rel=1e-6
        ), column
    assert events.Scalars("test.optimal.dice")[0].value == pytest.approx(
        final_score(tracked_dir), rel=1e-6
    )


class Broken:
    """A tracker whose server has gone."""

    name = "broken"

    def start(self) -> None:
        raise ConnectionError("no route to host\nmore")

    def log(self, values: dict[str, float], step: int | None) -> None:
        raise ConnectionError(f"lost {len(values)} values of step {step}")

    def finish(self) -> None:
        raise AssertionError("a tracker that failed is not asked again")


def test_a_tracker_that_cannot_be_reached_stops_before_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("steelcli.training.trackers._BUILDERS", {"wandb": lambda _: Broken()})
    with pytest.raises(
        RunError, match=r"wandb cannot be started \(no route to host\): train\.trackers; mend"
    ):
        Trackers(["wandb"], {})


def test_a_tracker_that_fails_later_is_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Broken, "start", lambda _: None)
    monkeypatch.setattr("steelcli.training.trackers._BUILDERS", {"wandb": lambda _: Broken()})
    trackers = Trackers(["wandb"], {})
    for step in (1, 2):
        trackers.log({"loss": 0.5, "group": {"part": 1}, "unknown": None}, step)
    trackers.finish()
    told = (
        "wandb takes no more values (lost 2 values of step 1); they are in the csv all the same\n"
    )
    assert capsys.readouterr().out == told


TRAIN = {"monitor": "dice", "trackers": ["tensorboard"]}
KNOWN = {"key": "0123456789abcdef", "name": "Unet-resnet34", "mlflow": "0" * 32}


@pytest.mark.parametrize(
    ("train", "run", "where"),
    [
        (None, {}, "train"),
        ({"monitor": "dice"}, {}, "train.trackers"),
        (TRAIN | {"trackers": ["os"]}, {"trackers": KNOWN}, "train.trackers.0"),
        (TRAIN, None, "run"),
        (TRAIN, [], "run"),
        (TRAIN, {"trackers": KNOWN | {"name": "../../elsewhere"}}, "run.trackers.name"),
        (TRAIN, {"trackers": KNOWN | {"name": ".."}}, "run.trackers.name"),
        (TRAIN, {"trackers": KNOWN | {"key": "/etc/x"}}, "run.trackers.key"),
        (TRAIN, {"trackers": KNOWN | {"mlflow": "0/1"}}, "run.trackers.mlflow"),
    ],
)
def test_settings_that_no_training_wrote_are_refused(
    train: Any, run: Any, where: str, tmp_path: Path
) -> None:
    path = tmp_path / "args.json"
    path.write_text(json.dumps({"train": train, "run": run}), encoding="utf-8")
    with pytest.raises(ModelError, match=rf"are wrong at {where}: .*args\.json; run"):
        read_settings(path)


@pytest.mark.parametrize("name", ["brave-heron", "../up", ".hidden", "a/b\\c", "x" * 999])
def test_the_name_of_an_experiment_becomes_that_of_a_folder(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", name)
    made = name_run(
        {
            "model": {"architecture": "unet", "encoder_name": "resnet34"},
            "train": {"lr": 1, "seed": 2},
        }
    )
    assert TrackedRun(key="0" * 16, name=made).name == made
    assert (made == name) == (name == "brave-heron")


def test_settings_of_a_training_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "args.json"
    values = {
        "train": TRAIN | {"trackers": ["mlflow"], "lr": 1},
        "run": {"device": "cpu", "trackers": KNOWN},
    }
    path.write_text(json.dumps(values), encoding="utf-8")
    known, settings = read_settings(path)
    assert known == values
    assert settings.run.trackers is not None
    assert settings.run.trackers.model_dump() == KNOWN


def test_the_names_of_the_parameters_are_those_of_the_packages() -> None:
    from steelcli.training.trackers import _BUILDERS

    assert train_params(trackers=list(_BUILDERS)).trackers == tuple(_BUILDERS)
