"""An epoch with its validation: `bench.baseline` ÷ steelcli, U-Net++ with resnet34 at 1024×256.

Both see the same images, batches of the same size, the same weights at the start, the same
augmentations and two threads. steelcli reads its prepared store, whose making stands beside: it is
paid once for all epochs and all runs. The baseline decodes JPEG and JSON in a worker per core.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from bench.baseline import Loop, Scores, SteelDataset, build_transform
from bench.data import PARAMS_FILES, draw_project, list_images, prepare_store, read_network
from bench.figure import Figure
from bench.timing import interleave, ratio, spread
from steelcli.common.memory import keep_freed_memory
from steelcli.common.progress import say
from steelcli.data.store.reader import Store
from steelcli.data.types import Split
from steelcli.model.network import build_model
from steelcli.model.normalisation import resolve_normalisation
from steelcli.params.all import Params, load_params
from steelcli.training.augment import build_augmentation
from steelcli.training.loop import EpochResult, Trainer
from steelcli.training.run import build_trainer
from steelcli.training.set_up import build_accelerator, read_precision

IMAGES = 13
"""Drawn; 8 are trained on, 2 validated, 3 for testing are not used."""
BATCH = 2
ROUNDS = 2
TARGET = 3.5
SHARE_IMAGES, SHARE_EPOCHS, SHARE_TARGET = 160, 6, 0.15


def measure(work_dir: Path) -> list[Figure]:
    """Return both figures; the sides are seen to validate alike before the clock starts."""
    keep_freed_memory()
    return [_compare_loops(work_dir / "reference"), _measure_share(work_dir / "default")]


def _compare_loops(work_dir: Path) -> Figure:
    draw_project(work_dir / "project", IMAGES)
    params = read_network("reference")
    data = params.data.model_copy(update={"val_fraction": 0.2, "test_fraction": 0.2})
    train = params.train.model_copy(update={"batch_size": BATCH, "epochs": 1000})
    params = params.model_copy(update={"data": data, "train": train})
    store = prepare_store(params.data, work_dir / "project", work_dir)
    ours, loop = build_both(params, store, work_dir / "project")
    check_alike(ours.validate(), loop.validate())
    seconds = interleave({"steelcli": ours.run_epoch, "loop": loop.run_epoch}, ROUNDS, warm_up=0)
    counts = [len(store.positions(split)) for split in ("train", "val")]
    return Figure(
        "an epoch with validation: usual loop ÷ steelcli",
        ratio(seconds["loop"], seconds["steelcli"]),
        TARGET,
        absolute={f"{way} s": spread(taken).median for way, taken in seconds.items()},
        note=f"{counts[0]} + {counts[1]} images, batch {BATCH}, {ours.trainer.precision}; "
        "both validate the untrained network alike",
    )


def _measure_share(work_dir: Path) -> Figure:
    """Return the validation's share of an epoch of the default run, once it has learned a little.

    The maps of an untrained network are noise, which takes longer to score.
    """
    draw_project(work_dir / "project", SHARE_IMAGES)
    params = load_params(PARAMS_FILES["default"])
    store = prepare_store(params.data, work_dir / "project", work_dir)
    accelerator = build_accelerator(params.train)
    network = resolve_normalisation(params.model)
    precision = read_precision(accelerator)
    trainer = build_trainer(accelerator, network, params.train, store, precision)
    epochs = list(trainer.iter_epochs(SHARE_EPOCHS))[SHARE_EPOCHS // 2 :]
    return Figure(
        "validation's share of an epoch, default run",
        spread([1 - epoch.train_seconds / epoch.seconds for epoch in epochs]),
        SHARE_TARGET,
        "at most",
        "",
        absolute={"epoch s": spread([epoch.seconds for epoch in epochs]).median},
        note=f"{SHARE_IMAGES} strips, the last {len(epochs)} of {SHARE_EPOCHS} epochs",
    )


class Ours:
    """A training of steelcli, epoch by epoch."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self._epochs = trainer.iter_epochs(trainer.params.epochs)

    def run_epoch(self) -> EpochResult:
        """Train for one epoch, then validate."""
        return next(self._epochs)

    def validate(self) -> Scores:
        """Return the scores of the network as it is."""
        _, scorer = self.trainer._validate()
        best = max(scorer.threshold_curve(), key=lambda row: row["f1"])
        return Scores(scorer.summary()["auprc"], best["threshold"], best["f1"])


def build_both(params: Params, store: Store, project: Path) -> tuple[Ours, Loop]:
    """Return the two sides, with the same weights; the network is untrained."""
    accelerator = build_accelerator(params.train)
    network = resolve_normalisation(params.model)
    trainer = build_trainer(accelerator, network, params.train, store, read_precision(accelerator))
    settle_statistics(trainer, store)
    plain = build_model(**network.model_dump(), channels_last=False)
    plain.load_state_dict(trainer.plain.state_dict())
    pipeline = build_augmentation(params.train.augment)
    augmentations = pipeline.transforms if pipeline else []
    paths = {path.stem: path for path in list_images(project)}

    def dataset(split: Split, augment: bool) -> SteelDataset:
        chosen = [paths[Path(store.records[i].image).stem] for i in store.positions(split)]
        moves = augmentations if augment else []
        transform = build_transform(params.data.image_size, moves, network.mean, network.std)
        return SteelDataset(chosen, transform)

    inner: nn.Module = plain.network  # the baseline's transform has normalised
    sets = dataset("train", True), dataset("val", False)
    return Ours(trainer), Loop(inner, params.train.lr, *sets, params.train.batch_size)


def settle_statistics(trainer: Trainer, store: Store) -> None:
    """Let batch normalisation see some images: untrained, its output may be one value."""
    model = trainer.plain.train()
    images = torch.from_numpy(store.images.take([0, 1]))[:, None]
    with torch.no_grad():
        for _ in range(3):
            model(images.to(trainer.accelerator.device))


def check_alike(ours: Scores, usual: Scores) -> None:
    """Refuse to compare what does not compute the same.

    steelcli rounds probabilities to 16 bits, resizes by its own letterbox, and has other
    thresholds, so the scores are near and not equal.

    Raises:
        RuntimeError: AUPRC or F1 differ by more than a hundredth.
    """
    say(f"validation of the untrained network: steelcli {ours}, usual loop {usual}")
    if abs(ours.auprc - usual.auprc) > 0.01 or abs(ours.f1 - usual.f1) > 0.01:
        raise RuntimeError(f"the two sides validate differently: {ours} and {usual}")
