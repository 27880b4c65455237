"""What a run leaves in its folder: a row per epoch, the best checkpoints, the periodic ones."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steelcli.common.errors import RunError
from steelcli.common.outputs import write_csv, write_json
from steelcli.common.progress import say
from steelcli.model.checkpoint import Checkpoint, save_checkpoint
from steelcli.model.network import SegmentationModel
from steelcli.params.train import TrainParams
from steelcli.scores.columns import EPOCH_COLUMNS
from steelcli.scores.threshold import FIXED_THRESHOLD, choose_threshold
from steelcli.training.loop import EpochResult

KINDS = {"dice": "val_dice_opt", "iou": "val_iou_opt"}
"""What the best is kept of, and its column."""


class Record:
    """The rows and checkpoints of a run in ``models_dir``.

    Files that are no longer wanted stay until `tidy`, which belongs after the state has been saved:
    a run that is killed in between goes on from the older state and finds the files of that time.

    Args:
        settings: the content of ``args.json``.
    """

    def __init__(self, models_dir: Path, params: TrainParams, settings: dict[str, Any]) -> None:
        self.models_dir, self.params, self.settings = models_dir, params, settings
        self.rows: list[dict[str, Any]] = []
        self.best = dict.fromkeys(KINDS, (-1.0, 0))  # score, epoch
        self.kept = {"args.json": "args", self._csv_name: "csv"}  # by name, what for

    @property
    def _csv_name(self) -> str:
        return f"metrics_seed{self.params.seed}.csv"

    @property
    def stopped_early(self) -> bool:
        """Whether the monitor has not got better for ``patience`` epochs."""
        return len(self.rows) - self.best[self.params.monitor][1] >= self.params.patience

    def state(self) -> str:
        """Return everything but the files, as JSON."""
        return json.dumps(
            {"settings": self.settings, "rows": self.rows, "best": self.best, "kept": self.kept}
        )

    def restore(self, state: str) -> None:
        """Take up the record where `state` was called.

        Raises:
            RunError: a checkpoint of that time is missing.
        """
        values = json.loads(state)
        self.settings, self.rows, self.kept = values["settings"], values["rows"], values["kept"]
        self.best = {kind: (score, epoch) for kind, (score, epoch) in values["best"].items()}
        for name in self.kept:
            if name.endswith(".pth") and not (self.models_dir / name).is_file():
                remedy = "run `steelcli train --restart` to start the training afresh"
                raise RunError(
                    "a checkpoint of the interrupted training is missing",
                    self.models_dir / name,
                    remedy,
                )

    def write_settings(self) -> None:
        """Write ``args.json``."""
        write_json(self.models_dir / "args.json", self.settings)

    def take(self, result: EpochResult, model: SegmentationModel) -> dict[str, Any]:
        """Add one epoch: csv row, checkpoints, one line for the reader; return the row."""
        better = self.note(result)
        row = self.rows[-1]
        for kind in better:
            score = self.best[kind][0]
            self.kept = {name: use for name, use in self.kept.items() if use != kind}
            self._save(
                f"best_{kind}_{score:.4f}_seed{self.params.seed}.pth",
                kind,
                score,
                result.epoch,
                model,
            )
        every = self.params.checkpoint_every_epochs
        if every and result.epoch % every == 0:
            name = f"checkpoint_epoch_{result.epoch}_seed{self.params.seed}.pth"
            self._save(name, "periodic", None, result.epoch, model)
        write_csv(self.models_dir / self._csv_name, self.rows, EPOCH_COLUMNS)
        say(_line(row, self.params.epochs) + "".join(f" · best {kind}" for kind in better))
        return row

    def note(self, result: EpochResult) -> list[str]:
        """Add one epoch's row and return what it is the best by.

        No more than that is done on a process that writes nothing, so that it stops early when the
        first one does.
        """
        row = _row(result)
        self.rows.append(row)
        better = [kind for kind, column in KINDS.items() if row[column] > self.best[kind][0]]
        for kind in better:
            self.best[kind] = (row[KINDS[kind]], result.epoch)
        return better

    def tidy(self) -> None:
        """Remove the checkpoints that better ones have replaced, and those of epochs after the
        state's."""
        for path in self.models_dir.iterdir():
            if path.name not in self.kept:
                path.unlink()

    def best_paths(self) -> dict[str, str]:
        """Return the file names of the best checkpoints by kind."""
        return {use: name for name, use in self.kept.items() if use in KINDS}

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
            "train_images_per_second": statistics.median(
                row["train_images_per_second"] for row in self.rows
            ),
        }

    def _save(
        self, name: str, use: str, score: float | None, epoch: int, model: SegmentationModel
    ) -> None:
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
        save_checkpoint(self.models_dir / name, checkpoint)
        self.kept[name] = use


def _row(result: EpochResult) -> dict[str, Any]:
    """Turn one epoch's counts into the csv columns."""
    scorer = result.scorer
    curve, fixed, summary = (
        scorer.threshold_curve(),
        scorer.group(FIXED_THRESHOLD),
        scorer.summary(),
    )
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


def _line(row: Mapping[str, Any], epochs: int) -> str:
    return (
        f"epoch {row['epoch']}/{epochs} · loss {row['train_loss']:.4f} / val {row['val_loss']:.4f} · "
        f"dice {row['val_dice_opt']:.4f} at {row['opt_threshold_dice']:.2f} (0.5: {row['val_dice_fixed']:.4f}) · "
        f"iou {row['val_iou_opt']:.4f} · dice of defects {row['val_dice_defect_opt']:.4f} · "
        f"auprc {row['auprc']:.4f} · lr {row['learning_rate']:.2e} · {row['epoch_time']:.1f} s"
    )
