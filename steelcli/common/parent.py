"""Processes that end with the one that started them, by kill -9 too."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time

_FIRST_PARENT = os.getppid()


def parent_lives() -> bool:
    """Return whether the process that started this one still runs.

    True where neither multiprocessing nor torchrun did: a shell may end before its command.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        return parent.is_alive()
    return "TORCHELASTIC_RUN_ID" not in os.environ or os.getppid() == _FIRST_PARENT


def die_with_parent() -> None:
    """Kill this process, from a thread of its own, within a second of its parent's death.

    A thread, because the signal that Linux can send instead exists on no other system, and comes
    too when the parent's thread ends that started this process.
    """
    threading.Thread(target=_watch, name="die_with_parent", daemon=True).start()


def _watch() -> None:
    while parent_lives():
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)
