"""A user's own data under the real DVC: runs elsewhere, runs that fail, and the way back.

The clone never makes the embedded data.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from clone import Clone

pytestmark = pytest.mark.slow

TINY = (
    "data.image_size=[128,32]",
    "model.decoder_channels=[16,8,8,8,4]",
    "train.epochs=1",
    "train.batch_size=2",
    "evaluate.timing_images=1",
)
RESULTS = (
    "params.yaml",
    "dvc.lock",
    "data/prepared",
    "models",
    "metrics",
    "predictions",
    "reports",
)


def to_options(*changes: str) -> list[str]:
    return [word for change in changes for word in ("-S", change)]


def digest_results(clone: Clone) -> dict[str, str]:
    """Return the digest of parameters, lock and every file of the results, by path."""
    found = {}
    for name in RESULTS:
        path = clone.clone_dir / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                digest = hashlib.sha256(file.read_bytes()).hexdigest()
                found[str(file.relative_to(clone.clone_dir))] = digest
    return found


@pytest.fixture(scope="module")
def clone(project_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone in which the experiment `mine` has run."""
    clone = Clone(tmp_path_factory.mktemp("clone"))
    clone("steelcli", "run", "-n", "mine", *to_options(f"data.root={project_dir}", *TINY))
    return clone


@pytest.fixture
def former(clone: Clone) -> Iterator[dict[str, str]]:
    """The results of `mine`; the test has to leave them as they were."""
    before = digest_results(clone)
    assert {"dvc.lock", "models/args.json", "metrics/test.json", "reports/report.html"} <= set(
        before
    )
    yield before
    assert digest_results(clone) == before


