"""The network that ``steelcli predict`` runs: the best of ``models/``, or that of a file."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from steelcli.commands.frozen import Frozen, read_frozen
from steelcli.common.errors import ModelError, ParamsError, quote
from steelcli.common.fingerprint import fingerprint
from steelcli.common.formats import Format
from steelcli.common.paths import PARAMS_PATH
from steelcli.data.types import Color
from steelcli.model.checkpoint import Checkpoint, Side, load_checkpoint, restore_model
from steelcli.model.device import inference_precision, pick_device
from steelcli.model.exported import (
    FILE_NAMES,
    METADATA_NAME,
    RUNTIMES,
    Exported,
    open_exported,
    refuse_missing,
)
from steelcli.model.fold import copy_for_inference
from steelcli.model.inference import predict as predict_probs
from steelcli.model.network import SegmentationModel
from steelcli.model.seeds import seed_everything
from steelcli.model.trained_model import load_best
from steelcli.params.data import DataParams
from steelcli.params.section import Section, Whole, parse_section
from steelcli.scores.counts import OperatingPoint

Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
CHECKPOINT_SUFFIXES = (".pth", ".pt")
_FORMATS = {Path(name).suffix: wanted for wanted, name in FILE_NAMES.items()}
_EXPORT_AGAIN = "name a file that `steelcli export` wrote"
_PARAMS_OF_RUN = "give the parameter file of its run with --params"


@dataclass(frozen=True)
class Predictor:
    """A network ready to run, with what leads from an image to its mask.

    Attributes:
        run: maps images uint8 [N, C, H, W] to probabilities float32 [N, 1, H, W].
        image_size: width and height that it sees, pixels.
        color: whether C is 1 or 3, in the order R, G, B.
        point: what the maps are cut at.
        identity: what makes the masks what they are, in plain types.
    """

    run: Run
    image_size: tuple[int, int]
    color: Color
    point: OperatingPoint
    identity: dict[str, Any]


class Overrides:
    """What replaces the learned threshold and area; None keeps them."""

    def __init__(self, threshold: float | None, min_area_px: int | None) -> None:
        """Check them.

        Raises:
            ParamsError: a threshold outside (0, 1), or an area below 0.
        """
        if threshold is not None and not 0 < threshold < 1:
            what = f"{threshold:g} is no threshold"
            raise ParamsError(what, "--threshold", "give a number between 0 and 1")
        if min_area_px is not None and min_area_px < 0:
            raise ParamsError(f"{min_area_px} is no area", "--min-area-px", "give 0 or more")
        self.threshold, self.min_area_px = threshold, min_area_px

    def apply(self, learned: OperatingPoint) -> OperatingPoint:
        """Return what the maps are cut at."""
        return OperatingPoint(
            learned.threshold if self.threshold is None else self.threshold,
            learned.min_area_px if self.min_area_px is None else self.min_area_px,
        )


class _Metadata(Section):
    """What of `commands.export.describe` leads from an image to its mask."""

    model_config = ConfigDict(extra="ignore")

    color: Color
    canvas_size: tuple[Side, Side]
    flip_tta: bool
    threshold: Annotated[float, Field(gt=0, lt=1)]
    min_area_px: Whole
    run_key: str


def open_model(
    model_path: Path | None,
    data: DataParams | None,
    overrides: Overrides,
    models_dir: Path,
    threshold_path: Path,
) -> Predictor:
    """Load the best checkpoint of ``models_dir``, or the checkpoint or export of a file.

    An export states how its images are read and cut; ``data`` says so for a checkpoint.

    Raises:
        UserError: a file that is missing, no model, of another run than the threshold or than the
            parameters, or whose runtime is not installed.
    """
    if model_path is None:
        frozen = read_frozen(threshold_path)
        best = load_best(models_dir)
        frozen.refuse_other_run(best.run_key, threshold_path)
        return _describe_checkpoint(
            best.path, best.model, best.checkpoint, best.device, frozen, data, overrides
        )
    if not model_path.is_file():
        raise ModelError("there is no such model file", model_path, "correct --model")
    if model_path.suffix in CHECKPOINT_SUFFIXES:
        return _open_checkpoint(model_path, data, overrides, threshold_path)
    if model_path.suffix in _FORMATS:
        return _open_export(model_path, overrides)
    suffixes = ", ".join([*CHECKPOINT_SUFFIXES, *_FORMATS])
    what = "the file's suffix is that of no model"
    raise ModelError(what, model_path, f"name a file with one of {suffixes}")


def _open_checkpoint(
    path: Path, data: DataParams | None, overrides: Overrides, threshold_path: Path
) -> Predictor:
    checkpoint = load_checkpoint(path)
    frozen = read_frozen(threshold_path) if threshold_path.exists() else None
    if frozen is None or frozen.learned_for != checkpoint.run_key:
        if overrides.threshold is None:
            what = "no threshold was learned for this checkpoint"
            remedy = f"give --threshold, or bring the {threshold_path} of its run"
            raise ModelError(what, path, remedy)
        frozen = Frozen(OperatingPoint(overrides.threshold, 0), False, None)
    device = pick_device()
    train = checkpoint.params.train
    seed_everything(train.seed, train.deterministic)
    model = restore_model(checkpoint, path).to(device)
    return _describe_checkpoint(path, model, checkpoint, device, frozen, data, overrides)


def _describe_checkpoint(
    path: Path,
    model: SegmentationModel,
    checkpoint: Checkpoint,
    device: torch.device,
    frozen: Frozen,
    data: DataParams | None,
    overrides: Overrides,
) -> Predictor:
    if data is None:
        what = "the parameters are missing, and no checkpoint holds data.color"
        raise ParamsError(what, PARAMS_PATH, _PARAMS_OF_RUN)
    if data.image_size != checkpoint.image_size:
        width, height = checkpoint.image_size
        what = f"the model was trained at {width}x{height}, so with other parameters"
        raise ParamsError(what, "data.image_size", _PARAMS_OF_RUN)
    precision = inference_precision(checkpoint.precision, device)
    network = copy_for_inference(model, precision, data.image_size)

    @torch.inference_mode()
    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        batch = torch.from_numpy(images).to(device)
        probs: NDArray[np.float32] = (
            predict_probs(network, batch, precision, frozen.flip_tta).cpu().numpy()
        )
        return probs

    point = overrides.apply(frozen.point)
    identity = _identify([path], checkpoint.run_key, None, point, frozen.flip_tta, data.color)
    return Predictor(run, checkpoint.image_size, data.color, point, identity)


def _open_export(path: Path, overrides: Overrides) -> Predictor:
    wanted = _FORMATS[path.suffix]
    refuse_missing(wanted, RUNTIMES[wanted], path)
    exported = _load_export(path, wanted)
    metadata = _read_metadata(exported.metadata, path)
    width, height = metadata.canvas_size
    run = partial(_run_export, exported.run, path)
    probs = run(np.zeros((1, 1 if metadata.color == "grey" else 3, height, width), np.uint8))
    if probs.dtype != np.float32 or probs.shape != (1, 1, height, width):
        what = f"the model makes {probs.dtype} {list(probs.shape)} of an image"
        raise ModelError(what, path, _EXPORT_AGAIN)
    point = overrides.apply(OperatingPoint(metadata.threshold, metadata.min_area_px))
    files = [path, *([path.with_suffix(".bin")] if wanted is Format.OPENVINO else [])]
    flip_tta, color = metadata.flip_tta, metadata.color
    identity = _identify(files, metadata.run_key, wanted, point, flip_tta, color)
    return Predictor(run, metadata.canvas_size, color, point, identity)


def _load_export(path: Path, wanted: Format) -> Exported:
    try:
        _look_into(path, wanted)
        return open_exported(path, wanted, torch.get_num_threads())
    except Exception as error:  # every runtime raises kinds of its own
        raise _refuse(f"cannot be loaded as {wanted.value}", error, path) from error


def _look_into(path: Path, wanted: Format) -> None:
    """Raise a ValueError or an OSError for what a runtime would complain of on stderr."""
    if wanted is Format.TORCH:
        with zipfile.ZipFile(path) as archive:
            if not any(name.endswith(METADATA_NAME) for name in archive.namelist()):
                raise ValueError(f"it holds no {METADATA_NAME}")
    if wanted is Format.OPENVINO:
        with path.open("rb") as file:
            if b"<net" not in file.read(1000):
                raise ValueError("it is no graph of OpenVINO")
        if not path.with_suffix(".bin").is_file():
            raise ValueError("the .bin beside it is missing")


def _run_export(run: Run, path: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    try:
        probs = run(images)
    except Exception as error:  # likewise
        raise _refuse("does not take the images that its metadata state", error, path) from error
    if not np.isfinite(probs).all():
        raise ModelError("the model's output is not finite", path, _EXPORT_AGAIN)
    return probs


def _refuse(what: str, error: Exception, path: Path) -> ModelError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return ModelError(f"the model {what} ({quote(lines[0], 160)})", path, _EXPORT_AGAIN)


def _read_metadata(texts: dict[str, str], path: Path) -> _Metadata:
    values: dict[str, Any] = {}
    try:
        for name in _Metadata.model_fields.keys() & texts.keys():
            text = texts[name]
            values[name] = text if name in ("color", "run_key") else json.loads(text)
        return parse_section(values, "metadata", _Metadata)
    except (ParamsError, ValueError) as error:
        key = error.where if isinstance(error, ParamsError) else name
        what = f"the model does not state what steelcli needs, at {key.removeprefix('metadata.')}"
        raise ModelError(what, path, _EXPORT_AGAIN) from error


def _identify(
    files: Sequence[Path],
    run_key: str,
    wanted: Format | None,
    point: OperatingPoint,
    flip_tta: bool,
    color: Color,
) -> dict[str, Any]:
    """Return what tells models, and what they make of an image, apart."""
    return {
        "run_key": run_key,
        "runtime": wanted.value if wanted else "checkpoint",
        "model_digest": fingerprint(file.read_bytes() for file in files),
        **point._asdict(),
        "flip_tta": flip_tta,
        "color": color,
    }
