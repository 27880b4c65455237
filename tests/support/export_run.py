"""A trained run whose network is exported."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from make_params import evaluate_params, threshold_params

from steelcli.commands import export as command
from steelcli.commands.evaluate import evaluate
from steelcli.commands.export import export
from steelcli.commands.tune_threshold import tune_threshold
from steelcli.common.formats import Format
from steelcli.common.metrics_file import format_metrics, read_metrics
from steelcli.data.predictions.saved import SavedPredictions
from steelcli.model.exported import FILE_NAMES, Exported
from steelcli.model.inference import predict
from steelcli.model.trained_model import load_best

PARAMS = threshold_params(objective="f1", min_areas_px=[0, 40], flip_tta=True, batch_size=1)


class Run:
    """A trained run with its threshold, learned with `PARAMS`."""

    def __init__(self, models_dir: Path, store_dir: Path, work_dir: Path) -> None:
        self.models_dir, self.store_dir, self.work_dir = models_dir, store_dir, work_dir
        self.metrics_dir, self.exports_dir = work_dir / "metrics", work_dir / "exports"
        self.threshold_path = self.metrics_dir / "threshold.json"
        self.export_path = self.metrics_dir / "export.json"

    def copy(self, work_dir: Path) -> Run:
        """Return the same run with files of its own, which may be spoilt."""
        shutil.copytree(self.metrics_dir, work_dir / "metrics")
        copy = Run(self.models_dir, self.store_dir, work_dir)
        copy.export_path.unlink(missing_ok=True)
        return copy

    def tune(self) -> None:
        paths = (self.threshold_path, self.metrics_dir / "curve.csv", self.work_dir / "val")
        tune_threshold(PARAMS, "none", self.store_dir, self.models_dir, *paths)

    def evaluate(self) -> SavedPredictions:
        folders = (self.store_dir, self.models_dir, self.threshold_path, self.metrics_dir)
        evaluate(evaluate_params(), PARAMS.min_areas_px, *folders, self.work_dir / "test")
        return SavedPredictions(self.work_dir / "test")

    def export(self, wanted: Format, *, int8: bool = False) -> dict[str, Any]:
        paths = (self.threshold_path, self.export_path, self.exports_dir)
        return export(wanted, PARAMS, 2, self.store_dir, self.models_dir, *paths, int8=int8)

    def path(self, wanted: Format) -> Path:
        return self.exports_dir / wanted.value / FILE_NAMES[wanted]

    def files(self) -> list[Path]:
        return [path for path in self.exports_dir.rglob("*") if path.is_file()]

    def change_threshold(self, **changes: float) -> None:
        metrics = read_metrics(self.threshold_path, "")
        assert metrics.data_key
        text = format_metrics({**metrics.values, **changes}, metrics.data_key, metrics.run_key)
        self.threshold_path.write_text(text, encoding="utf-8")


def export_torch(monkeypatch: pytest.MonkeyPatch, run: Run, spoil: Callable[[Any], Any]) -> None:
    """Let the exported network be torch's own, with its probabilities spoilt."""
    model = load_best(run.models_dir).model

    def compute(images: Any) -> Any:
        with torch.inference_mode():
            return spoil(predict(model, torch.from_numpy(images), "fp32", flip_tta=True).numpy())

    monkeypatch.setattr(command, "capture", lambda *_: None)
    monkeypatch.setattr(command, "write_graph", lambda *arguments: arguments[3].write_bytes(b"x"))
    monkeypatch.setattr(command, "open_exported", lambda *_: Exported(compute, {}))
