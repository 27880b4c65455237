"""The processes that torchrun started for one ``steelcli predict``, each with its own device.

The first one lists the images, shares them out, and writes what is said of all of them; the
others predict their share. One process alone is the first, with the whole share.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist

from steelcli.common.parent import die_with_parent
from steelcli.training.distributed import world_size
from steelcli.training.peers import explain_lost_peer
from steelcli.training.signals import StopRequest, stop_on_signal

T = TypeVar("T")
_PATIENCE = timedelta(days=30)
"""How long one process waits for another that works; torchrun ends them when one dies."""


@contextmanager
def joined_processes() -> Iterator[None]:
    """Let the processes talk to each other inside the block; nothing happens for one alone.

    Each computes on the GPU of its own, where there are some, and ends at once with a signal: what
    is left is as after a kill.

    Raises:
        LostPeerError: the others are not there.
    """
    if world_size() == 1:
        yield
        return
    die_with_parent()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    with _explained():
        dist.init_process_group("gloo", timeout=_PATIENCE)
    yield
    dist.destroy_process_group()


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Turn SIGINT and SIGTERM into a request, but for several processes; see above."""
    if world_size() > 1:
        yield StopRequest()
        return
    with stop_on_signal() as request:
        yield request


def scatter(parts: Sequence[T]) -> T:
    """Return this process's part of those that the first process gives, one for each."""
    if not dist.is_initialized():
        return parts[0]
    received: list[T | None] = [None]
    given = list(parts) if dist.get_rank() == 0 else None
    with _explained():
        dist.scatter_object_list(received, given)
    return received[0]  # type: ignore[return-value]


def gather(own: T) -> list[T]:
    """Return what each process gives to the first process, nothing to the others."""
    if not dist.is_initialized():
        return [own]
    given: list[T] = [own] * dist.get_world_size() if dist.get_rank() == 0 else []
    with _explained():
        dist.gather_object(own, given or None)
    return given


def conclude(value: T) -> T:
    """Return what the first process gives, at the end of the work of all.

    One that then ends in an error no longer ends the others: SIGTERM, which torchrun sends them,
    is ignored.
    """
    if not dist.is_initialized():
        return value
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    values = [value]
    with _explained():
        dist.broadcast_object_list(values)
    return values[0]


def _explained() -> AbstractContextManager[None]:
    remedy = "see why that one ended, then give the same command again: it goes on"
    return explain_lost_peer("torchrun", remedy)
