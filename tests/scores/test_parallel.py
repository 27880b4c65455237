"""What is in memory at once while images are scored."""

from __future__ import annotations

import numpy as np
import pytest

from steelcli.scores import parallel
from steelcli.scores.parallel import IN_FLIGHT, Scored, score_images


class Names:
    """A scorer that keeps the names, and how many images were read before each was merged."""

    read = 0

    def __init__(self) -> None:
        self.names: list[str] = []
        self.waited: list[int] = []

    def update(self, image, *_):
        self.names.append(image)

    def merge(self, other):
        self.waited.append(Names.read - len(self.names))
        self.names += other.names


@pytest.mark.parametrize(("pixels", "most"), [(1, IN_FLIGHT), (50, 2), (101, 1)])
def test_large_images_are_held_a_few_at_a_time(monkeypatch, pixels, most):
    monkeypatch.setattr(parallel, "PIXELS_IN_FLIGHT", 100)
    monkeypatch.setattr(Names, "read", 0)

    def iter_images():
        for number in range(20):
            Names.read += 1
            levels = np.zeros((1, pixels), np.uint16)
            yield Scored(str(number), levels, np.zeros((1, 1, pixels), bool))

    total = score_images(Names, iter_images())
    assert total.names == [str(number) for number in range(20)]
    assert max(total.waited) == most + 1  # one more is read while they wait
