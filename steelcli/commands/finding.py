"""What `steelcli doctor` finds out, one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        topic: what it is about.
        state: ``problem`` where it stops steelcli from working, ``note`` where it is worth knowing.
        says: what was found, a clause without a full stop.
        remedy: what to do, a clause without a full stop; empty where nothing is to be done.
    """

    topic: str
    state: Literal["ok", "note", "problem"]
    says: str
    remedy: str = ""
