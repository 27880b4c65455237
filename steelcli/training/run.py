"""Stage ``train``: the prepared store → ``models/`` and ``metrics/train.json``."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list

from steelcli.common.errors import Interrupted, ParamsError, RunError
from steelcli.common.fingerprint import code_digest
from steelcli.common.git import code_revision
from steelcli.common.outputs import staged_dir, write_json
from steelcli.common.progress import say
from steelcli.data.store.reader import Store
from steelcli.model.device import describe_device, describe_versions, pick_device, resolve_precision
from steelcli.model.inference import try_forward
from steelcli.model.network import SegmentationModel, build_model, count_parameters
from steelcli.model.seeds import seed_everything
from steelcli.params.model import ModelParams
from steelcli.params.train import TrainParams
from steelcli.training.distributed import is_first_process, world_size
from steelcli.training.loader import TrainLoader
from steelcli.training.loop import Progress, Trainer, Watch
from steelcli.training.run_folder import Record
from steelcli.training.saved_state import StateDir
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
"""The code that the stage depends on, as in dvc.yaml: an interrupted run goes on only under the same."""


class _Run(Watch):
    """One training from its set-up to its results."""

    def __init__(
        self,
        model_params: ModelParams,
        params: TrainParams,
        store: Store,
        models_dir: Path,
        request: StopRequest,
    ) -> None:
        self.params, self.models_dir, self.request = params, models_dir, request
        self.accelerator, precision = _build_accelerator(params, store)
        check_trackers(params.trackers)
        seed_everything(params.seed, params.deterministic)
        model = build_model(**model_params.model_dump(), channels_last=params.channels_last)
        try_forward(model, store)
        loader = TrainLoader(
            store,
            params.augment,
            params.batch_size,
            params.balance,
            params.seed,
            params.workers,
            self.accelerator.process_index,
            self.accelerator.num_processes,
        )
        self.trainer = Trainer(self.accelerator, model, loader, store, params, precision, self)
        device = describe_device(self.accelerator.device)
        settings = _settings(model_params, params, store, model, precision, device)
        self.state_dir = StateDir(
            models_dir.parent / ".steelcli" / "train", _key(settings, model_params)
        )
        self.record = Record(self.state_dir.models_dir, params, settings)
        if is_first_process():
            _announce(settings, len(store.positions("train")), len(store.positions("val")))

    def go(self, metrics_path: Path, restart: bool) -> dict[str, Any]:
        """Train to the end and move the results into place."""
        self._take_up(restart)
        self.trackers = self._start_trackers()
        self.saved = time.monotonic()
        try:
            if not self.record.stopped_early:
                self._train()
        except torch.OutOfMemoryError as error:
            raise RunError(
                "out of GPU memory", "train.batch_size", self._memory_advice()
            ) from error
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            what = "a batch of one small image gives the network's batch normalisation a single value a channel"
            raise ParamsError(what, "train.batch_size", "raise it or data.image_size") from error
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            if (
                self.accelerator.num_processes == 1
            ):  # saving takes all processes, and the others are amid a step
                self._save()
            what = "a loading process was killed, as the kernel does when memory runs out"
            raise RunError(
                what, "train.workers", "free memory or lower it, then run the same command"
            ) from error
        metrics = self.record.summary()
        if is_first_process():
            with staged_dir(self.models_dir, outdates=[metrics_path]) as partial_dir:
                shutil.copytree(self.state_dir.models_dir, partial_dir, dirs_exist_ok=True)
            write_json(metrics_path, metrics)
            paths = {
                f"best_{kind}": str(self.models_dir / name)
                for kind, name in self.record.best_paths().items()
            }
            self.trackers.configure({"checkpoints": paths})
            self.trackers.finish()
            self.state_dir.remove()
        self.accelerator.wait_for_everyone()
        return metrics

    def _train(self) -> None:
        for result in self.trainer.iter_epochs(self.params.epochs):
            if is_first_process():
                row = self.record.take(result, self.trainer.judged)
                self.trackers.log(row, result.epoch)
            else:
                self.record.note(result)
            self._save()
            if self.record.stopped_early:
                if is_first_process():
                    say(
                        f"no better {self.params.monitor} in {self.params.patience} epochs: stopped early"
                    )
                return

    def wishes(self) -> list[int]:
        """Return whether this process was asked to stop, and whether the first one finds it time to
        save."""
        due = time.monotonic() - self.saved >= 60 * self.params.save_every_minutes
        return [int(self.request.number > 0), int(due and is_first_process())]

    def heed(self, wishes: list[int]) -> None:
        """Save where any process wishes so; stop where any was asked to."""
        stop, save = wishes
        if stop or save:
            self._save()
        if stop:
            progress = self.trainer.progress
            where = f"epoch {progress.epoch} after step {progress.step} of {self.trainer.steps}"
            number = self.request.number or signal.SIGTERM
            raise Interrupted(
                number, f"Interrupted in {where}; the same command goes on from there."
            )

    def _save(self) -> None:
        state, progress = self.trainer.state(), self.trainer.progress
        if is_first_process():
            self.state_dir.save(
                state | {"record": self.record.state()}, progress.epoch, progress.step
            )
            self.record.tidy()
        self.saved = time.monotonic()

    def _take_up(self, restart: bool) -> None:
        """Restore the state of an interrupted run, if there is one; the first process reads it for
        all."""
        found: list[dict[str, Any] | None] = [None]
        if is_first_process():
            if restart:
                self.state_dir.clear()
            found[0] = self.state_dir.load()
        state = broadcast_object_list(found)[0]
        if state is None:
            if is_first_process():
                self.record.tidy()
            return
        device = self.record.settings["run"]["device"]
        try:
            self.trainer.restore(state)
            self.record.restore(state["record"])
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            what = f"the state of the interrupted training does not fit ({type(error).__name__})"
            remedy = "run `steelcli train --restart` to start the training afresh"
            raise RunError(what, self.state_dir.path, remedy) from error
        if is_first_process():
            progress = self.trainer.progress
            say(
                f"going on with an interrupted run: epoch {progress.epoch}, {progress.step} steps done"
            )
            if device != self.record.settings["run"]["device"]:
                say(
                    "it began on another device, so the result is not bit for bit that of a run on one"
                )
                self.record.settings["run"]["device"] += f", then {device}"
            self.record.tidy()

    def _start_trackers(self) -> Trackers:
        """Start the trackers on the first process: the same run of theirs where this one was
        interrupted."""
        if not is_first_process():
            return Trackers([], {})
        settings = self.record.settings
        run = settings["run"].setdefault("trackers", {})
        if not run:
            run |= {"key": self.state_dir.key, "name": name_run(settings)}
        is_new = self.trainer.progress == Progress()
        trackers = Trackers(self.params.trackers, run)
        self.record.write_settings()
        if is_new:
            trackers.configure(settings)
        return trackers

    def _memory_advice(self) -> str:
        batch, passes = self.params.batch_size, self.params.accumulate_steps
        if batch == 1:
            return "lower data.image_size or take a smaller model.encoder_name"
        advice = f"lower it to {batch // 2} and raise train.accumulate_steps to {passes * 2}: the steps stay as large"
        return (
            advice
            if self.trainer.precision != "fp32"
            else f"{advice}; or set train.precision to auto"
        )


def _build_accelerator(params: TrainParams, store: Store) -> tuple[Accelerator, str]:
    """Return Accelerate's set-up and the number format of the run."""
    images = len(store.positions("train"))
    if min(params.batch_size, images) < world_size():
        what = f"{world_size()} processes cannot share batches of {min(params.batch_size, images)} images"
        raise ParamsError(what, "train.batch_size", "raise it or lower train.processes")
    AcceleratorState._reset_state()  # a second run in one Python process may want another precision
    on_cpu = not (torch.cuda.is_available() or torch.backends.mps.is_available())
    PartialState(
        cpu=on_cpu
    )  # gives this process its device; Accelerate takes CPUs for one process unless told
    precision = resolve_precision(params.precision, pick_device())
    accelerator = Accelerator(
        cpu=on_cpu,
        mixed_precision="no" if precision == "fp32" else precision,
    )
    if accelerator.num_processes != world_size():
        what = f"Accelerate sees {accelerator.num_processes} processes where torchrun started {world_size()}"
        raise RunError(
            what, "train.processes", "unset the ACCELERATE_ variables of the environment"
        )
    return accelerator, precision


