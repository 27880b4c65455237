"""Pages, DVC stages and commands say the same thing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import typer
import yaml
from closure import ROOT, import_closure
from typer.testing import CliRunner

from steelcli.cli import app
from steelcli.params.all import Params
from steelcli.training.run import CODE

DVC: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
SYNTHETIC = yaml.safe_load((ROOT / "data/synthetic/dvc.yaml").read_text(encoding="utf-8"))
MODULES = {
    "check-params": "steelcli.commands.check_params",
    "prepare": "steelcli.commands.prepare",
    "train": "steelcli.commands.train",
    "tune-threshold": "steelcli.commands.tune_threshold",
    "evaluate": "steelcli.commands.evaluate",
    "report": "steelcli.commands.report",
}
SURPLUS: dict[str, set[str]] = {
    "check-params": {
        "common.cores",
        "common.formats",
        "common.git",
        "common.memory",
        "common.metrics_file",
        "common.parent",
        "common.problems",
        "common.small_splits",
        "params.options",
    },
    "prepare": {
        "common.formats",
        "common.git",
        "common.memory",
        "common.settings",
        "data.images.level_png",
        "data.raw.supervisely_export",
        "data.raw.suspicions",
        "data.store.pixels",
        "data.store.reader",
    },
    "train": {
        "common.formats",
        "common.problems",
        "data.store.writer",
        "model.export",
        "model.exported",
        "model.quantise",
        "model.run_settings",
        "model.speed",
        "model.trained_model",
        "scores.bootstrap",
        "scores.learning",
        "scores.summary",
        "scores.wilson",
    },
    "tune-threshold": {
        "common.cores",
        "common.formats",
        "common.git",
        "common.parent",
        "common.problems",
        "common.settings",
        "common.small_splits",
        "data.images.find",
        "data.store.writer",
        "model.export",
        "model.exported",
        "model.normalisation",
        "model.quantise",
        "model.speed",
        "scores.bootstrap",
        "scores.summary",
        "scores.wilson",
    },
    "evaluate": {
        "common.cores",
        "common.formats",
        "common.git",
        "common.parent",
        "common.problems",
        "data.images.find",
        "data.store.writer",
        "model.export",
        "model.exported",
        "model.normalisation",
        "model.quantise",
        "scores.bootstrap",
        "scores.learning",
        "scores.threshold",
        "scores.wilson",
    },
    "report": {
        "common.cores",
        "common.formats",
        "common.memory",
        "common.parent",
        "common.problems",
        "data.images.find",
        "data.store.writer",
        "reporting.dice_plot",
        "reporting.overlays",
        "reporting.problem_table",
        "reporting.screen",
        "reporting.storage",
        "reporting.summary_table",
    },
    "synthesize": {"data.images.find", "data.images.level_png"},
}
"""Modules that a stage does not import though the folder they lie in is among its deps: a change in
them makes it stale for nothing. Widen it only knowingly."""
SECTIONS = {
    "check-params": list(Params.model_fields),
    "prepare": ["data"],
    "train": ["model", "train"],
    "tune-threshold": ["threshold", "evaluate.save_maps"],
    "evaluate": ["evaluate", "threshold.min_areas_px"],
    "report": ["report"],
}
CURVES = [spec for plot in DVC["plots"] if isinstance(plot, dict) for spec in plot.values()]
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def modules_under(stage: dict[str, Any]) -> set[str]:
    """Return the modules, such as `data.types`, that the code paths of a stage's deps hold."""
    files: set[Path] = set()
    for dep in stage["deps"]:
        if dep.startswith("steelcli/"):
            path = ROOT / dep
            files |= {path} if path.is_file() else set(path.rglob("*.py"))
    return {name_of(path) for path in files if path.name != "__init__.py"}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT / "steelcli").with_suffix("").parts)


def closure_of(module: str) -> set[str]:
    return {name_of(ROOT / path) for path in import_closure(module)}


def test_the_stages_are_the_commands() -> None:
    assert list(DVC["stages"]) == list(MODULES)
    for name, stage in DVC["stages"].items():
        assert stage["cmd"] == f"python -m steelcli {name}"  # the code of the folder it runs in
        assert name in COMMANDS


@pytest.mark.parametrize("name", [*MODULES, "synthesize"])
def test_a_stage_depends_on_the_modules_it_imports_and_on_few_others(name: str) -> None:
    stage = SYNTHETIC["stages"][name] if name == "synthesize" else DVC["stages"][name]
    used = closure_of(MODULES.get(name, "steelcli.commands.synthesize"))
    named = modules_under(stage)
    assert used <= named, f"add to dvc.yaml: {used - named}"
    assert named - used == SURPLUS[name]


def test_an_interrupted_training_is_keyed_by_the_code_that_the_stage_names() -> None:
    deps = DVC["stages"]["train"]["deps"]
    assert [dep for dep in deps if dep.startswith("steelcli/")] == list(CODE)


@pytest.mark.parametrize("name", MODULES)
def test_a_stage_has_its_own_params_alone(name: str) -> None:
    assert DVC["stages"][name]["params"] == SECTIONS[name]


def test_the_report_never_makes_training_stale() -> None:
    training = set(DVC["stages"]["train"]["deps"])
    assert not any("report" in dep or "tables" in dep or "charts" in dep for dep in training)


def test_plots_name_columns_that_exist() -> None:
    from steelcli.scores.columns import (
        CURVE_COLUMNS,
        EPOCH_COLUMNS,
        FROC_COLUMNS,
        PR_COLUMNS,
        RELIABILITY_COLUMNS,
    )

    columns = {
        "models/metrics_seed${train.seed}.csv": EPOCH_COLUMNS,
        "metrics/pr_curve.csv": PR_COLUMNS,
        "metrics/threshold_curve.csv": CURVE_COLUMNS,
        "metrics/froc.csv": FROC_COLUMNS,
        "metrics/reliability.csv": RELIABILITY_COLUMNS,
    }
    for spec in CURVES:
        for file, wanted in spec["y"].items():
            assert {spec["x"], *([wanted] if isinstance(wanted, str) else wanted)} <= set(
                columns[file]
            )


def test_every_axis_of_a_plot_has_a_name() -> None:
    assert CURVES
    for spec in CURVES:
        assert spec["title"]
        for axis in ("x_label", "y_label"):
            assert len(spec[axis]) > 1, spec["title"]


def test_every_file_of_a_plot_is_made_by_a_stage() -> None:
    outputs = set()
    for stage in DVC["stages"].values():
        for out in (*stage.get("outs", ()), *stage.get("metrics", ())):
            outputs |= {out} if isinstance(out, str) else set(out)
    files = [file for spec in CURVES for file in spec["y"]]
    files += [plot for plot in DVC["plots"] if isinstance(plot, str)]
    assert "predictions/test/overlays" in files
    for file in files:
        assert outputs & {file, *map(str, PurePosixPath(file).parents)}, file


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_and_stands_in_the_readme(name: str) -> None:
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0
    assert COMMANDS[name].help
    assert f"`{name}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_section_of_the_parameters_stands_in_its_page() -> None:
    page = (ROOT / "docs" / "parameters.md").read_text(encoding="utf-8")
    for section in Params.model_fields:
        assert re.search(rf"^\| `{section}`", page, re.MULTILINE), section


def test_help_does_not_import_torch() -> None:
    code = (
        "import sys; sys.argv = ['steelcli', '--help']\n"
        "from steelcli.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code\n"
        "heavy = {'torch', 'cv2', 'albumentations', 'dvc', 'matplotlib', 'pandas', 'numpy'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in COMMANDS:
        assert name in done.stdout
