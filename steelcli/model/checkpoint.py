"""Self-describing checkpoints: weights, params, score, versions, data; written whole, loaded
without running code."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import ConfigDict, Field

from steelcli.common.errors import ModelError, ParamsError, quote
from steelcli.common.inputs import is_shallow
from steelcli.common.outputs import staged_file
from steelcli.model.network import SegmentationModel, build_frame, build_model
from steelcli.model.torch_file import load_values, take_tensors
from steelcli.model.weights import find_misfit
from steelcli.params.model import ModelParams
from steelcli.params.section import Section, parse_section

FORMAT = 1
_REMEDY = "train again or restore the file"
Side = Annotated[int, Field(ge=1, le=65536)]


class _TrainedWith(Section):
    """What running a checkpoint takes from section ``train``; the other keys are kept as they
    are."""

    model_config = ConfigDict(extra="allow")

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    deterministic: bool
    channels_last: bool


class _RunParams(Section):
    model: ModelParams
    train: _TrainedWith


class _Header(Section):
    """Everything in a checkpoint but the weights; see `Checkpoint`."""

    params: _RunParams
    epoch: Annotated[int, Field(ge=1)]
    score: Annotated[float, Field(ge=0, le=1)] | None
    precision: Literal["fp32", "bf16", "fp16"]
    store: Annotated[str, Field(max_length=256)]
    image_size: tuple[Side, Side]
    versions: dict[str, str]
    code: Annotated[str, Field(max_length=256)]
    format: Literal[1]


@dataclass(frozen=True)
class Checkpoint:
    """What a ``.pth`` file holds, plain types and tensors alone.

    Attributes:
        weights: the network's state dict.
        params: sections ``model`` and ``train`` as plain mappings.
        epoch: 1-based epoch after which the weights were taken.
        score: validation score the file is named for, or None for a periodic checkpoint.
        precision: number format of the forward pass in training.
        store: fingerprint of the prepared store.
        image_size: width and height the network was trained at, pixels.
        versions: versions of the packages.
        code: git revision of the working directory.
    """

    weights: dict[str, torch.Tensor]
    params: dict[str, Any]
    epoch: int
    score: float | None
    precision: str
    store: str
    image_size: tuple[int, int]
    versions: dict[str, str]
    code: str
    format: int = FORMAT


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint under a temporary name and move it into place."""
    values = {field.name: getattr(checkpoint, field.name) for field in fields(checkpoint)}
    with staged_file(path) as partial_path, partial_path.open("wb") as file:
        try:
            torch.save(
                values, file
            )  # given a path instead of a file, torch never says that the disk is full
        except RuntimeError as error:
            if isinstance(
                error.__context__, OSError
            ):  # its own complaint, on closing, covers the cause up
                raise error.__context__ from error
            raise


def load_checkpoint(path: Path) -> Checkpoint:
    """Load a checkpoint to the CPU with ``weights_only=True``.

    Raises:
        ModelError: a file that is missing, truncated or foreign, would run code, or has a field
            that is not as written by `save_checkpoint`.
    """
    try:
        values = load_values(path, "the checkpoint", _REMEDY)
    except FileNotFoundError as error:
        raise ModelError("checkpoint not found", path, "run `dvc repro train`") from error
    names = {field.name for field in fields(Checkpoint)}
    if not isinstance(values, dict) or set(values) != names:
        is_bare = isinstance(values, dict) and all(
            isinstance(value, torch.Tensor) for value in values.values()
        )
        kind = " but a bare state dict" if is_bare else ""
        raise ModelError(
            f"the file is no steelcli checkpoint{kind}", path, "train again or name another file"
        )
    if type(values["format"]) is not int or values["format"] != FORMAT:
        what = (
            f"the file is a steelcli checkpoint of format {quote(values['format'])}, not {FORMAT}"
        )
        raise ModelError(what, path, "train again or use the version that wrote it")
    header = {key: value for key, value in values.items() if key != "weights"}
    if not is_shallow(header, 8, items=10_000):
        raise ModelError("the checkpoint's fields are nested too deeply or too long", path, _REMEDY)
    try:
        parse_section(header, "checkpoint", _Header)
    except ParamsError as error:
        what = f"the checkpoint's field {error.where.removeprefix('checkpoint.')} is wrong: {error.what}"
        raise ModelError(what, path, _REMEDY) from error
    weights = take_tensors(values["weights"], path, "the checkpoint", _REMEDY)
    return Checkpoint(**header, weights=weights)


def restore_model(checkpoint: Checkpoint, path: Path) -> SegmentationModel:
    """Build the checkpoint's network, with its weights, in evaluation mode on the CPU.

    Raises:
        ModelError: a network that cannot be built, or weights that do not fit it.
    """
    params = parse_section(checkpoint.params["model"], "model", ModelParams)

    def build() -> SegmentationModel:
        plain = params.model_copy(update={"encoder_weights": None})
        return build_model(
            **plain.model_dump(), channels_last=bool(checkpoint.params["train"]["channels_last"])
        )

    try:
        frame = build_frame(params.encoder_name, build)
        if misfit := find_misfit(checkpoint.weights, frame.state_dict()):
            what = f"the weights do not fit the architecture named beside them ({misfit})"
            raise ModelError(what, path, "train again")
        model = build()
    except ModelError as error:
        if error.where == str(path):
            raise
        raise ModelError(
            f"the checkpoint's network cannot be built ({error.what})", path, "train again"
        ) from error
    model.load_state_dict(checkpoint.weights)
    return model.eval()


def find_best(models_dir: Path, monitor: str) -> Path:
    """Return the one best checkpoint by ``monitor`` (dice or iou).

    Raises:
        ModelError: none or several.
    """
    found = sorted(models_dir.glob(f"best_{monitor}_*.pth"))
    if len(found) != 1:
        remedy = (
            "run `dvc repro train` or `steelcli train`"
            if not found
            else "keep one and remove the others"
        )
        raise ModelError(
            f"{len(found)} checkpoints named best_{monitor}_*.pth, not one", models_dir, remedy
        )
    return found[0]


def describe(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return everything but the weights, for a person to read."""
    return {key: value for key, value in asdict(checkpoint).items() if key != "weights"}
