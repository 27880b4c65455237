"""The environment may say which process this is, as torchrun does, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from steelcli.common.errors import RunError

_RANKS = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
_SET_BY_TORCHRUN = (*_RANKS, "MASTER_ADDR", "MASTER_PORT")
_NUMBERS = (*_RANKS, "LOCAL_WORLD_SIZE", "MASTER_PORT")
_WAYS = "ACCELERATE_USE_"
"""Begins the variables that ask Accelerate for DeepSpeed, FSDP, Megatron, another device …"""
_READ_BY_ACCELERATE = (
    "ACCELERATE_",
    "FORK_LAUNCHED",
    "FSDP_",
    "MEGATRON_LM_",
    "MPI_LOCAL",
    "MV2_COMM_WORLD_",
    "OMPI_COMM_WORLD_",
    "PARALLELISM_CONFIG_",
    "PMI_",
)
"""Beginnings of the variables, beside torchrun's, that Accelerate would take settings from."""


@contextmanager
def only_torchrun() -> Iterator[None]:
    """Refuse or hide, inside the block, what would make the training another than params.yaml says.

    Raises:
        RunError: a part of what torchrun sets, or no number there; a wish for another way to train.
    """
    _refuse_other_ways()
    _check_ranks()
    names = [name for name in os.environ if name.startswith(_READ_BY_ACCELERATE)]
    hidden = {name: os.environ.pop(name) for name in names}
    try:
        yield
    finally:
        os.environ.update(hidden)


def _refuse_other_ways() -> None:
    for name, value in os.environ.items():
        is_off = value.lower() in {"", "0", "false", "f", "no", "n", "off"}
        if name.startswith(_WAYS) and not is_off:
            what = "the environment asks Accelerate to train in a way that steelcli does not know"
            raise RunError(what, f"{name}={value}", "unset it")


def _check_ranks() -> None:
    given = [name for name in _RANKS if name in os.environ]
    if not given:
        return
    missing = [name for name in _SET_BY_TORCHRUN if name not in os.environ]
    remedy = "unset it, or start the processes with torchrun"
    if missing:
        what = f"the environment sets only a part of what torchrun does, not {', '.join(missing)}"
        raise RunError(what, ", ".join(given), remedy)
    for name in _NUMBERS:
        value = os.environ.get(name, "0")
        if not value.isdecimal():
            raise RunError("the environment sets no whole number", f"{name}={value}", remedy)
    rank, processes = os.environ["RANK"], os.environ["WORLD_SIZE"]
    if int(rank) >= int(processes):
        what = f"the environment sets WORLD_SIZE={processes}, so that the last rank is less"
        raise RunError(what, f"RANK={rank}", remedy)
