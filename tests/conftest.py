"""Shared fixtures: a small synthetic project, its prepared store, and a run trained on it for two
epochs."""

from __future__ import annotations

import gc
import os
import socket
from pathlib import Path

import dvc  # noqa: F401  # its log writes to the stderr of this moment: to no test's capture
import pytest
from make_params import data_params, model_params, train_params
from walk import SMALL, steelcli, write_params

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
LONGEST = (
    "project/test_pipeline.py",
    "training/test_run.py",
    "tests/test_cli.py",
    "commands/test_predict_model.py",
    "hostile/test_data.py",
)
"""Files that take the longest, which begin first: at the end a worker would run one alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files for ``--dist loadfile``."""
    items.sort(key=lambda item: not str(item.path).endswith(LONGEST))


def pytest_collection_finish() -> None:
    """Keep what stays to the end out of garbage collections, and collect more rarely, which saves
    3 % of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


@pytest.fixture
def unused_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("localhost", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.fixture(scope="session")
def project_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 synthetic strips of 800×128 as a Supervisely project."""
    from small_project import write_small_project

    out_dir = tmp_path_factory.mktemp("raw") / "project"
    write_small_project(out_dir, 24, 7)
    return out_dir


@pytest.fixture(scope="session")
def store_dir(project_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project prepared at 128×32."""
    from steelcli.commands.prepare import prepare

    work_dir = tmp_path_factory.mktemp("work")
    prepare(data_params(root=str(project_dir)), work_dir / "prepared", work_dir / "data.json")
    return work_dir / "prepared"


@pytest.fixture(scope="session")
def run_dir(store_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models/ and metrics/train.json after two epochs."""
    from steelcli.commands.train import train

    out_dir = tmp_path_factory.mktemp("run")
    train(
        model_params(),
        train_params(),
        store_dir,
        out_dir / "models",
        out_dir / "metrics" / "train.json",
    )
    return out_dir


@pytest.fixture(scope="session")
def walked_dir(project_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every stage has run, with what each printed."""
    work_dir = tmp_path_factory.mktemp("walk")
    write_params(work_dir, SMALL | {"data": {"root": str(project_dir), **SMALL["data"]}})
    for name in ("prepare", "train", "tune-threshold", "evaluate", "report"):
        done = steelcli(work_dir, name)
        assert done.returncode == 0, done.stderr
        assert done.stdout
        (work_dir / f"{name}.stdout").write_text(done.stdout, encoding="utf-8")
    return work_dir
