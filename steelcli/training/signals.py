"""Ctrl-C and SIGTERM ask to finish what has begun and save; a second one stops at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from steelcli.common.progress import say
from steelcli.training.peers import LostPeerError

ECHO_S = 3.0
"""Slurm signals each process of a job, and torchrun then passes on to its own what it got."""


class StopRequest:
    """Whether a signal has asked to stop.

    Args:
        is_launched: another process passes signals on to this one, so that one may come twice.

    Attributes:
        number: of the signal, 0 as long as there was none.
    """

    def __init__(self, is_launched: bool = False) -> None:
        self.number = 0
        self._is_launched, self._received = is_launched, 0.0

    def receive(self, number: int, _frame: FrameType | None) -> None:
        """Note the signal; at the second one let it do what it does by default."""
        if self.number:
            if self._is_launched and time.monotonic() - self._received < ECHO_S:
                return
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.number, self._received = number, time.monotonic()
        name = signal.Signals(number).name
        say(f"{name}: finishing what has begun and saving; once more stops at once")


@contextmanager
def stop_on_signal(is_launched: bool = False) -> Iterator[StopRequest]:
    """Turn SIGINT and SIGTERM into a request inside the block; in the main thread only.

    A `LostPeerError` leaves SIGTERM ignored: torchrun sends it to the processes that are left, and
    this one has yet to tell its error.

    Args:
        is_launched: by torchrun or `launch`. A terminal sends SIGINT to such processes too, but
            their parent then stops them by SIGTERM.
    """
    request = StopRequest(is_launched)
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    on_interrupt = signal.SIG_IGN if is_launched else request.receive
    old_interrupt = signal.signal(signal.SIGINT, on_interrupt)
    old_terminate = signal.signal(signal.SIGTERM, request.receive)
    try:
        yield request
    except LostPeerError:
        old_terminate = signal.SIG_IGN
        raise
    finally:
        signal.signal(signal.SIGINT, old_interrupt)
        signal.signal(signal.SIGTERM, old_terminate)
