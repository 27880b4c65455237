"""`dvc exp run` made safe: a slip costs a sentence, not a model.

DVC writes changed values into params.yaml and removes what a stage makes before the stage runs.
Here the values are checked first, and when the run fails all that it touched is brought back.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
from filelock import FileLock, Timeout

from steelcli.commands.former_state import FormerState
from steelcli.commands.overrides import change_copies
from steelcli.common.errors import Interrupted, ParamsError, RunError, quote
from steelcli.common.git import (
    SET_IDENTITY,
    explain_no_git,
    has_changes,
    has_experiment,
    has_identity,
    is_tracked,
)
from steelcli.common.inputs import read_json
from steelcli.common.paths import (
    FORMER_DIR,
    LOCK_PATH,
    METRICS_DIR,
    PARAMS_PATH,
    PROBLEMS_NAME,
    STAGES_PATH,
    SYNTHETIC_DIR,
)
from steelcli.common.progress import say
from steelcli.params.all import Params, load_params
from steelcli.params.data import check_root, is_made_by_dvc


def run(arguments: Sequence[str]) -> None:
    """Check the parameters as the run would change them, then call `dvc exp run`.

    Args:
        arguments: those of `dvc exp run`, handed on as they are.

    Raises:
        UserError: no repository, or no name to commit changes; wrong parameters; the run failed,
            and all is as it was.
        Interrupted: SIGINT or SIGTERM; all is as it was, and the training's state is saved.
    """
    refuse_no_repository()
    options = _parse(arguments)
    if options.name and not options.force and has_experiment(options.name):
        what = "an experiment from this commit has this name"
        raise ParamsError(what, options.name, "give another -n, or add -f to replace it")
    if not options.run_all and has_changes() and not has_identity():
        what = "git has no name for the commit that DVC makes of your changes"
        raise RunError(what, Path.cwd(), SET_IDENTITY)
    is_elsewhere = options.queue or options.tmp_dir or options.run_all
    for params_path in change_copies(options.set_param, options.queue):
        params = load_params(params_path)
        check_root(params.data)
        if (options.queue or options.tmp_dir) and not options.copy_paths:
            _refuse_untracked(params)
    if is_elsewhere or options.dry:
        if _call_dvc(arguments):
            raise RunError("the run failed", "dvc exp run", "mend what the lines above say")
    else:
        _run_here(arguments)


def refuse_no_repository() -> None:
    """Say what is missing here before DVC does.

    Raises:
        RunError: no git repository with a commit, or not the root of a DVC repository.
    """
    here = Path.cwd()
    if reason := explain_no_git():
        what = f"an experiment is a git commit, and {reason}"
        remedy = "clone with git, or run `git init`, `git add -A` and `git commit -m Start`"
        raise RunError(what, here, remedy)
    if not (Path(".dvc").is_dir() and STAGES_PATH.is_file()):
        what = f"this is not the root of a DVC repository: no .dvc or no {STAGES_PATH}"
        raise RunError(what, here, "change to the folder that holds both")


def _parse(arguments: Sequence[str]) -> Any:
    """Return the options as DVC itself reads them; wrong usage ends the process with code 2."""
    from dvc.cli import DvcParserError
    from dvc.cli.parser import get_main_parser

    try:
        return get_main_parser().parse_args(["exp", "run", *arguments])
    except DvcParserError:  # it has shown the usage
        sys.exit(2)


def _refuse_untracked(params: Params) -> None:
    """Refuse files that are missing in the folder of its own that a queued run gets."""
    from steelcli.model.weights import weights_path  # brings torch

    weights = weights_path(params.model.encoder_weights)
    if weights and not is_made_by_dvc(weights) and not is_tracked(weights):
        what = f"the folder of its own that such a run gets will hold no {quote(weights, 200)}"
        raise ParamsError(what, "model.encoder_weights", f"run `dvc add {weights}`")
    root = Path(params.data.root)
    if not root.is_absolute() and not is_made_by_dvc(root) and not is_tracked(root):
        what = f"the folder of its own that such a run gets will hold no {quote(root, 200)}"
        raise ParamsError(what, "data.root", f"write {root.resolve()}")


def _run_here(arguments: Sequence[str]) -> None:
    """Run in the working folder; bring back what stood there when the run fails or is stopped.

    Raises:
        RunError: the run failed, or another one is at work here.
        Interrupted: SIGINT or SIGTERM.
    """
    _refuse_other_dvc()
    former_state = FormerState(FORMER_DIR, _list_outputs())
    FORMER_DIR.parent.mkdir(exist_ok=True)
    try:
        with FileLock(FORMER_DIR.with_suffix(".lock"), timeout=0):
            if former_state.is_open and not _is_whole():
                _say_what_comes_back()
            else:
                former_state.keep()
            with _note_signals() as signals:
                failed = _call_dvc(arguments)
            if failed:
                problems = _read_problems()
                former_state.bring_back()
                remedy = f"mend what the lines above say{_keep_problems(problems)}"
            else:
                former_state.forget()
    except Timeout as error:
        what = "another `steelcli run` is at work here"
        raise RunError(what, Path.cwd(), "wait for it or stop it") from error
    if failed and signals:
        message = "Everything is as before; the same command goes on with the training."
        raise Interrupted(signals[0], message)
    if failed:
        what = "the run failed, and parameters and results are as before"
        raise RunError(what, "dvc exp run", remedy)


def _read_problems() -> bytes:
    path = METRICS_DIR / PROBLEMS_NAME
    return path.read_bytes() if path.is_file() else b""


def _keep_problems(problems: bytes) -> str:
    """Keep the list that a failed `prepare` wrote; return where it is, for a sentence."""
    if problems in (b"", _read_problems()):  # this run wrote none
        return ""
    kept_path = FORMER_DIR.with_name(PROBLEMS_NAME)
    kept_path.write_bytes(problems)
    return f"; {kept_path} lists the problems of the data"


def _is_whole() -> bool:
    """Return whether all results are of one run: to DVC none of our stages is out of date."""
    command = [sys.executable, "-m", "dvc", "status", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return False
    stages = json.loads(done.stdout)
    return all(name.startswith(f"{SYNTHETIC_DIR.parent}/") for name in stages)


def _say_what_comes_back() -> None:
    """Tell that a killed run is still open; keep params.yaml, which may have been edited since."""
    edited_path = FORMER_DIR.with_name(f"{PARAMS_PATH.name}.after-kill")
    edited_path.write_bytes(PARAMS_PATH.read_bytes())
    say(
        "an earlier run here was killed: if this one fails too, all goes back to what stood before "
        f"both; {PARAMS_PATH} as it is now is kept as {edited_path}"
    )


def _refuse_other_dvc() -> None:
    """Refuse to set aside and bring back what another DVC is writing, such as that of a killed run.

    Raises:
        RunError: one is at work here.
    """
    locks_path = Path(".dvc/tmp/rwlock")
    if locks_path.is_file():
        locks = read_json(locks_path, "remove it when no dvc is at work here")
        for pid in {lock["pid"] for lock in locks.get("write", {}).values()}:
            if psutil.pid_exists(pid):
                remedy = f"wait for it or stop it; if it is none, remove {locks_path}"
                raise RunError(f"another dvc, process {pid}, is at work here", Path.cwd(), remedy)


def _list_outputs() -> dict[Path, bool]:
    """Return what a run writes, and whether a link suffices to keep it, see `FormerState`.

    Raises:
        RunError: DVC cannot read its own files.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    outputs = {PARAMS_PATH: False, LOCK_PATH: False}
    try:
        with Repo() as repo:
            for stage in repo.index.stages:
                if stage.path_in_repo == STAGES_PATH.name:
                    outputs |= {Path(out.def_path): out.use_cache for out in stage.outs}
    except DvcException as error:
        what = f"DVC cannot read the stages ({quote(error, 200)})"
        raise RunError(what, STAGES_PATH, "mend it") from error
    return outputs


def _call_dvc(arguments: Sequence[str]) -> int:
    """Call `dvc exp run` with this environment's commands first; return its exit code."""
    folders = (str(Path(sys.executable).parent), os.environ.get("PATH", ""))
    environment = os.environ | {"PATH": os.pathsep.join(folders)}
    command = [sys.executable, "-m", "dvc", "exp", "run", *arguments]
    return subprocess.run(command, env=environment, check=False).returncode


@contextmanager
def _note_signals() -> Iterator[list[int]]:
    """Yield the signals that arrive in the block, which do not end this process.

    A terminal sends SIGINT to the stage as well. SIGTERM is passed on to it.
    """
    received: list[int] = []

    def receive(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if number == signal.SIGTERM:
            for dvc in psutil.Process().children():
                for process in dvc.children() or [dvc]:
                    process.terminate()

    old = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