@pytest.fixture(scope="module")
def bad_dir(project_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data that `prepare` refuses, after DVC has removed the store."""
    copy_dir = tmp_path_factory.mktemp("bad")
    for path in project_dir.rglob("*"):
        if path.is_file():
            target = copy_dir / path.relative_to(project_dir)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    next(copy_dir.rglob("*.jpg")).write_bytes(b"no image")
    return copy_dir


@pytest.mark.usefixtures("former")
def test_apply_checkout_and_pull_do_not_ask_for_the_embedded_data(
    clone: Clone, tmp_path: Path
) -> None:
    clone("dvc", "exp", "apply", "mine")
    clone("dvc", "checkout")
    clone("dvc", "remote", "add", "--local", "--default", "store", str(tmp_path / "store"))
    clone("dvc", "push")
    clone("dvc", "pull")
    assert not (clone.clone_dir / "data/synthetic/project").exists()


def test_a_wrong_value_given_to_dvc_itself_removes_nothing(
    clone: Clone, former: dict[str, str]
) -> None:
    assert "train.lr" in clone.fail("dvc", "exp", "run", "-S", "train.lr=fast")
    after = digest_results(clone)
    assert after.pop("params.yaml") != former["params.yaml"]
    assert after == {name: digest for name, digest in former.items() if name != "params.yaml"}
    clone("dvc", "exp", "apply", "mine")


@pytest.mark.usefixtures("former")
def test_one_command_brings_a_run_back_after_a_stage_failed_under_dvc(
    clone: Clone, bad_dir: Path
) -> None:
    assert "problem" in clone.fail("dvc", "exp", "run", "-S", f"data.root={bad_dir}")
    assert not (clone.clone_dir / "metrics/data.json").exists()
    assert not (clone.clone_dir / "data/prepared").exists()
    clone("dvc", "exp", "apply", "mine")


@pytest.mark.usefixtures("former")
@pytest.mark.parametrize("stage", ["check-params", "prepare", "train"])
def test_steelcli_run_brings_everything_back_itself(
    clone: Clone, bad_dir: Path, stage: str
) -> None:
    change = {
        "check-params": "model.encoder_name=resnet43",
        "prepare": f"data.root={bad_dir}",
        "train": "train.lr=1e30",
    }[stage]
    said = clone.fail("steelcli", "run", "-S", change)
    assert f"failed to reproduce '{stage}'" in said
    assert "as before" in said
    stale = json.loads(clone("dvc", "status", "--json"))
    assert not [name for name in stale if not name.startswith("data/synthetic")]


def start(clone: Clone, log_path: Path, *command: str) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own, as a terminal does."""
    with log_path.open("wb") as log:
        return subprocess.Popen(
            command,
            cwd=clone.clone_dir,
            env=clone.env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def wait_for(log_path: Path, text: str) -> None:
    deadline = time.monotonic() + 120
    while text not in log_path.read_text(encoding="utf-8"):
        assert time.monotonic() < deadline, log_path.read_text(encoding="utf-8")
        time.sleep(0.1)


def wait_for_end(group: int) -> None:
    """Wait until a process group has no process, or none but those that nobody reaps."""
    with suppress(ProcessLookupError):
        for _ in range(100):
            os.killpg(group, 0)
            time.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_brings_everything_back_and_the_same_command_goes_on(
    clone: Clone, former: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    changes = ("train.epochs=40", "train.patience=40", f"train.seed={number.value}")
    command = ("steelcli", "run", "-n", number.name, *to_options(*changes))
    process = start(clone, tmp_path / "log", *command)
    wait_for(tmp_path / "log", "epoch 2/40")
    if number == signal.SIGINT:  # Ctrl-C reaches the whole group
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    assert process.wait(60) == 128 + number
    assert "the same command goes on" in (tmp_path / "log").read_text(encoding="utf-8")
    assert digest_results(clone) == former
    output = clone(*command)
    assert "epoch 1/40" not in output
    assert "epoch 40/40" in output
    clone("dvc", "exp", "apply", "mine")


@pytest.mark.usefixtures("former")
@pytest.mark.parametrize("moment", ["epoch 1/400", "Running stage 'tune-threshold'"])
def test_after_a_kill_the_next_failure_brings_back_what_stood_before_both(
    clone: Clone, tmp_path: Path, moment: str
) -> None:
    """Also where the training ended, so that a new model stands beside old scores."""
    epochs = 400 if "400" in moment else 1
    changes = to_options(f"train.epochs={epochs}", "train.patience=400", f"train.seed={epochs}")
    process = start(clone, tmp_path / "log", "steelcli", "run", *changes)
    wait_for(tmp_path / "log", moment)
    process.kill()
    process.wait()
    if epochs == 400:
        assert "another dvc" in clone.fail("steelcli", "run", "-S", "train.lr=1e30")
    os.killpg(process.pid, signal.SIGKILL)  # DVC and the stage, which the kill left
    wait_for_end(process.pid)
    params_path = clone.clone_dir / "params.yaml"
    edited = params_path.read_text(encoding="utf-8") + "# edited after the kill\n"
    params_path.write_text(edited, encoding="utf-8")
    said = clone.fail("steelcli", "run", "-S", "train.lr=1e30")
    assert "an earlier run here was killed" in said
    assert "as before" in said
    kept_path = clone.clone_dir / ".steelcli" / "params.yaml.after-kill"
    assert kept_path.read_text(encoding="utf-8") == edited


def test_a_name_that_is_taken_is_refused_before_dvc_is_called(clone: Clone) -> None:
    said = clone.fail("steelcli", "run", "-n", "mine", "-S", "train.lr=0.1")
    assert said.startswith("Error: an experiment from this commit has this name: mine; ")


def test_without_a_git_identity_just_those_runs_are_refused_in_which_dvc_fails(
    tmp_path: Path, project_dir: Path
) -> None:
    clone = Clone(tmp_path / "clone")
    clone("git", "config", "--remove-section", "user")
    clone.env |= {"HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    options = to_options(f"data.root={project_dir}", *TINY)
    clone("steelcli", "run", "--queue", *options)
    params_path = clone.clone_dir / "params.yaml"
    edited = params_path.read_text(encoding="utf-8") + "# edited\n"
    params_path.write_text(edited, encoding="utf-8")
    said = clone.fail("steelcli", "run", *options)
    assert said.startswith("Error: git has no name for the commit that DVC makes of your changes: ")
    assert len(said.splitlines()) == 1
    assert "name and email must be configured" in clone.fail("dvc", "exp", "run", *options)
    clone("git", "config", "user.name", "Test")
    clone("git", "config", "user.email", "test@example.org")
    clone("steelcli", "run", "--queue", *options)
    assert params_path.read_text(encoding="utf-8") == edited


@pytest.mark.usefixtures("former")
def test_a_run_in_a_folder_of_its_own_leaves_the_workspace_alone(clone: Clone) -> None:
    before = digest_results(clone)
    clone("steelcli", "run", "--temp", "-n", "away", *to_options("train.lr=0.002"))
    assert digest_results(clone) == before
    clone("dvc", "exp", "apply", "away")
    settings = json.loads((clone.clone_dir / "models/args.json").read_text(encoding="utf-8"))
    assert settings["train"]["lr"] == 0.002
    clone("dvc", "exp", "apply", "mine")


@pytest.mark.usefixtures("former")
def test_a_queued_run_has_the_code_it_was_queued_with(clone: Clone) -> None:
    clone("steelcli", "run", "--queue", "-n", "queued", *to_options("train.lr=0.003"))
    losses_path = clone.clone_dir / "steelcli/training/losses.py"
    text = losses_path.read_text(encoding="utf-8")
    assert text.count("    return loss\n") == 1
    losses_path.write_text(text.replace("return loss\n", "return 0 * loss\n"), encoding="utf-8")
    try:
        clone("dvc", "queue", "start")
        deadline = time.monotonic() + 180
        while any(word in clone("dvc", "queue", "status") for word in ("Queued", "Running")):
            assert time.monotonic() < deadline
            time.sleep(1)
    finally:
        losses_path.write_text(text, encoding="utf-8")
    assert "Success" in clone("dvc", "queue", "status")
    names = clone("git", "for-each-ref", "--format=%(refname)", "refs/exps").split()
    (commit,) = [name for name in names if name.endswith("/queued")]
    metrics = json.loads(clone("git", "show", f"{commit}:metrics/train.json"))
    assert metrics["train_loss"] > 0.1  # 0 with the edited code
    clone("dvc", "exp", "apply", "mine")
