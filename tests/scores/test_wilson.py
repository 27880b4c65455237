"""Wilson's interval against SciPy, and at its ends."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from steelcli.scores.wilson import LEVEL, wilson_interval


@pytest.mark.parametrize("whole", [1, 2, 19, 40, 12_568])
def test_the_bounds_are_those_of_scipy(whole: int) -> None:
    for part in {0, 1, whole // 3, whole - 1, whole}:
        interval = binomtest(part, whole).proportion_ci(LEVEL, method="wilson")
        assert wilson_interval(part, whole) == pytest.approx((interval.low, interval.high))


def test_none_and_all_are_no_points() -> None:
    low, high = wilson_interval(1, 1)
    assert high == 1
    assert 0.2 < low < 0.21
    assert wilson_interval(0, 5)[0] == 0
