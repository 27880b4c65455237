"""What a run leaves: a row per epoch, the best checkpoints, the periodic ones."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steelcli.common.errors import RunError
from steelcli.common.outputs import write_csv, write_json
from steelcli.common.paths import ARGS_NAME, RESTART_TRAINING, epochs_name
from steelcli.common.progress import say
from steelcli.data.store.index import count_kinds
from steelcli.data.store.reader import Store
from steelcli.model.checkpoint import FORMAT, make_checkpoint, save_checkpoint
from steelcli.model.network import SegmentationModel
from steelcli.params.train import Monitor, TrainParams
from steelcli.scores.columns import EPOCH_COLUMNS
from steelcli.scores.counts import FIXED
from steelcli.scores.threshold import choose_threshold
from steelcli.training.distributed import is_first_process
from steelcli.training.loop import EpochResult
from steelcli.training.schedule import count_waiting

COLUMNS: Mapping[Monitor, str] = {
    "dice": "val_dice_opt",
    "iou": "val_iou_opt",
    "dice_defect": "val_dice_defect_opt",
    "f1": "val_f1_opt",
}
"""The score that each monitor is."""
TIE_BREAK = "val_dice_defect_opt"
"""Of epochs with the same score the best is higher here: networks that find nothing all tie."""

MIN_GAIN = 0.01
"""A best score that exceeds that of a network that finds nothing by less is told as no better."""
SILENT_REASON = ", the share of validation images without a defect"


class RunFolder:
    """The rows and checkpoints of a run in ``models_dir``.

    Replaced files stay until `tidy`. Call it after the state has been saved: a run that is killed
    before that goes on from the older state and needs the older files.

    Attributes:
        settings: the content of ``args.json``.
        rows: one for each epoch, by column.
        kept: what each file is for, by file name.
        kinds: what the best is kept of: Dice, IoU and the monitor.
    """

    def __init__(self, models_dir: Path, params: TrainParams, settings: dict[str, Any]) -> None:
        self.models_dir, self.params, self.settings = models_dir, params, settings
        self.rows: list[dict[str, Any]] = []
        self.kept = {ARGS_NAME: "args", epochs_name(params.seed): "csv"}
        self.kinds: list[Monitor] = ["dice", "iou"]
        if params.monitor not in self.kinds:
            self.kinds.append(params.monitor)

    @property
    def stopped_early(self) -> bool:
        """Whether the monitored score has not improved for ``patience`` epochs that count."""
        return bool(self.rows) and self._count_waiting()[0] >= self.params.patience

    def describe_stop(self) -> str:
        """Return a line on why the training stopped early."""
        counted, skipped = self._count_waiting()
        apart = f", beside {skipped} right after restarts that do not count" if skipped else ""
        return f"no better {self.params.monitor} in {counted} epochs{apart}: stopped early"

    def _count_waiting(self) -> tuple[int, int]:
        scores = [row[COLUMNS[self.params.monitor]] for row in self.rows]
        return count_waiting(self.params, scores)

    def best_row(self, kind: Monitor) -> dict[str, Any]:
        """Return the row of the best epoch so far, the first one where several are alike."""
        return max(self.rows, key=lambda row: (row[COLUMNS[kind]], row[TIE_BREAK]))

    def state(self) -> str:
        """Return everything but the files, as JSON."""
        names = ("settings", "rows", "kept")
        return json.dumps({name: getattr(self, name) for name in names})

    def restore(self, state: str) -> None:
        """Go back to where `state` was called.

        Raises:
            RunError: a checkpoint of that time is missing; the first process has them.
        """
        values = json.loads(state)
        self.settings, self.rows, self.kept = values["settings"], values["rows"], values["kept"]
        if not is_first_process():
            return
        for name in self.kept:
            if name.endswith(".pth") and not (self.models_dir / name).is_file():
                what = "a checkpoint of the interrupted training is missing"
                raise RunError(what, self.models_dir / name, RESTART_TRAINING)

    def write_settings(self) -> None:
        """Write ``args.json``."""
        write_json(self.models_dir / ARGS_NAME, self.settings)

    def add_epoch(self, result: EpochResult, model: SegmentationModel) -> dict[str, Any]:
        """Add one epoch: csv row, checkpoints, one line on the terminal; return the row."""
        better = self.add_row(result)
        row = self.rows[-1]
        for kind in better:
            score = row[COLUMNS[kind]]
            self.kept = {name: use for name, use in self.kept.items() if use != kind}
            name = f"best_{kind}_{score:.4f}_seed{self.params.seed}.pth"
            self._save(name, kind, score, result.epoch, model)
        every = self.params.checkpoint_every_epochs
        if every and result.epoch % every == 0:
            name = f"checkpoint_epoch_{result.epoch}_seed{self.params.seed}.pth"
            self._save(name, "periodic", None, result.epoch, model)
        write_csv(self.models_dir / epochs_name(self.params.seed), self.rows, EPOCH_COLUMNS)
        say(" · ".join([_line(row, self.params.epochs), *(f"best {kind}" for kind in better)]))
        return row

    def add_row(self, result: EpochResult) -> list[Monitor]:
        """Add one epoch's row, without writing; return the kinds it is the best of.

        Every process does this, so that all stop early at the same epoch.
        """
        row = _row(result)
        self.rows.append(row)
        return [kind for kind in self.kinds if self.best_row(kind) is row]

    def tidy(self) -> None:
        """Remove replaced checkpoints, and those of epochs after the state's."""
        for path in self.models_dir.iterdir():
            if path.name not in self.kept:
                path.unlink()

    def best_paths(self, models_dir: Path) -> dict[str, str]:
        """Return where the best checkpoints are in ``models_dir``, by name."""
        best = {use: name for name, use in self.kept.items() if use in self.kinds}
        return {f"best_{kind}": str(models_dir / name) for kind, name in best.items()}

    def summary(self) -> dict[str, Any]:
        """Return the content of ``metrics/train.json``."""
        best_row = self.best_row(self.params.monitor)
        return {
            "epochs": len(self.rows),
            "best_epoch": best_row["epoch"],
            **{f"best_{kind}": self.best_row(kind)[COLUMNS[kind]] for kind in self.kinds},
            "train_loss": best_row["train_loss"],
            "val_loss": best_row["val_loss"],
            "parameters": self.settings["run"]["parameters"],
            "seconds_per_epoch": self._median("epoch_time"),
            "train_images_per_second": self._median("train_images_per_second"),
        }

    def warn_of_silence(self, store: Store) -> None:
        """Say so where the best scores as a network that finds nothing.

        That scores 1 in Dice and IoU on each clean image, and 0 otherwise.
        """
        monitor = self.params.monitor
        best = self.best_row(monitor)[COLUMNS[monitor]]
        silent, reason = 0.0, ""
        if monitor in ("dice", "iou"):
            defect, clean = count_kinds(store.records, ["val"])["val"]
            silent, reason = clean / (defect + clean), SILENT_REASON
        if best >= silent + MIN_GAIN:
            return
        advice = "" if self.params.balance else ", train.balance: true"
        say(
            f"warning: the best {monitor}, {best:.4f}, is about what finding nothing scores: "
            f"{silent:.4f}{reason}; "
            f"try more train.epochs{advice} or another train.lr"
        )

    def _median(self, column: str) -> float:
        values: list[float] = [row[column] for row in self.rows]
        return statistics.median(values)

    def _save(
        self, name: str, use: str, score: float | None, epoch: int, model: SegmentationModel
    ) -> None:
        run = self.settings["run"]
        header = {
            "params": {"model": self.settings["model"], "train": self.settings["train"]},
            "epoch": epoch,
            "score": score,
            "precision": run["precision"],
            "store": run["store"],
            "encoder_digest": run["encoder_digest"],
            "image_size": (run["image_width"], run["image_height"]),
            "versions": self.settings["versions"],
            "code": run["code"],
            "format": FORMAT,
        }
        weights = {key: value.detach().cpu() for key, value in model.state_dict().items()}
        save_checkpoint(self.models_dir / name, make_checkpoint(header, weights))
        self.kept[name] = use


def _row(result: EpochResult) -> dict[str, Any]:
    """Turn one epoch's counts into the csv columns."""
    scorer = result.scorer
    curve = scorer.threshold_curve()
    fixed = scorer.group(FIXED)
    summary = scorer.summary()
    dice = choose_threshold(curve, "dice")
    dice_defect = choose_threshold(curve, "dice_defect")
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
        f"epoch {row['epoch']}/{epochs} · "
        f"loss {row['train_loss']:.4f} / val {row['val_loss']:.4f} · "
        f"dice {row['val_dice_opt']:.4f} at {row['opt_threshold_dice']:.2f} "
        f"(0.5: {row['val_dice_fixed']:.4f}) · "
        f"iou {row['val_iou_opt']:.4f} · dice of defects {row['val_dice_defect_opt']:.4f} · "
        f"f1 {row['val_f1_opt']:.4f} · "
        f"auprc {row['auprc']:.4f} · lr {row['learning_rate']:.2e} · {row['epoch_time']:.1f} s"
    )
