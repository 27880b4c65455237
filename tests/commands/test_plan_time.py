"""Epochs, by rule and by the clock, and the schedule that goes with them."""

from __future__ import annotations

import pytest
from closure import ROOT

from steelcli.commands.plan_choices import Choices
from steelcli.commands.plan_data import Splits
from steelcli.commands.plan_time import Times, plan_epochs, plan_minutes, plan_schedule
from steelcli.common.errors import RunError
from steelcli.data.raw.source import RawSample
from steelcli.data.raw.to_store import ChosenImage, Facts
from steelcli.data.types import Split
from steelcli.params.all import load_params

TIMES = Times(step=1.0, image=0.1, reading=5.0, start=10.0)


def make_splits(train: int, val: int = 10, test: int = 20) -> Splits:
    facts = Facts("", (1,), 1, 1, 1)
    counts: dict[Split, int] = {"train": train, "val": val, "test": test}
    return Splits(
        tuple(
            ChosenImage(RawSample("", ROOT, None), split, facts)
            for split, count in counts.items()
            for _ in range(count)
        )
    )


def make_choices(config: str = "fast-cpu", *given: str) -> Choices:
    return Choices(load_params(ROOT / "configs" / f"{config}.yaml"), frozenset(given))


@pytest.mark.parametrize(
    ("config", "images", "epochs"),
    [
        ("fast-cpu", 176, 27),
        ("fast-cpu", 260, 19),
        ("fast-cpu", 8000, 8),
        ("fast-cpu", 9, 100),
        ("strong", 8000, 50),
        ("severstal", 9, 100),
    ],
)
def test_the_rule_has_bounds(config: str, images: int, epochs: int) -> None:
    choices = make_choices(config)
    plan_epochs(choices, make_splits(images))
    assert choices.params.train.epochs == epochs
    assert "600 steps at" in choices.reasons["train.epochs"]


def test_the_minutes_hold_all_stages() -> None:
    choices = make_choices()
    plan_minutes(choices, make_splits(800), TIMES, 30)
    epochs = choices.params.train.epochs
    whole = TIMES.epoch(100, 10) * epochs + TIMES.rest(30)
    assert 0.7 * 30 * 60 < whole < 30 * 60
    assert "1.00 s a step, 0.100 s to validate an image" in choices.reasons["train.epochs"]
    plan_minutes(choices, make_splits(800), TIMES, 60)
    assert choices.params.train.epochs > 2 * epochs
    plan_minutes(choices, make_splits(800), TIMES, 6000)
    assert choices.params.train.epochs == 100


def test_too_few_minutes_name_those_needed() -> None:
    with pytest.raises(RunError, match=r"not one epoch fits .*--minutes 1; give at least 5, or"):
        plan_minutes(make_choices(), make_splits(800), TIMES, 1)
    plan_minutes(make_choices(), make_splits(800), TIMES, 5)


@pytest.mark.parametrize(
    ("config", "epochs", "expected"),
    [
        ("fast-cpu", 27, (1.0, 26, 9)),
        ("fast-cpu", 8, (1.0, 7, 7)),
        ("fast-cpu", 2, (0.25, 2, 7)),
        ("severstal", 100, (0.0, 12, 7)),
        ("severstal", 50, (0.0, 6, 7)),
    ],
)
def test_the_schedule_is_the_config_s_in_step_with_the_epochs(
    config: str, epochs: int, expected: tuple[float, int, int]
) -> None:
    choices = make_choices(config)
    before = choices.params.train
    choices.choose("train.epochs", epochs, "")
    plan_schedule(choices, before)
    train = choices.params.train
    assert (train.warmup_epochs, train.restart_epochs, train.patience) == expected


def test_given_epochs_stay_and_the_schedule_follows() -> None:
    choices = make_choices("fast-cpu", "train.epochs")
    plan_epochs(choices, make_splits(176))
    assert choices.params.train.epochs == 8
    assert "train.epochs" not in choices.reasons
