"""`steelcli plan` as a whole: what is written, printed, refused; and that the file works."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from closure import ROOT
from typer.testing import CliRunner, Result

from steelcli.cli import app
from steelcli.commands import plan as module
from steelcli.commands.check_params import check_params
from steelcli.commands.plan import Plan, find_config, name_root
from steelcli.common.errors import DataError, ParamsError, RunError
from steelcli.params.all import load_params

TINY = (
    "model.encoder_name=resnet18",
    "model.encoder_weights=null",
    "model.decoder_channels=[16,8,8,8,4]",
    "data.image_size=[128,32]",
)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["plan", *map(str, arguments)])


def options(*changes: str) -> list[str]:
    return [word for change in changes for word in ("--set", change)]


@pytest.fixture
def work_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let planning take no time."""
    table = module.Table("Planned", ("parameter", "value", "meaning"), ())
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    monkeypatch.setattr(module, "plan", lambda *_: Plan(text, table))


def test_a_plan_is_written_shown_and_works(project_dir: Path, work_dir: Path) -> None:
    done = call(project_dir, *options(*TINY))
    assert (done.exit_code, done.stderr) == (0, "")
    assert "params.yaml is written; `steelcli run` trains with it" in done.stdout
    params = load_params(Path("params.yaml"))
    assert params.data.root == str(project_dir)
    assert (params.data.format, params.data.image_size) == ("supervisely", (128, 32))
    check_params(params, work_dir / "checked")
    text = Path("params.yaml").read_text(encoding="utf-8")
    assert text.startswith("# Planned by `steelcli plan` from ")
    joined = " ".join(line.lstrip("# ") for line in text.split("\n\ndata:")[0].splitlines())
    for said in (
        f"fast-cpu.yaml: steelcli plan {project_dir} --set model.encoder_name=resnet18 --set",
        "Data: supervisely, 24 JPEG of 800x128; train / val / test 12 / 6 / 6.",
        "GiB of memory; steelcli ",
        "Not decided, as in ",
        "train lr, min_lr, seed, ",
        "The light recipe of params.yaml",
    ):
        assert said in joined
    assert "  # given decoder_channels: with --set\n" in text
    assert "train.batch_size" in done.stdout


def test_show_prints_the_file_and_writes_nothing(project_dir: Path, work_dir: Path) -> None:
    Path("params.yaml").write_text("mine", encoding="utf-8")
    done = call(project_dir, "--show", "--config", "severstal", *options(*TINY))
    assert done.exit_code == 0
    assert [path.name for path in work_dir.iterdir()] == ["params.yaml"]
    assert Path("params.yaml").read_text(encoding="utf-8") == "mine"
    Path("shown.yaml").write_text(done.stdout, encoding="utf-8")
    params = load_params(Path("shown.yaml"))
    assert params.model.architecture == "unetplusplus"
    assert "What it started from, severstal.yaml, said:" in done.stdout


@pytest.mark.usefixtures("quick")
def test_a_changed_file_is_not_replaced_unless_forced(work_dir: Path) -> None:
    assert call("data").exit_code == 0  # there was none
    first = Path("params.yaml").read_text(encoding="utf-8")
    refused = call("data")
    assert isinstance(refused.exception, RunError)
    assert str(refused.exception).endswith(
        "and would be replaced: params.yaml; commit or move it, or add --force."
    )
    for command in ("init -q", "add -A", "-c user.name=T -c user.email=t@e commit -qm Start"):
        subprocess.run(["git", *command.split()], check=True, cwd=work_dir)
    assert call("data").exit_code == 0
    assert call("data", "--params", work_dir / "params.yaml").exit_code == 0
    Path("params.yaml").write_text(first + "# mine\n", encoding="utf-8")
    assert call("data").exit_code == 1
    assert call("data", "--params", "other.yaml").exit_code == 0
    assert Path("params.yaml").read_text(encoding="utf-8") == first + "# mine\n"
    assert call("data", "--force").exit_code == 0
    assert Path("params.yaml").read_text(encoding="utf-8") == first


