"""Whether pretrained weights can be downloaded: found out in seconds, where the client would try
for a minute."""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

TIMEOUT = 3.0
"""Seconds to wait for the hub's first answer."""


@contextmanager
def offline_where_unreachable() -> Iterator[bool]:
    """Run the block with the hub's cache alone where the hub does not answer; yield whether it
    does.

    Without this `huggingface_hub` repeats each request five times, waiting and complaining on
    stderr.
    """
    from huggingface_hub import constants

    is_reachable = not constants.HF_HUB_OFFLINE and _answers(
        os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    )
    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, not is_reachable
    try:
        yield is_reachable
    finally:
        constants.HF_HUB_OFFLINE = before


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=TIMEOUT):
            return True
    except urllib.error.HTTPError:
        return True  # a refusal is an answer
    except (OSError, ValueError, http.client.HTTPException):
        return False
