"""Loops over pixels, compiled to machine code by Numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., object])


def compiled(function: AnyFunction) -> AnyFunction:
    """Return a function that is compiled when it is first called, and runs beside other threads.

    What was compiled is kept beside the function's file, else in the user's cache folder; where
    neither can be written, each process compiles anew, which takes some seconds.
    """
    try:
        made = numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no folder for the cache
        made = numba.njit(nogil=True)(function)
    return cast(AnyFunction, made)
