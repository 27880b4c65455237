"""How many epochs: by the recipe's rule, or as many as fit into the minutes that there are."""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelcli.commands.plan_choices import Choices
from steelcli.commands.plan_data import Splits
from steelcli.common.errors import RunError
from steelcli.common.memory import keep_freed_memory
from steelcli.data.raw.survey import Survey, read_sample
from steelcli.data.raw.to_store import draft_image, write_store
from steelcli.data.store.reader import Store
from steelcli.data.types import SPLITS
from steelcli.model.normalisation import resolve_normalisation
from steelcli.params.train import TrainParams
from steelcli.training.run import build_trainer
from steelcli.training.set_up import build_accelerator, read_precision

RULE_STEPS = 600
"""Steps of the default recipe on small data (docs/recipe.md)."""
MAX_EPOCHS = 100
RUN_SHARE = 0.85
"""Of the minutes that are planned for: times on shared cores vary."""
STARTS = 8
"""Programs that a run starts: six stages, DVC and `steelcli run` itself."""
START = "import dvc.repo, steelcli.training.run, steelcli.reporting.page"
SCORING_PASSES = 5
"""Learning the point, or testing, takes of an image so many times its validation: two views, areas,
maps and pictures."""
TRIAL_STEPS = 3
TRIAL_IMAGES = {"val": 8, "test": 1}


@dataclass(frozen=True)
class Times:
    """Seconds measured on this machine.

    Attributes:
        step: of one step of the optimiser.
        image: to validate one image.
        reading: to read all images once.
        start: to start a program that loads torch and DVC.
    """

    step: float
    image: float
    reading: float
    start: float

    def epoch(self, steps: int, val_images: int) -> float:
        """Return the seconds of an epoch with its validation."""
        return steps * self.step + val_images * self.image

    def rest(self, scored_images: int) -> float:
        """Return the seconds of all stages beside the epochs."""
        scoring = SCORING_PASSES * scored_images * self.image
        return STARTS * self.start + 2 * self.reading + scoring


def plan_epochs(choices: Choices, splits: Splits) -> None:
    """Choose ``train.epochs`` by the recipe's rule, within the config's number and `MAX_EPOCHS`."""
    params = choices.params.train
    least, steps = params.epochs, _count_steps(params, splits)
    epochs = round(RULE_STEPS / steps)
    reason = f"{RULE_STEPS} steps at {steps} an epoch, as in docs/recipe.md: {epochs}"
    if epochs < least:
        epochs, reason = least, f"{reason}; the config's {least} at least"
    elif epochs > MAX_EPOCHS:
        epochs, reason = MAX_EPOCHS, f"{reason}; {MAX_EPOCHS} at most"
    choices.choose("train.epochs", epochs, reason)


def plan_minutes(choices: Choices, splits: Splits, times: Times, minutes: int) -> None:
    """Choose as many epochs as fit.

    Raises:
        RunError: not one does.
    """
    params = choices.params.train
    steps = _count_steps(params, splits)
    val_images = splits.count("val")
    epoch = times.epoch(steps, val_images)
    rest = times.rest(val_images + splits.count("test"))
    epochs = min(MAX_EPOCHS, math.floor((60 * minutes * RUN_SHARE - rest) / epoch))
    measured = f"measured here: {times.step:.2f} s a step, {times.image:.3f} s to validate an image"
    if epochs < 1:
        least = math.ceil((rest + epoch) / RUN_SHARE / 60)
        what = f"not one epoch fits ({measured}; {epoch:.0f} s an epoch, {rest:.0f} s beside them)"
        remedy = f"give at least {least}, or a smaller data.image_size or data.limit with --set"
        raise RunError(what, f"--minutes {minutes}", remedy)
    took = f"{steps} steps an epoch, about {epoch:.0f} s with validation"
    about = f"the run about {(epochs * epoch + rest) / 60:.0f} of {minutes} minutes"
    choices.choose("train.epochs", epochs, f"{measured}; {took}; {about}")


def _count_steps(params: TrainParams, splits: Splits) -> int:
    """Return the optimiser's steps in an epoch."""
    return max(1, splits.count("train") // params.batch_size // params.accumulate_steps)


def plan_schedule(choices: Choices, before: TrainParams) -> None:
    """Choose warm-up, periods and patience in step with the epochs.

    Args:
        before: the config's own, without what was given.
    """
    params = choices.params.train
    epochs = params.epochs
    warmup = round(min(params.warmup_epochs, epochs / 8), 2)
    said = f"as in the config, and at most an eighth of the {epochs} epochs"
    choices.choose("train.warmup_epochs", warmup, said)
    warmup = choices.params.train.warmup_epochs
    share = before.restart_epochs / max(1, before.epochs - before.warmup_epochs)
    period = max(1, math.ceil(round(share * (epochs - warmup), 6)))
    said = f"{share:.0%} of the epochs after the warm-up, as in the config"
    choices.choose("train.restart_epochs", period, said)
    if share >= 1:  # the rate falls to the end, and scores rise last
        patience = max(params.patience, math.ceil(epochs / 3))
        choices.choose("train.patience", patience, "the config's, at least a third of the epochs")


def measure(choices: Choices, found: Survey[Any], splits: Splits, reading: float) -> Times:
    """Train the planned network for two short epochs on some of the images; time the second.

    Args:
        reading: seconds that reading all images took.

    Raises:
        UserError: see `build_trainer`, or a loss that is not finite.
    """
    params = choices.params
    wanted = TRIAL_STEPS * params.train.batch_size * params.train.accumulate_steps
    taken = []
    for split in SPLITS:
        members = [image for image in splits.chosen if image.split == split]
        count = TRIAL_IMAGES.get(split, wanted)
        taken += members[:: max(1, len(members) // count)][:count]
    keep_freed_memory()
    accelerator = build_accelerator(params.train)
    with tempfile.TemporaryDirectory() as name:
        folder, drafts = Path(name), {}
        for image in taken:
            read = read_sample(found.source, params.data, image.sample)
            drafts[image.sample.image] = draft_image(params.data, folder, read)
        write_store(folder, found.source.class_titles, params.data, taken, drafts)
        store = Store(folder)
        network, precision = resolve_normalisation(params.model), read_precision(accelerator)
        trainer = build_trainer(accelerator, network, params.train, store, precision)
        *_, last = trainer.iter_epochs(2)
        scored = len(store.positions("val"))
    return Times(
        step=last.train_seconds / trainer.steps,
        image=(last.seconds - last.train_seconds) / scored,
        reading=reading,
        start=_time_start(),
    )


def _time_start() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", START], check=True)
    return time.perf_counter() - started
