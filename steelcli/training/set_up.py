"""Before the first step: the device, the checks that can be made early, and what the run is."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from steelcli.common.errors import ModelError, ParamsError
from steelcli.common.git import code_revision
from steelcli.common.progress import say
from steelcli.common.settings import flatten
from steelcli.common.small_splits import warn_of_small_splits
from steelcli.data.store.index import count_kinds
from steelcli.data.store.reader import Store
from steelcli.data.types import channels_first
from steelcli.model.device import (
    Precision,
    describe_device,
    describe_versions,
    pick_device,
    resolve_precision,
)
from steelcli.model.network import SegmentationModel, build_model, count_parameters
from steelcli.model.normalisation import resolve_normalisation
from steelcli.params.model import ModelParams, NetworkParams
from steelcli.params.train import TrainParams
from steelcli.training.distributed import world_size
from steelcli.training.trackers import check_trackers


def build_accelerator(params: TrainParams) -> Accelerator:
    """Join the other processes; return Accelerate's set-up of device, processes and number format.

    Raises:
        ParamsError: a number format the device lacks.
    """
    AcceleratorState._reset_state()  # a second run in one Python process may differ in precision
    on_cpu = not (torch.cuda.is_available() or torch.backends.mps.is_available())
    PartialState(cpu=on_cpu)  # gives this process its device, which may be one of several
    precision = resolve_precision(params.precision, pick_device())
    mixed = "no" if precision == "fp32" else precision
    return Accelerator(cpu=on_cpu, mixed_precision=mixed)


def read_precision(accelerator: Accelerator) -> Precision:
    """Return the number format that `build_accelerator` settled."""
    mixed: Precision = accelerator.mixed_precision
    return "fp32" if accelerator.mixed_precision == "no" else mixed


def check_before_launch(model_params: ModelParams, params: TrainParams, store: Store) -> None:
    """Refuse what ``train.processes`` processes would refuse, before any is started."""
    if not torch.cuda.is_available():  # asking a GPU would take memory on it
        resolve_precision(params.precision, pick_device())
    check_trackers(params.trackers)
    check_shares(params, store, params.processes)
    network_params = resolve_normalisation(model_params)
    model = build_model(**network_params.model_dump(), channels_last=params.channels_last)
    check_network(model, params, store, params.processes)


def check_shares(params: TrainParams, store: Store, processes: int) -> None:
    """Refuse more processes than images in a batch with a ParamsError."""
    images = min(params.batch_size, len(store.positions("train")))
    if images < processes:
        what = f"{processes} processes cannot share batches of {images} images"
        raise ParamsError(what, "train.batch_size", "raise it or lower train.processes")


def check_network(model: nn.Module, params: TrainParams, store: Store, processes: int) -> None:
    """Run one image through the network.

    Raises:
        ModelError: the network takes no images of the store's size.
        ParamsError: batch normalisation would get a single value a channel in training.
    """
    sizes: list[int] = []  # values a channel that each batch normalisation gets of one image

    def note_size(_layer: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        sizes.append(inputs[0][:, 0].numel())

    norms = [layer for layer in model.modules() if isinstance(layer, _BatchNorm)]
    handles = [norm.register_forward_pre_hook(note_size) for norm in norms]
    image = torch.from_numpy(channels_first(store.images[0]).copy())
    was_training = model.training
    try:
        with torch.inference_mode():
            model.eval()(image[None])
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        width, height = store.image_size
        what = f"the network takes no images of {width}×{height} ({reason})"
        raise ModelError(what, "data.image_size", "change it or model.encoder_name") from error
    finally:
        model.train(was_training)
        for handle in handles:
            handle.remove()
    if 1 in sizes and _images_per_norm(params, store, processes) == 1:
        what = "a batch of one small image gives batch normalisation a single value a channel"
        raise ParamsError(what, "train.batch_size", "raise it or data.image_size")


def _images_per_norm(params: TrainParams, store: Store, processes: int) -> int:
    """Return the smallest number of images that batch normalisation sees at once."""
    images = min(params.batch_size, len(store.positions("train")))
    return images if params.sync_batchnorm else images // processes


def describe_run(
    model_params: NetworkParams,
    params: TrainParams,
    store: Store,
    model: SegmentationModel,
    device: torch.device,
    precision: str,
    encoder_digest: str | None,
) -> dict[str, Any]:
    """Return the content of ``args.json``: the parameters as given and what became of them.

    Args:
        encoder_digest: see `model.weights.encoder_digest`.
    """
    return {
        "model": model_params.model_dump(mode="json"),
        "train": params.model_dump(mode="json"),
        "run": {
            "store": store.fingerprint,
            "encoder_digest": encoder_digest,
            "image_width": store.image_size[0],
            "image_height": store.image_size[1],
            "parameters": count_parameters(model),
            "precision": precision,
            "device": describe_device(device),
            "code": code_revision(),
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        },
        "versions": describe_versions(),
    }


def describe_key(
    model_params: NetworkParams,
    params: TrainParams,
    store: Store,
    precision: str,
    encoder_digest: str | None,
    code: str,
) -> dict[str, Any]:
    """Return what a run depends on by dotted name, the same on all its processes.

    Args:
        encoder_digest: see `model.weights.encoder_digest`.
        code: digest of the code.
    """
    facts = {
        "model": model_params.model_dump(mode="json"),
        "train": params.model_dump(mode="json"),
        "prepared store": store.fingerprint,
        "steelcli code": code,
        "number format": precision,
        "bytes of model.encoder_weights": encoder_digest or "",
        "version of": describe_versions(),
    }
    return flatten(facts)


def run_key(facts: Mapping[str, Any]) -> str:
    """Return the name of the saved state of a run; see `describe_key`."""
    text = json.dumps([facts, world_size()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def announce(settings: Mapping[str, Any], store: Store) -> None:
    """Say what is about to be trained."""
    model, params, run = settings["model"], settings["train"], settings["run"]
    size = f"{run['image_width']}×{run['image_height']}"
    train_images, val_images = len(store.positions("train")), len(store.positions("val"))
    say(f"{model['architecture']} / {model['encoder_name']} · {run['parameters']:,} parameters")
    say(f"device {run['device']} · {run['precision']} · image {size}")
    say(f"{train_images} training images · {val_images} validation images")
    epochs = f"up to {params['epochs']} epochs · patience {params['patience']}"
    steps = f"lr {params['lr']:g} · batch {params['batch_size']}"
    say(f"{steps} · {epochs} by {params['monitor']} · seed {params['seed']}")
    warn_of_small_splits(count_kinds(store.records, ["train", "val"]))
