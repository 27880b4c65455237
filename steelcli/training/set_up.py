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

from steelcli.common.errors import ModelError, ParamsError, RunError
from steelcli.common.fingerprint import file_digest
from steelcli.common.git import code_revision
from steelcli.common.progress import say
from steelcli.common.small_splits import warn_of_small_splits
from steelcli.data.store.index import count_kinds
from steelcli.data.store.reader import Store
from steelcli.data.types import channels_first
from steelcli.model.device import describe_device, describe_versions, pick_device, resolve_precision
from steelcli.model.inference import eval_mode
from steelcli.model.network import SegmentationModel, count_parameters
from steelcli.model.weights import weights_path
from steelcli.params.model import ModelParams
from steelcli.params.train import TrainParams
from steelcli.training.distributed import world_size


def build_accelerator(params: TrainParams, store: Store) -> Accelerator:
    """Return Accelerate's set-up of device, processes and number format.

    Raises:
        ParamsError: fewer images in a batch than processes, or a number format the device lacks.
        RunError: Accelerate sees another number of processes than torchrun started.
    """
    images = min(params.batch_size, len(store.positions("train")))
    if images < world_size():
        what = f"{world_size()} processes cannot share batches of {images} images"
        raise ParamsError(what, "train.batch_size", "raise it or lower train.processes")
    AcceleratorState._reset_state()  # a second run in one Python process may differ in precision
    on_cpu = not (torch.cuda.is_available() or torch.backends.mps.is_available())
    PartialState(cpu=on_cpu)  # gives this process its device, which may be one of several
    precision = resolve_precision(params.precision, pick_device())
    mixed = "no" if precision == "fp32" else precision
    accelerator = Accelerator(cpu=on_cpu, mixed_precision=mixed)
    found = accelerator.num_processes
    if found != world_size():
        what = f"Accelerate sees {found} processes where torchrun started {world_size()}"
        remedy = "unset the ACCELERATE_ variables of the environment"
        raise RunError(what, "train.processes", remedy)
    return accelerator


def check_network(model: nn.Module, params: TrainParams, store: Store) -> None:
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
    try:
        with eval_mode(model), torch.inference_mode():
            model(image[None])
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        width, height = store.image_size
        what = f"the network takes no images of {width}×{height} ({reason})"
        raise ModelError(what, "data.image_size", "change it or model.encoder_name") from error
    finally:
        for handle in handles:
            handle.remove()
    if 1 in sizes and _images_per_norm(params, store) == 1:
        what = "a batch of one small image gives batch normalisation a single value a channel"
        raise ParamsError(what, "train.batch_size", "raise it or data.image_size")


def _images_per_norm(params: TrainParams, store: Store) -> int:
    """Return the smallest number of images that batch normalisation sees at once."""
    images = min(params.batch_size, len(store.positions("train")))
    return images if params.sync_batchnorm else images // world_size()


def describe_run(
    model_params: ModelParams,
    params: TrainParams,
    store: Store,
    model: SegmentationModel,
    device: torch.device,
    precision: str,
) -> dict[str, Any]:
    """Return the content of ``args.json``: the parameters as given and what became of them."""
    weights = weights_path(model_params.encoder_weights)
    return {
        "model": model_params.model_dump(mode="json"),
        "train": params.model_dump(mode="json"),
        "run": {
            "store": store.fingerprint,
            "encoder_digest": file_digest(weights) if weights else None,
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


def run_key(settings: Mapping[str, Any], code: str) -> str:
    """Return the name of the run's saved state.

    It stands for the parameters, data, code, versions and number of processes.

    Args:
        settings: see `describe_run`.
        code: digest of the code.
    """
    run = settings["run"]
    parts = [
        json.dumps([settings["model"], settings["train"], settings["versions"]], sort_keys=True),
        json.dumps([run["store"], run["encoder_digest"], run["precision"], world_size(), code]),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


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
