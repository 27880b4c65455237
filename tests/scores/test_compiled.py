"""Functions compiled to machine code, with a cache beside their file and without any."""

from __future__ import annotations

import numpy as np

from steelcli.scores.compiled import compiled


def sum_of_squares(values):
    total = 0
    for value in values:
        total += value * value
    return total


def test_a_function_of_a_file_is_kept_on_disk():
    function = compiled(sum_of_squares)
    assert function(np.arange(5)) == 30
    assert function.stats.cache_path is not None


def test_a_function_of_no_file_is_compiled_all_the_same():
    names = {}
    exec("def double(value): return 2 * value", names)
    assert compiled(names["double"])(21) == 42
