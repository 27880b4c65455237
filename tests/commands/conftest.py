"""A folder in which `steelcli predict` can run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
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