@pytest.mark.slow
def test_minutes_are_measured(project_dir: Path, work_dir: Path) -> None:
    done = call(project_dir, "--minutes", 20, *options(*TINY))
    assert done.exit_code == 0, done.exception
    text = " ".join(Path("params.yaml").read_text(encoding="utf-8").split())
    assert "# planned epochs: measured here: " in text
    assert "s to validate an image; 6 steps an epoch" in text
    assert load_params(work_dir / "params.yaml").train.epochs > 1
    refused = call(project_dir, "--force", "--minutes", 1, *options(*TINY))
    assert isinstance(refused.exception, RunError)
    assert "not one epoch fits" in str(refused.exception)


@pytest.mark.parametrize("case", ["nothing", "broken", "no folder"])
def test_bad_data_is_told_as_check_tells_it(
    project_dir: Path, work_dir: Path, tmp_path: Path, case: str
) -> None:
    data_dir = tmp_path / "data"
    if case == "broken":
        shutil.copytree(project_dir, data_dir)
        next(data_dir.rglob("*.jpg")).write_bytes(b"no image")
    elif case == "nothing":
        data_dir.mkdir()
    planned = call(data_dir)
    checked = CliRunner().invoke(app, ["check", str(data_dir)])
    assert isinstance(planned.exception, DataError)
    assert str(planned.exception) == str(checked.exception)
    if case == "broken":
        assert "1 problem in " in planned.stdout
    assert not list(work_dir.iterdir())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("train.lr=fast", "train.lr"),
        ("train.learning_rate=1", "did you mean lr"),
        ("data.root=there", "give it as PATH alone"),
        ("train.lr=0.1,0.2", "several values"),
        ("params.yaml:data.root=there", "give it as PATH alone"),
        ("other.yaml:train.lr=1", "--set changes another file: other.yaml; name"),
    ],
)
def test_a_wrong_change_is_refused_at_once(work_dir: Path, given: str, said: str) -> None:
    refused = call("no such folder", "--set", given)
    assert isinstance(refused.exception, ParamsError)
    assert said in str(refused.exception)
    assert not list(work_dir.iterdir())


def test_minutes_and_given_epochs_are_refused_together(work_dir: Path) -> None:
    refused = call("no such folder", "--minutes", 5, "--set", "params.yaml:train.epochs=9")
    assert isinstance(refused.exception, ParamsError)
    assert "train.epochs is given as well: --minutes" in str(refused.exception)
    assert not list(work_dir.iterdir())


def test_given_epochs_are_kept_and_the_schedule_follows(project_dir: Path, work_dir: Path) -> None:
    changes = options(*TINY, "params.yaml:train.epochs=27")
    done = call(project_dir, "--config", "fast-cpu", *changes)
    assert done.exit_code == 0, done.exception
    train = load_params(work_dir / "params.yaml").train
    assert (train.epochs, train.restart_epochs, train.patience) == (27, 26, 9)


def test_without_configs_the_clone_is_asked_for(
    work_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.steelcli, "__file__", str(work_dir / "steelcli" / "__init__.py"))
    with pytest.raises(ParamsError, match="stand in the clone or give --config FILE"):
        find_config(None)


def test_configs_are_found_by_name_and_as_files(work_dir: Path) -> None:
    assert find_config(None).name in ("fast-cpu.yaml", "strong.yaml")
    assert find_config("severstal") == ROOT / "configs" / "severstal.yaml"
    (work_dir / "configs").mkdir()
    shutil.copy(ROOT / "params.yaml", work_dir / "configs" / "mine.yaml")
    assert find_config("mine") == Path("configs/mine.yaml")
    assert find_config("configs/mine.yaml") == Path("configs/mine.yaml")
    with pytest.raises(ParamsError, match="one of fast-cpu, mine, severstal, strong"):
        find_config("other")


def test_a_root_is_relative_inside_the_folder_alone(work_dir: Path) -> None:
    assert name_root(Path("a/../b")) == "b"
    assert name_root(work_dir / "b") == "b"
    assert name_root(Path("../b")) == str(work_dir.parent / "b")
    assert name_root(Path()) == "."
