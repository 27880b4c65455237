"""`make bench`: its clock, its table and file, and that both sides compute the same."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from make_params import data_params, model_params, train_params

from bench import __main__ as command
from bench import baseline, prepare
from bench.data import list_images
from bench.figure import Figure, build_table
from bench.machine import describe_machine
from bench.roofline import count_operations
from bench.timing import Spread, interleave, ratio, spread
from bench.training import BareStep, PairedSteps
from steelcli.data.levels import from_levels
from steelcli.data.store.reader import Store
from steelcli.model.normalisation import resolve_normalisation
from steelcli.scores.counts import FIXED
from steelcli.scores.histogram import GRID
from steelcli.scores.scorer import SplitScorer
from steelcli.training.run import build_trainer
from steelcli.training.set_up import build_accelerator


def test_the_ways_take_turns_and_every_second_round_goes_backwards() -> None:
    called: list[str] = []
    ticks = iter(range(100))
    ways = {name: lambda name=name: called.append(name) for name in "abc"}
    seconds = interleave(ways, 2, warm_up=1, clock=lambda: float(next(ticks)))
    assert "".join(called) == "cba" + "abc" + "cba"
    assert {name: len(taken) for name, taken in seconds.items()} == {"a": 2, "b": 2, "c": 2}


def test_warming_up_is_not_clocked() -> None:
    now = 0.0
    costs = iter([100.0, 1.0, 2.0])

    def work() -> None:
        nonlocal now
        now += next(costs)

    assert interleave({"a": work}, 2, warm_up=1, clock=lambda: now) == {"a": [1.0, 2.0]}


def test_a_ratio_is_taken_within_each_round() -> None:
    assert ratio([2.0, 40.0, 9.0], [1.0, 10.0, 3.0]) == Spread(3.0, 2.5, 3.5)
    assert spread([4.0, 2.0]) == Spread(3.0, 2.0, 4.0)
    assert spread([5.0]) == Spread(5.0, 5.0, 5.0)


@pytest.mark.parametrize(
    ("sense", "value", "held"),
    [("at least", 2.0, True), ("at least", 1.9, False), ("at most", 2.1, False)],
)
def test_a_target_is_held_or_not(sense: str, value: float, held: bool) -> None:
    figure = Figure("one", Spread(value, value, value), 2.0, sense)  # type: ignore[arg-type]
    assert figure.held is held
    (row,) = build_table([figure]).rows
    assert row[4] == ("yes" if held else "NO")


def test_the_results_say_where_and_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figure = Figure("a ÷ b", Spread(3.0, 2.0, 4.0), 2.5, absolute={"a s": 1.5})
    monkeypatch.setattr(command, "measure_apart", lambda _name: [figure])
    out = tmp_path / "results.json"
    command.main(["--only", "epoch", "--out", str(out)])
    written = json.loads(out.read_text(encoding="utf-8"))
    assert written.keys() == {*describe_machine(), "seconds", "figures"}
    assert written["machine"]["cores"] >= 1
    assert written["machine"].keys() >= {"cpu", "instruction_sets"}
    assert written["figures"] == {
        "epoch": [
            {
                "name": "a ÷ b",
                "value": {"median": 3.0, "low": 2.0, "high": 4.0},
                "target": 2.5,
                "sense": "at least",
                "unit": "×",
                "absolute": {"a s": 1.5},
                "note": "",
                "held": True,
            }
        ]
    }
    assert "a ÷ b" in capsys.readouterr().out


def test_an_unknown_figure_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        command.main(["--only", "nothing"])
    assert stop.value.code == 2
    assert "inference" in capsys.readouterr().err


def test_every_figure_has_its_module() -> None:
    folder = Path(command.__file__).parent
    for name in (*command.DEFAULT, *command.OTHERS):
        assert "\ndef measure(work_dir: Path)" in (folder / f"{name}.py").read_text("utf-8")


def test_the_usual_loop_scores_as_we_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline, "THRESHOLDS", GRID)
    rng = np.random.default_rng(0)
    scorer = SplitScorer(("pits",), (FIXED,), 0.1)
    levels = rng.integers(0, 65536, (3, 20, 30), np.uint16)
    truths = rng.random((3, 20, 30)) < levels / 80_000
    for index in range(3):
        scorer.update(str(index), levels[index], truths[index][None])
    usual = baseline.score(from_levels(levels).ravel(), truths.ravel().astype(np.uint8))
    f1 = {row["threshold"]: row["f1"] for row in scorer.threshold_curve()}
    assert usual.auprc == pytest.approx(scorer.summary()["auprc"], abs=1e-9)
    assert usual.f1 == pytest.approx(max(f1.values()), abs=1e-12)
    assert f1[usual.threshold] == max(f1.values())


def test_bare_decoding_draws_the_masks_of_the_store(project_dir: Path, tmp_path: Path) -> None:
    params = data_params(root=str(project_dir))
    prepare.check_alike(params, list_images(project_dir), tmp_path)


def test_a_bare_step_begins_with_the_loss_of_the_training(store_dir: Path) -> None:
    params, network = train_params(epochs=10), resolve_normalisation(model_params())
    accelerator = build_accelerator(params)
    trainer = build_trainer(accelerator, network, params, Store(store_dir), "fp32")
    pairs = PairedSteps(trainer, BareStep(trainer, network), 6)
    pairs.run()  # raises where the first losses differ
    assert len(pairs.trained) == len(pairs.bare) == 6
    assert (trainer.position.epoch - 1) * trainer.steps + trainer.position.step == 6
    assert min(pairs.trained + pairs.bare) > 0


def test_a_multiplication_and_an_addition_are_two_operations() -> None:
    assert count_operations(lambda: torch.mm(torch.ones(3, 4), torch.ones(4, 5))) == 2 * 3 * 4 * 5
    images, convolve = torch.ones(2, 6, 8, 8), torch.nn.functional.conv2d
    assert count_operations(lambda: convolve(images, torch.ones(5, 6, 3, 3))) == (
        2 * 2 * 5 * 6 * 9 * 36
    )
    each_apart = partial(convolve, images, torch.ones(6, 1, 3, 3), groups=6)
    assert count_operations(each_apart) == 2 * 2 * 6 * 9 * 36


def test_a_bare_step_of_other_weights_is_refused(store_dir: Path) -> None:
    params, network = train_params(epochs=10), resolve_normalisation(model_params())
    accelerator = build_accelerator(params)
    trainer = build_trainer(accelerator, network, params, Store(store_dir), "fp32")
    bare_step = BareStep(trainer, network)
    bare_step.masks = 1 - bare_step.masks
    with pytest.raises(RuntimeError, match="first losses"):
        PairedSteps(trainer, bare_step, 6).run()
