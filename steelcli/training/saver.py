"""Save the run when it is time or when a signal asks to stop; resume it from what was saved."""

from __future__ import annotations

import signal
import time
from typing import Any

from accelerate.utils import broadcast_object_list

from steelcli.common.errors import Interrupted, RunError
from steelcli.common.paths import RESTART_TRAINING
from steelcli.common.progress import say
from steelcli.training.distributed import is_first_process
from steelcli.training.loop import StepHook, Trainer
from steelcli.training.run_folder import RunFolder
from steelcli.training.saved_state import StateDir
from steelcli.training.signals import StopRequest


class Saver(StepHook):
    """Saves trainer and run folder in the state folder; only the first process writes.

    Args:
        minutes: time between two saves within an epoch.
    """

    def __init__(
        self,
        trainer: Trainer,
        run_folder: RunFolder,
        state_dir: StateDir,
        request: StopRequest,
        minutes: float,
    ) -> None:
        self.trainer, self.run_folder, self.state_dir = trainer, run_folder, state_dir
        self.request, self.seconds = request, 60 * minutes
        self.saved_at = time.monotonic()

    def flags(self) -> list[int]:
        """Return whether this process was asked to stop, and whether it is time to save."""
        is_due = time.monotonic() - self.saved_at >= self.seconds
        return [int(self.request.number > 0), int(is_due and is_first_process())]

    def after_step(self, flags: list[int]) -> None:
        """Save if any process finds it time; save and stop if any was asked to stop.

        Raises:
            Interrupted: after saving.
        """
        stop, save = flags
        if stop or save:
            self.save()
        if stop:
            position = self.trainer.position
            where = f"epoch {position.epoch} after step {position.step} of {self.trainer.steps}"
            message = f"Interrupted in {where}; the same command goes on from there."
            raise Interrupted(self.request.number or signal.SIGTERM, message)

    def save(self) -> None:
        """Save the state; every process must call it."""
        state, position = self.trainer.state(), self.trainer.position
        if is_first_process():
            state["run_folder"] = self.run_folder.state()
            self.state_dir.save(state, position.epoch, position.step)
            self.run_folder.tidy()
        self.saved_at = time.monotonic()

    def resume(self) -> None:
        """Restore the state of an interrupted run, if there is one.

        The first process reads it for all.

        Raises:
            RunError: a state that is damaged or does not fit.
        """
        found: list[dict[str, Any] | None] = [None]
        if is_first_process():
            found[0] = self.state_dir.load()
        state = broadcast_object_list(found)[0]
        if state is not None:
            device = self.run_folder.settings["run"]["device"]
            self._restore(state)
            if is_first_process():
                self._announce(device)
        if is_first_process():
            self.run_folder.tidy()
        self.saved_at = time.monotonic()

    def _restore(self, state: dict[str, Any]) -> None:
        try:
            self.trainer.restore(state)
            self.run_folder.restore(state["run_folder"])
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            kind = type(error).__name__
            what = f"the state of the interrupted training does not fit ({kind})"
            raise RunError(what, self.state_dir.path, RESTART_TRAINING) from error

    def _announce(self, device: str) -> None:
        position, run = self.trainer.position, self.run_folder.settings["run"]
        where = f"epoch {position.epoch}, {position.step} steps done"
        say(f"going on with an interrupted run: {where}")
        if device != run["device"]:
            say("it began on another device, so its bits are not those of a run on one device")
            run["device"] += f", then {device}"
