"""A signal becomes a request; a second one stops at once."""

from __future__ import annotations

import os
import signal

import pytest

from steelcli.training.peers import LostPeerError
from steelcli.training.signals import ECHO_S, StopRequest, stop_on_signal


def test_a_second_signal_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    killed = []
    monkeypatch.setattr(
        "steelcli.training.signals.os.kill", lambda pid, number: killed.append((pid, number))
    )
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signal() as request:
        request.receive(signal.SIGTERM, None)
        assert request.number == signal.SIGTERM
        assert not killed
        request.receive(signal.SIGTERM, None)
        assert killed == [(os.getpid(), signal.SIGTERM)]
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_signal_that_torchrun_passes_on_is_no_second_one(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []
    monkeypatch.setattr(
        "steelcli.training.signals.os.kill", lambda _, number: killed.append(number)
    )
    now = 100.0
    monkeypatch.setattr("steelcli.training.signals.time.monotonic", lambda: now)
    with stop_on_signal(is_launched=True) as request:
        request.receive(signal.SIGTERM, None)
        request.receive(signal.SIGTERM, None)
        assert not killed
        now += ECHO_S
        request.receive(signal.SIGTERM, None)
        assert killed == [signal.SIGTERM]


@pytest.mark.parametrize(
    ("error", "is_ignored"), [(LostPeerError("lost", "here", "look"), True), (ValueError(), False)]
)
def test_sigterm_does_not_stop_a_process_that_has_a_lost_one_to_tell(
    error: Exception, is_ignored: bool
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(type(error)), stop_on_signal():
            raise error
        assert signal.getsignal(signal.SIGTERM) == (signal.SIG_IGN if is_ignored else before)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_request_outside_the_main_thread_is_never_made() -> None:
    from threading import Thread

    seen: list[StopRequest] = []

    def body() -> None:
        with stop_on_signal() as request:
            seen.append(request)

    thread = Thread(target=body)
    thread.start()
    thread.join()
    assert seen[0].number == 0
