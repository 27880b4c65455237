"""A small store and a run on it that nothing interrupts."""

from __future__ import annotations

from pathlib import Path

import pytest
from make_params import data_params
from small_runs import run_small
from walk import SMALL, steelcli, write_params

from steelcli.commands.prepare import prepare


@pytest.fixture(scope="session")
def small_store_dir(project_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight images to train on, four to validate, at 128×32."""
    work_dir = tmp_path_factory.mktemp("small")
    params = data_params(root=str(project_dir), image_size=[128, 32], limit=8)
    prepare(params, work_dir / "prepared", work_dir / "data.json")
    return work_dir / "prepared"


@pytest.fixture(scope="session")
def whole_dir(small_store_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupts."""
    out_dir = tmp_path_factory.mktemp("whole")
    run_small(out_dir, small_store_dir)
    assert not list((out_dir / ".steelcli" / "train").iterdir())
    return out_dir


@pytest.fixture(scope="session")
def prepared_dir(project_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `train` can run."""
    work_dir = tmp_path_factory.mktemp("node")
    write_params(work_dir, SMALL | {"data": {"root": str(project_dir), **SMALL["data"]}})
    assert steelcli(work_dir, "prepare").returncode == 0
    return work_dir
