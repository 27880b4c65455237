"""Trained runs with a threshold: a folder for `steelcli predict`, and what is exported."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from export_run import Run
from make_params import data_params, threshold_params
from walk import write_params

from steelcli.commands.tune_threshold import tune_threshold


@pytest.fixture(scope="session")
def predict_dir(
    project_dir: Path, run_dir: Path, store_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The trained run with a threshold, and 24 images in ``in/``."""
    work_dir = tmp_path_factory.mktemp("predict")
    shutil.copytree(run_dir / "models", work_dir / "models")
    metrics_dir = work_dir / "metrics"
    paths = (metrics_dir / "threshold.json", metrics_dir / "curve.csv", work_dir / "val")
    tune_threshold(threshold_params(), "none", store_dir, work_dir / "models", *paths)
    write_params(work_dir, {"data": {"image_size": list(data_params().image_size)}})
    (work_dir / "in").mkdir()
    for path in project_dir.rglob("*.jpg"):
        shutil.copy(path, work_dir / "in")
    return work_dir


@pytest.fixture(scope="session")
def tuned_run(run_dir: Path, store_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The trained run with its threshold, mirror images averaged; not to be written into."""
    run = Run(run_dir / "models", store_dir, tmp_path_factory.mktemp("tuned_run"))
    run.tune()
    return run


@pytest.fixture(scope="module")
def tuned(tuned_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The tuned run with exports of this module's own."""
    return tuned_run.copy(tmp_path_factory.mktemp("tuned"))


@pytest.fixture
def run(tuned_run: Run, tmp_path: Path) -> Run:
    """A copy of the tuned run that may be spoilt."""
    return tuned_run.copy(tmp_path)
