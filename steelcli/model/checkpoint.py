"""Self-describing checkpoints, written whole and loaded without running code."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import ConfigDict, Field

from steelcli.common.errors import ModelError, ParamsError, quote
from steelcli.common.fingerprint import fingerprint
from steelcli.common.inputs import is_shallow
from steelcli.common.outputs import staged_file
from steelcli.common.paths import MAKE_MODEL
from steelcli.model.network import SegmentationModel, build_frame, build_model
from steelcli.model.torch_file import copy_tensors, load_values
from steelcli.model.weights import find_misfit
from steelcli.params.model import NetworkParams
from steelcli.params.section import Section, parse_section

FORMAT = 2
_REMEDY = "train again or restore the file"
Side = Annotated[int, Field(ge=1, le=65536)]


class TrainedWith(Section):
    """The keys of section ``train`` that running a checkpoint needs; others are kept."""

    model_config = ConfigDict(extra="allow")

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    deterministic: bool
    channels_last: bool


class RunParams(Section):
    """The sections of ``params.yaml`` that the network was trained with."""

    model: NetworkParams
    train: TrainedWith


class Header(Section):
    """What a ``.pth`` file holds beside the weights, in plain types."""

    params: RunParams
    epoch: Annotated[int, Field(ge=1)]
    """1-based epoch after which the weights were taken."""
    score: Annotated[float, Field(ge=0, le=1)] | None
    """Validation score the file is named for, None for a periodic checkpoint."""
    precision: Literal["fp32", "bf16", "fp16"]
    """Number format of the forward pass in training."""
    store: Annotated[str, Field(max_length=256)]
    """Fingerprint of the prepared store."""
    encoder_digest: Annotated[str, Field(max_length=256)] | None
    """SHA-256 of the file of encoder weights that the training began with, None without a file."""
    image_size: tuple[Side, Side]
    """Width and height the network was trained at, pixels."""
    versions: dict[str, str]
    """Versions of the packages."""
    code: Annotated[str, Field(max_length=256)]
    """Git revision of the working directory."""
    format: Literal[2]


class Checkpoint(Header):
    """A header and the weights, the network's state dict."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    weights: dict[str, torch.Tensor]

    @property
    def run_key(self) -> str:
        """What stands for the data and the weights: of one run's files all state the same."""
        return fingerprint(self._iter_parts())

    def _iter_parts(self) -> Iterator[str | bytes]:
        yield self.store
        for key, tensor in sorted(self.weights.items()):
            yield key
            yield tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def make_checkpoint(header: dict[str, Any], weights: dict[str, torch.Tensor]) -> Checkpoint:
    """Return a checkpoint of this format; ``header`` has the other fields of `Header`.

    Raises:
        ParamsError: a field that is missing, unknown or wrong.
    """
    checked = parse_section(header, "checkpoint", Header)
    return Checkpoint(**dict(checked), weights=weights)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint under a temporary name and move it into place."""
    values = checkpoint.model_dump(mode="json", exclude={"weights"})
    values["weights"] = checkpoint.weights
    with staged_file(path) as partial_path, partial_path.open("wb") as file:
        try:
            torch.save(values, file)  # a file, not a path, so that a full disk is an OSError
        except RuntimeError as error:
            # torch's own complaint, on closing, hides the cause
            if isinstance(error.__context__, OSError):
                raise error.__context__ from error
            raise


def load_checkpoint(path: Path) -> Checkpoint:
    """Load a checkpoint to the CPU with ``weights_only=True``.

    Raises:
        ModelError: a file that is missing, truncated or foreign, would run code, or has a field
            that is not as `save_checkpoint` writes it.
    """
    try:
        values = load_values(path, "the checkpoint", _REMEDY)
    except FileNotFoundError as error:
        raise ModelError("checkpoint not found", path, MAKE_MODEL) from error
    _check_kind(values, path)
    weights = values.pop("weights")
    if not is_shallow(values, 8, items=10_000):
        raise ModelError("the checkpoint's fields are nested too deeply or too long", path, _REMEDY)
    try:
        checkpoint = make_checkpoint(values, {})
    except ParamsError as error:
        field = error.where.removeprefix("checkpoint.")
        what = f"the checkpoint's field {field} is wrong: {error.what}"
        raise ModelError(what, path, _REMEDY) from error
    tensors = copy_tensors(weights, path, "the checkpoint", _REMEDY)
    return checkpoint.model_copy(update={"weights": tensors})


def _check_kind(values: Any, path: Path) -> None:
    """Raise a ModelError unless the values have a checkpoint's format and fields."""
    fields = set(values) if isinstance(values, dict) else set()
    found = values["format"] if {"format", "weights"} <= fields else FORMAT
    if type(found) is not int or found != FORMAT:
        what = f"the file is a steelcli checkpoint of format {quote(found)}, not {FORMAT}"
        raise ModelError(what, path, "train again or use the version that wrote it")
    if fields != set(Checkpoint.model_fields):
        kind = ""
        if fields and all(torch.is_tensor(value) for value in values.values()):
            kind = " but a bare state dict"
        what = f"the file is no steelcli checkpoint{kind}"
        raise ModelError(what, path, "train again or name another file")


def restore_model(checkpoint: Checkpoint, path: Path) -> SegmentationModel:
    """Build the checkpoint's network, with its weights, in evaluation mode on the CPU.

    Raises:
        ModelError: a network that cannot be built, or weights that do not fit it.
    """
    arguments = checkpoint.params.model.model_dump() | {"encoder_weights": None}
    build = partial(build_model, **arguments, channels_last=checkpoint.params.train.channels_last)
    try:
        frame = build_frame(arguments["encoder_name"], build)
        misfit = find_misfit(checkpoint.weights, frame.state_dict())
        model = None if misfit else build()
    except ModelError as error:
        what = f"the checkpoint's network cannot be built ({error.what})"
        raise ModelError(what, path, "train again") from error
    if model is None:
        what = f"the weights do not fit the architecture named beside them ({misfit})"
        raise ModelError(what, path, "train again")
    model.load_state_dict(checkpoint.weights)
    return model.eval()


def find_best(models_dir: Path, monitor: str) -> Path:
    """Return the one best checkpoint by ``monitor``, one of `Monitor`.

    Raises:
        ModelError: none or several.
    """
    # the score follows: best_dice_* alone would find best_dice_defect_… too
    found = sorted(models_dir.glob(f"best_{monitor}_[0-9]*.pth"))
    if len(found) != 1:
        remedy = "keep one and remove the others" if found else MAKE_MODEL
        what = f"{len(found)} checkpoints named best_{monitor}_*.pth, not one"
        raise ModelError(what, models_dir, remedy)
    return found[0]
