"""Start several processes on this machine, as torchrun does; tell their failure in one sentence."""

from __future__ import annotations

import logging
import os
import pickle
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from steelcli.common.errors import Interrupted, RunError, UserError
from steelcli.training.peers import LostPeerError

_NOISY_LOGGERS = (
    "torch.distributed.elastic",
    "torch.distributed.launcher",
    "torch.multiprocessing.spawn",
)
"""Loggers that would tell of a failure besides the sentence below."""


def launch(processes: int, function: Callable[..., Any], *arguments: Any) -> None:
    """Call ``function(*arguments)`` in ``processes`` processes and wait for all.

    Raises:
        UserError: a process raised it; the others are ended with it.
        RunError: a process was killed or met a bug.
        Interrupted: SIGINT or SIGTERM, passed on to the processes.
    """
    for name in _NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    with tempfile.TemporaryDirectory() as folder:
        error_path = Path(folder) / "error"
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=processes,
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            monitor_interval=1,
            run_id=uuid4().hex,
            max_restarts=0,
        )
        try:
            elastic_launch(config, _call)(function, arguments, error_path)
        except SignalException as error:
            message = "Interrupted; the same command goes on from the last saved state."
            raise Interrupted(int(error.sigval), message) from error
        except ChildFailedError as error:
            if error_path.exists():
                told: UserError = pickle.loads(error_path.read_bytes())
                raise told from error
            rank, failure = error.get_first_failure()
            raise RunError(
                f"process {rank} of {processes} ended with exit code {failure.exitcode}",
                "train.processes",
                "mend the cause, then run the same command: it goes on from the last saved state",
            ) from error


def _call(function: Callable[..., Any], arguments: tuple[Any, ...], error_path: Path) -> None:
    """Run in a launched process; leave the first user's error to the parent, which tells it."""
    try:
        function(*arguments)
    except LostPeerError:
        time.sleep(3)  # the parent looks once a second, and shall find the lost one dead first
        sys.exit(1)
    except UserError as error:
        with suppress(FileExistsError), error_path.open("xb") as file:
            pickle.dump(error, file)
        sys.exit(1)
    except Interrupted as stop:
        sys.exit(stop.exit_code)
