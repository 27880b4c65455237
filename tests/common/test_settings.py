"""Nested settings under dotted names."""

from __future__ import annotations

from steelcli.common.settings import flatten


def test_nested_settings_get_dotted_names() -> None:
    assert flatten({"a": {"b": {"c": [1]}, "d": None}, "e": 2}) == {
        "a.b.c": [1],
        "a.d": None,
        "e": 2,
    }
