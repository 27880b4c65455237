"""Stage ``train``: the prepared store → ``models/`` and ``metrics/train.json``."""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from steelcli.checkpoint import Checkpoint, save_checkpoint
from steelcli.data.loader import build_train_loader
from steelcli.data.store import Store
from steelcli.errors import ModelError, ParamsError, RunError
from steelcli.files import staged_dir, write_csv, write_json
from steelcli.inference import eval_mode
from steelcli.model import SegmentationModel, build_model, count_parameters
from steelcli.params.model import ModelParams
from steelcli.params.train import TrainParams
from steelcli.progress import say
from steelcli.runtime import (
    code_revision,
    describe_device,
    describe_versions,
    pick_device,
    resolve_precision,
    seed_everything,
)
from steelcli.scores.curves import choose_threshold
from steelcli.training import FIXED_THRESHOLD, EpochResult, Trainer

STORE_DIR = Path("data/prepared")
MODELS_DIR = Path("models")
METRICS_PATH = Path("metrics/train.json")
COLUMNS = (
    "epoch",
    "train_loss",
    "val_loss",
    "val_iou_fixed",
    "val_dice_fixed",
    "val_iou_opt",
    "val_dice_opt",
    "opt_threshold_f1",
    "opt_threshold_dice",
    "iou_50",
    "iou_75",
    "iou_90",
    "auprc",
    "recall_fp_image",
    "learning_rate",
    "epoch_time",
    "val_dice_defect_opt",
    "val_f1_opt",
    "grad_norm",
    "train_images_per_second",
)


def train(
    model_params: ModelParams,
    params: TrainParams,
    store_dir: Path = STORE_DIR,
    models_dir: Path = MODELS_DIR,
    metrics_path: Path = METRICS_PATH,
) -> dict[str, Any]:
    """Train until ``epochs`` or early stopping; return ``metrics/train.json``.

    The checkpoints best by Dice and by IoU are kept: the mean over the validation images at the threshold best for it.

    Raises:
        UserError: no store, an unknown encoder, a tracker that is not installed, a loss that is not finite.
    """
    store = Store(store_dir)
    device = pick_device()
    precision = resolve_precision(params.precision, device)
    _check_trackers(params.trackers)
    seed_everything(params.seed, params.deterministic)
    AcceleratorState._reset_state()  # a second run in one Python process may want another precision
    accelerator = Accelerator(
        mixed_precision="no" if precision == "fp32" else precision,
        log_with=list(params.trackers) or None,
        project_dir="trackers",
    )
    model = build_model(**model_params.model_dump(), channels_last=params.channels_last)
    loader, sampler = build_train_loader(
        store, params.augment, params.batch_size, params.balance, params.seed, params.workers
    )
    _try_forward(model, store)
    trainer = Trainer(accelerator, model, loader, sampler, store, params, precision)
    settings = _settings(model_params, params, store, model, precision, describe_device(accelerator.device))
    _announce(settings, len(store.positions("train")), len(store.positions("val")))
    accelerator.init_trackers("steelcli", config=_flatten(settings))
    with staged_dir(models_dir, outdates=[metrics_path]) as partial_dir:
        write_json(partial_dir / "args.json", settings)
        record = _Record(partial_dir, params, settings)
        try:
            for result in trainer.iter_epochs(1, params.epochs):
                row = record.take(result, accelerator.unwrap_model(trainer.model))
                accelerator.log({key: value for key, value in row.items() if value is not None}, step=result.epoch)
                if record.epochs_without_better >= params.patience:
                    say(f"no better {params.monitor} in {params.patience} epochs: stopped early")
                    break
        except torch.OutOfMemoryError as error:
            raise RunError("out of GPU memory", "train.batch_size", "lower it, or data.image_size") from error
    accelerator.end_training()
    metrics = record.summary()
    write_json(metrics_path, metrics)
    return metrics


