"""The whole of ``params.yaml``, checked at the start of every command."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from steelcli.params.data import DataParams
from steelcli.params.evaluate import EvaluateParams
from steelcli.params.hints import refuse_unknown
from steelcli.params.model import ModelParams
from steelcli.params.report import ReportParams
from steelcli.params.section import pick_section, read_params
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
    raw = read_params(path)
    refuse_unknown(raw, Params)  # first: a slip of a key is also a missing key
    return Params(
        data=pick_section(raw, path, "data", DataParams),
        model=pick_section(raw, path, "model", ModelParams),
        train=pick_section(raw, path, "train", TrainParams),
        threshold=pick_section(raw, path, "threshold", ThresholdParams),
        evaluate=pick_section(raw, path, "evaluate", EvaluateParams),
        report=pick_section(raw, path, "report", ReportParams),
    )
