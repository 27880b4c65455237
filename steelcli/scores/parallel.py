"""Score images on all cores while the next ones are computed."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

IN_FLIGHT = 8
"""Images held in memory at once."""
PIXELS_IN_FLIGHT = 2**24
"""Their pixels together: counting takes up to 60 bytes for each. A larger image goes alone."""


class Scored(NamedTuple):
    """One image to score, as `SplitScorer.update` takes it.

    Attributes:
        image: its name.
        levels: uint16 [H, W].
        class_masks: bool [C, H, W].
        rounded: whether the levels were rounded from other probabilities.
    """

    image: str
    levels: NDArray[np.uint16]
    class_masks: NDArray[np.bool_]
    rounded: bool = False


class Scorer(Protocol):
    """What counts images, such as `SplitScorer`."""

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Count one image, given the fields of `Scored`."""

    def merge(self, other: Any) -> None:
        """Append the images of another one of the same kind, set up alike."""


AnyScorer = TypeVar("AnyScorer", bound=Scorer)


def score_images(new_scorer: Callable[[], AnyScorer], images: Iterable[Scored]) -> AnyScorer:
    """Return what ``new_scorer()`` would hold after all images, in their order.

    Each image is counted by a scorer of its own, in a thread (NumPy, OpenCV and compiled loops
    release the interpreter lock), and the counts are merged in order: they are integers, so the
    result is the same bit for bit with any number of cores.
    """
    total = new_scorer()
    waiting: deque[tuple[int, Future[AnyScorer]]] = deque()
    pixels = 0
    with ThreadPoolExecutor(min(IN_FLIGHT, os.cpu_count() or 1)) as pool:
        for image in images:
            size = image.levels.size
            while waiting and (len(waiting) == IN_FLIGHT or pixels + size > PIXELS_IN_FLIGHT):
                done, future = waiting.popleft()
                total.merge(future.result())
                pixels -= done
            waiting.append((size, pool.submit(_score, new_scorer(), image)))
            pixels += size
        for _, future in waiting:
            total.merge(future.result())
    return total


def _score(scorer: AnyScorer, image: Scored) -> AnyScorer:
    scorer.update(*image)
    return scorer