def _key(settings: Mapping[str, Any], model_params: ModelParams) -> str:
    """Return the name of the run's state: parameters, data, code, versions and number of
    processes."""
    run = settings["run"]
    weights = Path(model_params.encoder_weights or "")
    parts = [
        json.dumps([settings["model"], settings["train"], settings["versions"]], sort_keys=True),
        json.dumps([run["store"], run["precision"], world_size(), code_digest(CODE)]),
        hashlib.sha256(weights.read_bytes()).hexdigest() if weights.is_file() else "",
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _settings(
    model_params: ModelParams,
    params: TrainParams,
    store: Store,
    model: SegmentationModel,
    precision: str,
    device: str,
) -> dict[str, Any]:
    """Return the content of ``args.json``: the parameters as given and what the run made of
    them."""
    return {
        "model": model_params.model_dump(mode="json"),
        "train": params.model_dump(mode="json"),
        "run": {
            "store": store.fingerprint,
            "image_width": store.image_size[0],
            "image_height": store.image_size[1],
            "parameters": count_parameters(model),
            "precision": precision,
            "device": device,
            "code": code_revision(),
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        },
        "versions": describe_versions(),
    }


def _announce(settings: Mapping[str, Any], train_images: int, val_images: int) -> None:
    model, params, run = settings["model"], settings["train"], settings["run"]
    say(f"{model['architecture']} / {model['encoder_name']} · {run['parameters']:,} parameters")
    say(
        f"device {run['device']} · {run['precision']} · image {run['image_width']}×{run['image_height']}"
    )
    say(f"{train_images} training images · {val_images} validation images")
    say(
        f"lr {params['lr']:g} · batch {params['batch_size']} · up to {params['epochs']} epochs · "
        f"patience {params['patience']} by {params['monitor']} · seed {params['seed']}"
    )
