"""Ctrl-C and SIGTERM as a request: the step under way is finished and saved. A second one stops at
once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from steelcli.common.progress import say


class StopRequest:
    """Attributes:
    number: the signal that asked to stop, 0 as long as none did.
    """

    def __init__(self) -> None:
        self.number = 0

    def take(self, number: int, _frame: FrameType | None) -> None:
        """Note the request; at the second one let the signal do what it does by default."""
        if self.number:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.number = number
        say(
            f"{signal.Signals(number).name}: finishing the step and saving; once more stops at once"
        )


@contextmanager
def stop_on_signal(heed_interrupt: bool = True) -> Iterator[StopRequest]:
    """Turn SIGINT and SIGTERM into a request inside the block; outside the main thread there is
    nothing to turn.

    Args:
        heed_interrupt: False ignores SIGINT: a terminal sends it to launched processes too, whose
            parent then asks them to stop by SIGTERM.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    handlers = {
        signal.SIGTERM: request.take,
        signal.SIGINT: request.take if heed_interrupt else signal.SIG_IGN,
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
