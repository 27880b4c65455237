"""The trained model for tuning and testing: the best checkpoint, on the device, with its store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from steelcli.common.errors import ModelError
from steelcli.common.paths import ARGS_NAME, MAKE_MODEL
from steelcli.common.progress import track
from steelcli.data.store.reader import Store, open_store
from steelcli.data.types import Split
from steelcli.model.checkpoint import Checkpoint, find_best, load_checkpoint, restore_model
from steelcli.model.device import inference_precision, pick_device
from steelcli.model.fold import copy_for_inference
from steelcli.model.inference import iter_levels
from steelcli.model.network import SegmentationModel
from steelcli.model.run_settings import RunSettings, read_settings
from steelcli.model.seeds import seed_everything


@dataclass(frozen=True)
class BestModel:
    """The checkpoint that is best by the run's monitor, ready to run."""

    path: Path
    model: SegmentationModel
    checkpoint: Checkpoint
    settings: RunSettings
    device: torch.device
    precision: str

    @property
    def run_key(self) -> str:
        return self.checkpoint.run_key


@dataclass(frozen=True)
class Trained(BestModel):
    """The same with its store, and its network as `copy_for_inference` returns it."""

    store: Store

    def iter_levels(
        self, split: Split, batch_size: int, flip_tta: bool
    ) -> Iterator[tuple[int, NDArray[np.uint16]]]:
        """Yield store position and map of 16-bit levels [height, width] of a split's images."""
        positions = self.store.positions(split)
        levels = iter_levels(
            self.model, self.store, positions, batch_size, self.device, self.precision, flip_tta
        )
        return track(levels, split, len(positions))


def load_best(models_dir: Path, store: str | None = None) -> BestModel:
    """Load the checkpoint that is best by the run's monitor.

    Args:
        store: fingerprint of the store that it must have been trained on; None: of any.

    Raises:
        UserError: it is missing or broken, or was trained on other data than the store's or with
            other parameters than the run's.
    """
    args_path = models_dir / ARGS_NAME
    values, settings = read_settings(args_path)
    path = find_best(models_dir, settings.train.monitor)
    checkpoint = load_checkpoint(path)
    if store not in (None, checkpoint.store):
        what = "the checkpoint was trained on other data than the store's"
        raise ModelError(what, path, MAKE_MODEL)
    for section, params in checkpoint.params.model_dump(mode="json").items():
        if params != values.get(section):
            what = f"the checkpoint has other {section} parameters than {args_path}"
            raise ModelError(what, path, MAKE_MODEL)
    device = pick_device()
    train = checkpoint.params.train
    seed_everything(train.seed, train.deterministic)
    model = restore_model(checkpoint, path).to(device)
    precision = inference_precision(checkpoint.precision, device)
    return BestModel(path, model, checkpoint, settings, device, precision)


def load_trained(models_dir: Path, store_dir: Path) -> Trained:
    """Load the best checkpoint, for the store it was trained on.

    Raises:
        UserError: see `load_best`; a missing or broken store, or a picture in two splits.
    """
    store = open_store(store_dir)
    best = load_best(models_dir, store.fingerprint)
    model = copy_for_inference(best.model, best.precision, store.image_size)
    return Trained(**vars(best) | {"model": model}, store=store)
