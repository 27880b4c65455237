"""One training, from its set-up to its results."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from steelcli.common.errors import RunError, quote
from steelcli.common.fingerprint import code_digest
from steelcli.common.memory import keep_freed_memory
from steelcli.common.metrics_file import format_metrics
from steelcli.common.outputs import staged_dir
from steelcli.common.parent import parent_lives
from steelcli.common.paths import find_states
from steelcli.common.progress import say
from steelcli.data.store.reader import Store
from steelcli.model.checkpoint import find_best, load_checkpoint
from steelcli.model.network import build_model
from steelcli.model.normalisation import resolve_normalisation
from steelcli.model.seeds import seed_everything
from steelcli.model.weights import encoder_digest
from steelcli.params.model import ModelParams, NetworkParams
from steelcli.params.train import TrainParams
from steelcli.training.distributed import is_first_of_node, is_first_process
from steelcli.training.loader import TrainLoader, count_workers
from steelcli.training.loop import Trainer
from steelcli.training.peers import compare_processes
from steelcli.training.run_folder import RunFolder
from steelcli.training.saved_state import StateDir
from steelcli.training.saver import Saver
from steelcli.training.set_up import (
    announce,
    build_accelerator,
    check_network,
    check_shares,
    describe_key,
    describe_run,
    read_precision,
    run_key,
)
from steelcli.training.signals import StopRequest
from steelcli.training.trackers import Trackers, check_trackers, name_run

CODE = (
    "steelcli/commands/train.py",
    "steelcli/common",
    "steelcli/data/levels.py",
    "steelcli/data/store",
    "steelcli/data/types.py",
    "steelcli/model",
    "steelcli/params/augment.py",
    "steelcli/params/model.py",
    "steelcli/params/section.py",
    "steelcli/params/train.py",
    "steelcli/params/yaml_document.py",
    "steelcli/scores",
    "steelcli/training",
)
"""The code that the stage depends on, as in dvc.yaml; under other code a run starts afresh."""


def run_training(
    model_params: ModelParams,
    params: TrainParams,
    store_dir: Path,
    models_dir: Path,
    metrics_path: Path,
    request: StopRequest,
    restart: bool,
) -> dict[str, Any]:
    """Train to the end, put the results into place and return ``metrics/train.json``.

    Args:
        request: asks the run to save and stop.
        restart: forget the state of an interrupted run.
    """
    keep_freed_memory()
    accelerator = build_accelerator(params)  # from here on one that fails ends all
    network_params = resolve_normalisation(model_params)
    store = Store(store_dir)
    precision = read_precision(accelerator)
    digest = encoder_digest(network_params.encoder_name, network_params.encoder_weights)
    facts = describe_key(network_params, params, store, precision, digest, code_digest(CODE))
    first_host = compare_processes(facts)
    if is_first_of_node():
        store.check_pixels()
        if not is_first_process():
            say(f"process 0 on {quote(first_host)} writes and tells all; this node writes nothing")
    trainer = build_trainer(accelerator, network_params, params, store, precision)
    device = accelerator.device
    settings = describe_run(network_params, params, store, trainer.plain, device, precision, digest)
    key = run_key(facts)
    state_dir = StateDir(find_states(models_dir), key)
    run_folder = RunFolder(state_dir.models_dir, params, settings)
    saver = Saver(trainer, run_folder, state_dir, request, params.save_every_minutes)
    trainer.hook = saver
    if is_first_process():
        announce(settings, store)
    with state_dir.claim() if is_first_process() else nullcontext():
        if restart and is_first_process():
            state_dir.clear()
        saver.resume()
        trackers = _start_trackers(run_folder, key, trainer.is_new)
        _train(trainer, run_folder, saver, trackers)
        metrics = run_folder.summary()
        if is_first_process():
            _publish(run_folder, models_dir, metrics_path, metrics)
            run_folder.warn_of_silence(store)
            trackers.configure({"checkpoints": run_folder.best_paths(models_dir)})
            trackers.finish()
            state_dir.remove()
        accelerator.wait_for_everyone()
    return metrics


def build_trainer(
    accelerator: Accelerator,
    network_params: NetworkParams,
    params: TrainParams,
    store: Store,
    precision: str,
) -> Trainer:
    """Build all that takes the steps.

    Raises:
        UserError: what cannot work.
    """
    check_shares(params, store, accelerator.num_processes)
    check_trackers(params.trackers)
    seed_everything(params.seed, params.deterministic)
    model = build_model(**network_params.model_dump(), channels_last=params.channels_last)
    check_network(model, params, store, accelerator.num_processes)
    loader = TrainLoader(
        store,
        params.augment,
        params.batch_size,
        params.balance,
        params.seed,
        count_workers(params.workers, accelerator.device),
        accelerator.process_index,
        accelerator.num_processes,
    )
    return Trainer(accelerator, model, loader, store, params, precision)


def _start_trackers(run_folder: RunFolder, key: str, is_new: bool) -> Trackers:
    """Start the run's trackers on the first process, none on the others.

    Args:
        run_folder: its settings keep what each tracker calls the run.
        key: of the run, see `run_key`.
        is_new: False where an interrupted run goes on in the trackers' same runs.
    """
    if not is_first_process():
        return Trackers([], {})
    settings = run_folder.settings
    run = settings["run"].setdefault("trackers", {})
    if not run:
        run |= {"key": key, "name": name_run(settings)}
    trackers = Trackers(run_folder.params.trackers, run)
    run_folder.write_settings()
    if is_new:
        trackers.configure(settings)
    return trackers


def _train(trainer: Trainer, run_folder: RunFolder, saver: Saver, trackers: Trackers) -> None:
    """Train to the last epoch.

    Raises:
        RunError: memory ran out, or a loading process died.
    """
    try:
        _train_epochs(trainer, run_folder, saver, trackers)
    except torch.OutOfMemoryError as error:
        remedy = _memory_advice(trainer.params, trainer.precision)
        raise RunError("out of GPU memory", "train.batch_size", remedy) from error
    except RuntimeError as error:
        if not trainer.loader.has_lost_worker():
            raise
        # torch raised this amid a step, whose half must not be saved
        what = "a loading process was killed, as the kernel does when memory runs out"
        remedy = "free memory or lower it, then run the same command: it goes on from the last save"
        raise RunError(what, "train.workers", remedy) from error


def _train_epochs(
    trainer: Trainer, run_folder: RunFolder, saver: Saver, trackers: Trackers
) -> None:
    params = trainer.params
    if run_folder.stopped_early:
        return
    for result in trainer.iter_epochs(params.epochs):
        if is_first_process():
            row = run_folder.add_epoch(result, trainer.eval_model)
            trackers.log(row, result.epoch)
        else:
            run_folder.add_row(result)
        saver.save()
        if run_folder.stopped_early:
            if is_first_process():
                say(run_folder.describe_stop())
            return


def _publish(
    run_folder: RunFolder, models_dir: Path, metrics_path: Path, metrics: dict[str, Any]
) -> None:
    """Put the checkpoints and ``metrics/train.json`` into place, with the key of the run."""
    best = load_checkpoint(find_best(run_folder.models_dir, run_folder.params.monitor))
    run_folder.settings["run"]["run_key"] = best.run_key
    run_folder.write_settings()
    files = {metrics_path: format_metrics(metrics, best.store, best.run_key)}
    with staged_dir(models_dir, files) as partial_dir:
        shutil.copytree(run_folder.models_dir, partial_dir, dirs_exist_ok=True)
        if not parent_lives():  # a newer run may have taken its place
            what = "the process that started this training has ended"
            raise RunError(what, models_dir, "run the same command: it goes on from the last save")


def _memory_advice(params: TrainParams, precision: str) -> str:
    batch, passes = params.batch_size, params.accumulate_steps
    if batch == 1:
        return "lower data.image_size or take a smaller model.encoder_name"
    advice = f"lower it to {batch // 2} and raise train.accumulate_steps to {passes * 2}"
    if precision == "fp32":
        return f"{advice}, or set train.precision to auto"
    return f"{advice}: the steps stay as large"
