"""Self-describing checkpoints: weights, params, score, versions, data; written whole, loaded without running code."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from steelcli.errors import ModelError
from steelcli.files import staged_file
from steelcli.model import SegmentationModel, build_model
from steelcli.params.base import parse_section
from steelcli.params.model import ModelParams

FORMAT = 1


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
    with staged_file(path) as partial_path:
        torch.save(values, partial_path)


def load_checkpoint(path: Path) -> Checkpoint:
    """Load a checkpoint to the CPU with ``weights_only=True``.

    Raises:
        ModelError: a missing, truncated or foreign file.
    """
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ModelError("checkpoint not found", path, "run `dvc repro train`") from error
    except Exception as error:  # torch raises UnpicklingError, RuntimeError, EOFError, OSError … for a bad file
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"cannot load the checkpoint ({reason})", path, "train again or restore the file") from error
    names = {field.name for field in fields(Checkpoint)}
    if not isinstance(values, dict) or set(values) != names or values["format"] != FORMAT:
        raise ModelError("the file is no steelcli checkpoint of this version", path, "train again")
    return Checkpoint(**values)


def restore_model(checkpoint: Checkpoint, path: Path) -> SegmentationModel:
    """Build the checkpoint's network, with its weights, in evaluation mode on the CPU.

    Raises:
        ModelError: weights that do not fit the architecture the checkpoint names.
    """
    params = parse_section(checkpoint.params["model"], "model", ModelParams)
    model = build_model(
        params.architecture,
        params.encoder_name,
        None,
        params.decoder_channels,
        params.mean,
        params.std,
        bool(checkpoint.params["train"]["channels_last"]),
    )
    try:
        model.load_state_dict(checkpoint.weights)
    except RuntimeError as error:
        raise ModelError("the weights do not fit the architecture named beside them", path, "train again") from error
    return model.eval()


def find_best(models_dir: Path, monitor: str) -> Path:
    """Return the one best checkpoint by ``monitor`` (dice or iou).

    Raises:
        ModelError: none or several.
    """
    found = sorted(models_dir.glob(f"best_{monitor}_*.pth"))
    if len(found) != 1:
        remedy = "run `dvc repro train` or `steelcli train`" if not found else "keep one and remove the others"
        raise ModelError(f"{len(found)} checkpoints named best_{monitor}_*.pth, not one", models_dir, remedy)
    return found[0]


def describe(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return everything but the weights, for a person to read."""
    return {key: value for key, value in asdict(checkpoint).items() if key != "weights"}