class _Record:
    """What a run leaves in its folder: a row per epoch, the best checkpoints, the periodic ones."""

    def __init__(self, models_dir: Path, params: TrainParams, settings: dict[str, Any]) -> None:
        self.models_dir, self.params, self.settings = models_dir, params, settings
        self.rows: list[dict[str, Any]] = []
        self.best: dict[str, tuple[float, int]] = {"dice": (-1.0, 0), "iou": (-1.0, 0)}

    @property
    def epochs_without_better(self) -> int:
        return len(self.rows) - self.best[self.params.monitor][1]

    def take(self, result: EpochResult, model: SegmentationModel) -> dict[str, Any]:
        """Add one epoch: csv row, checkpoints, one line for the reader; return the row."""
        row = _row(result)
        self.rows.append(row)
        marks = ""
        for kind, column in (("dice", "val_dice_opt"), ("iou", "val_iou_opt")):
            if row[column] > self.best[kind][0]:
                self.best[kind] = (row[column], result.epoch)
                self._save_best(kind, row[column], result.epoch, model)
                marks += f" · best {kind}"
        every = self.params.checkpoint_every_epochs
        if every and result.epoch % every == 0:
            name = f"checkpoint_epoch_{result.epoch}_seed{self.params.seed}.pth"
            self._save(self.models_dir / name, None, result.epoch, model)
        write_csv(self.models_dir / f"metrics_seed{self.params.seed}.csv", self.rows, COLUMNS)
        say(_line(row, self.params.epochs) + marks)
        return row

    def summary(self) -> dict[str, Any]:
        """Return the content of ``metrics/train.json``."""
        best_row = self.rows[self.best[self.params.monitor][1] - 1]
        return {
            "epochs": len(self.rows),
            "best_epoch": best_row["epoch"],
            "best_dice": self.best["dice"][0],
            "best_iou": self.best["iou"][0],
            "train_loss": best_row["train_loss"],
            "val_loss": best_row["val_loss"],
            "parameters": self.settings["run"]["parameters"],
            "seconds_per_epoch": statistics.median(row["epoch_time"] for row in self.rows),
            "train_images_per_second": statistics.median(row["train_images_per_second"] for row in self.rows),
        }

    def _save_best(self, kind: str, score: float, epoch: int, model: SegmentationModel) -> None:
        older = list(self.models_dir.glob(f"best_{kind}_*.pth"))
        path = self.models_dir / f"best_{kind}_{score:.4f}_seed{self.params.seed}.pth"
        self._save(path, score, epoch, model)
        for old_path in older:
            if old_path != path:
                old_path.unlink()

    def _save(self, path: Path, score: float | None, epoch: int, model: SegmentationModel) -> None:
        run = self.settings["run"]
        checkpoint = Checkpoint(
            weights={key: value.detach().cpu() for key, value in model.state_dict().items()},
            params={"model": self.settings["model"], "train": self.settings["train"]},
            epoch=epoch,
            score=score,
            precision=run["precision"],
            store=run["store"],
            image_size=(run["image_width"], run["image_height"]),
            versions=self.settings["versions"],
            code=run["code"],
        )
        save_checkpoint(path, checkpoint)


def _row(result: EpochResult) -> dict[str, Any]:
    """Turn one epoch's counts into the csv columns."""
    scorer = result.scorer
    curve, fixed, summary = scorer.threshold_curve(), scorer.group(FIXED_THRESHOLD), scorer.summary()
    dice, dice_defect = choose_threshold(curve, "dice"), choose_threshold(curve, "dice_defect")
    f1 = choose_threshold(curve, "f1")
    return {
        "epoch": result.epoch,
        "train_loss": result.train_loss,
        "val_loss": result.val_loss,
        "val_iou_fixed": fixed["iou"],
        "val_dice_fixed": fixed["dice"],
        "val_iou_opt": max(point["iou"] for point in curve),
        "val_dice_opt": dice.score,
        "opt_threshold_f1": f1.threshold,
        "opt_threshold_dice": dice.threshold,
        "iou_50": fixed.get("iou_50"),
        "iou_75": fixed.get("iou_75"),
        "iou_90": fixed.get("iou_90"),
        "auprc": summary.get("auprc"),
        "recall_fp_image": summary.get("recall_at_1_fp"),
        "learning_rate": result.learning_rate,
        "epoch_time": result.seconds,
        "val_dice_defect_opt": dice_defect.score,
        "val_f1_opt": f1.score,
        "grad_norm": result.grad_norm,
        "train_images_per_second": result.train_images / result.train_seconds,
    }


def _settings(
    model_params: ModelParams, params: TrainParams, store: Store, model: SegmentationModel, precision: str, device: str
) -> dict[str, Any]:
    """Return the content of ``args.json``: the parameters as given and what the run made of them."""
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
    say(f"device {run['device']} · {run['precision']} · image {run['image_width']}×{run['image_height']}")
    say(f"{train_images} training images · {val_images} validation images")
    say(
        f"lr {params['lr']:g} · batch {params['batch_size']} · up to {params['epochs']} epochs · "
        f"patience {params['patience']} by {params['monitor']} · seed {params['seed']}"
    )


def _line(row: Mapping[str, Any], epochs: int) -> str:
    return (
        f"epoch {row['epoch']}/{epochs} · loss {row['train_loss']:.4f} / val {row['val_loss']:.4f} · "
        f"dice {row['val_dice_opt']:.4f} at {row['opt_threshold_dice']:.2f} (0.5: {row['val_dice_fixed']:.4f}) · "
        f"iou {row['val_iou_opt']:.4f} · dice of defects {row['val_dice_defect_opt']:.4f} · "
        f"auprc {row['auprc']:.4f} · lr {row['learning_rate']:.2e} · {row['epoch_time']:.1f} s"
    )


def _try_forward(model: SegmentationModel, store: Store) -> None:
    """Find out before training whether the network takes images of this size."""
    try:
        with eval_mode(model):
            model(torch.from_numpy(store.images[:1].copy()).reshape(1, -1, *store.images.shape[1:3]))
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        what = f"the network takes no images of {store.image_size[0]}×{store.image_size[1]} ({reason})"
        raise ModelError(what, "data.image_size", "change it or model.encoder_name") from error


def _check_trackers(trackers: tuple[str, ...]) -> None:
    for name in trackers:
        if importlib.util.find_spec(name) is None:
            raise ParamsError(f"{name} is not installed", "train.trackers", f"run `pip install {name}` or remove it")


def _flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings under dotted names, lists as text: what every tracker takes."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value if isinstance(value, (int, float, str, bool)) else str(value)
    return flat
