"""The other processes of a training: do they train the same, and what to say when one is lost."""

from __future__ import annotations

import os
import socket
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch.distributed as dist
from accelerate.utils import gather_object

from steelcli.common.errors import RunError, quote
from steelcli.training.distributed import world_size

_TALK = ("torch.distributed", "torch.nn.parallel", "torch.autograd")
"""Beginnings of the modules that talk to the other processes; gradients are shared in backward."""


class LostPeerError(RunError):
    """Another process has ended; that one or its machine knows why."""


@contextmanager
def explain_lost_peer(
    where: str = "train.processes",
    remedy: str = (
        "see why that one ended, then start all again: they go on from the last saved state"
    ),
) -> Iterator[None]:
    """Turn an error of the connection to the other processes into one sentence.

    Args:
        where, remedy: what the sentence names, and what it tells to do.

    Raises:
        LostPeerError: from such an error.
    """
    try:
        yield
    except RuntimeError as error:
        if world_size() == 1 or not _is_of_connection(error):
            raise
        reason = quote(str(error).strip().partition(". ")[0], 200)
        rank, processes = os.environ["RANK"], world_size()
        what = f"process {rank} of {processes} lost the connection to another one ({reason})"
        raise LostPeerError(what, where, remedy) from error


def _is_of_connection(error: RuntimeError) -> bool:
    """Return whether an error comes from a call that talks to the other processes.

    Gloo's errors have no type of their own, so that the place tells them from bugs.
    """
    if isinstance(error, dist.DistError):
        return True
    *_, (frame, _line) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals["__name__"]).startswith(_TALK)


def is_first_to_tell() -> bool:
    """Return whether no other process that the same torchrun started has told of an error."""
    error_path = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if not error_path:
        return True
    try:  # the file lies in a folder of this process, that one in a folder of this torchrun
        (Path(error_path).parents[1] / "told").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def compare_processes(facts: Mapping[str, Any]) -> str:
    """Refuse processes that would train different things, on every one of them.

    Args:
        facts: what this process trains, by dotted name.

    Returns:
        The name of the machine of the first process.

    Raises:
        RunError: a process differs from the first one.
    """
    (first_host, first), *others = gather_object([(socket.gethostname(), dict(facts))])
    for rank, (host, other) in enumerate(others, 1):
        names = [name for name in {**first, **other} if first.get(name) != other.get(name)]
        if names:
            name = names[0]
            values = f"{quote(other.get(name))}, not {quote(first.get(name))}"
            what = f"process {rank} on {quote(host)} has another {name} than process 0"
            what = f"{what} on {quote(first_host)} ({values})"
            remedy = "give all processes the same parameters, prepared data, code and packages"
            raise RunError(what, ", ".join(names), remedy)
    return str(first_host)
