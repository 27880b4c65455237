"""The trained model as tuning and testing meet it: the best checkpoint, on the device, checked
against the store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from steelcli.common.errors import ModelError
from steelcli.common.fingerprint import fingerprint
from steelcli.common.progress import track
from steelcli.data.store.reader import Store, open_store
from steelcli.data.types import Split
from steelcli.model.checkpoint import Checkpoint, find_best, load_checkpoint, restore_model
from steelcli.model.device import inference_precision, pick_device
from steelcli.model.inference import iter_levels
from steelcli.model.network import SegmentationModel
from steelcli.model.run_settings import RunSettings, read_settings
from steelcli.model.seeds import seed_everything


@dataclass(frozen=True)
class Trained:
    """A model ready to run, and what it was made from."""

    model: SegmentationModel
    checkpoint: Checkpoint
    settings: RunSettings
    store: Store
    device: torch.device
    precision: str

    @property
    def fingerprint(self) -> int:
        """A number that stands for the data and the weights: what a threshold is learned on, and
        for."""
        weights = sorted(self.checkpoint.weights.items())
        raw = (part for key, tensor in weights for part in (key, _raw_bytes(tensor)))
        return fingerprint(chain([self.store.fingerprint], raw))

    def iter_levels(
        self, split: Split, batch_size: int
    ) -> Iterator[tuple[int, NDArray[np.uint16]]]:
        """Yield (store position, probability map in 16-bit levels [height, width]) over a split,
        with a bar."""
        positions = self.store.positions(split)
        levels = iter_levels(
            self.model, self.store, positions, batch_size, self.device, self.precision
        )
        return track(levels, split, len(positions))


def load_trained(models_dir: Path, store_dir: Path) -> Trained:
    """Load the checkpoint that is best by the run's monitor, for the store it was trained on.

    Raises:
        UserError: a missing or broken checkpoint or store, a checkpoint trained on other data or
            with other parameters than the run's, or a picture in two splits.
    """
    store = open_store(store_dir)
    values, settings = read_settings(models_dir / "args.json")
    path = find_best(models_dir, settings.train.monitor)
    checkpoint = load_checkpoint(path)
    if checkpoint.store != store.fingerprint:
        raise ModelError(
            "the checkpoint was trained on other data than the store's",
            path,
            "run `dvc repro train`",
        )
    for section, params in checkpoint.params.items():
        if params != values.get(section):
            what = f"the checkpoint was trained with other {section} parameters than {models_dir / 'args.json'} states"
            raise ModelError(what, path, "run `dvc repro train`")
    device = pick_device()
    train = checkpoint.params["train"]
    seed_everything(int(train["seed"]), bool(train["deterministic"]))
    model = restore_model(checkpoint, path).to(device)
    return Trained(
        model,
        checkpoint,
        settings,
        store,
        device,
        inference_precision(checkpoint.precision, device),
    )


def _raw_bytes(tensor: torch.Tensor) -> bytes:
    return tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
