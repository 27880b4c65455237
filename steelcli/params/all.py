"""The whole of ``params.yaml``, checked at the door of every command; stages depend on their own sections alone."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from steelcli.params.base import load_section
from steelcli.params.data import DataParams
from steelcli.params.evaluate import EvaluateParams
from steelcli.params.model import ModelParams
from steelcli.params.report import ReportParams
from steelcli.params.threshold import ThresholdParams
from steelcli.params.train import TrainParams


class Params(BaseModel):
    """All sections."""

    model_config = ConfigDict(frozen=True)

    data: DataParams
    model: ModelParams
    train: TrainParams
    threshold: ThresholdParams
    evaluate: EvaluateParams
    report: ReportParams


def load_params(path: Path) -> Params:
    """Load and validate every section of ``path``.

    Raises:
        ParamsError: anything missing, unknown, of a wrong type or out of range, by its dotted name.
    """
    return Params(
        data=load_section(path, "data", DataParams),
        model=load_section(path, "model", ModelParams),
        train=load_section(path, "train", TrainParams),
        threshold=load_section(path, "threshold", ThresholdParams),
        evaluate=load_section(path, "evaluate", EvaluateParams),
        report=load_section(path, "report", ReportParams),
    )
