"""What is said of splits with few images."""

from __future__ import annotations

import pytest

from steelcli.common.small_splits import describe_small_splits, warn_of_small_splits


def test_splits_are_named_with_their_counts(capsys: pytest.CaptureFixture[str]) -> None:
    warn_of_small_splits({"train": (20, 20), "val": (19, 50), "test": (40, 0)})
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert said.startswith("warning: few images (val: 19 with a defect, 50 clean; test: 40 with ")
    assert "test: 40 with a defect, 0 clean)" in said
    assert "train" not in said


def test_nothing_is_said_of_enough_images(capsys: pytest.CaptureFixture[str]) -> None:
    assert not describe_small_splits({"val": (20, 20)})
    warn_of_small_splits({"val": (20, 20), "test": (200, 30)})
    assert not capsys.readouterr().out
