"""Reading every image: what the worker processes are given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from make_params import data_params

from steelcli.data.raw import survey as module


def get_shape(image: module.RawImage) -> tuple[int, ...]:
    return image.pixels.shape


def test_workers_get_no_list_of_the_samples(
    project_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []

    def note(work: Callable[[Any], Any], items: Sequence[Any], *_: Any) -> Any:
        given.append(work)
        return map(work, items)

    monkeypatch.setattr(module, "over_cores", note)
    found = module.survey(data_params(root=str(project_dir)), get_shape)
    (work,) = given
    assert work.args[0].samples == ()
    assert len(found.source.samples) == len(found.samples) == len(found.results) > 0
