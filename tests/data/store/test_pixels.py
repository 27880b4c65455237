"""Images that are read one by one, and do not stay in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from steelcli.data.store.reader import Store


@pytest.mark.parametrize("name", ["images", "masks"])
def test_each_image_is_the_files(store_dir: Path, name: str) -> None:
    array, whole = getattr(Store(store_dir), name), np.load(store_dir / f"{name}.npy")
    assert array.shape == whole.shape
    assert len(array) == len(whole)
    for position in range(len(whole)):
        assert array[position].dtype == np.uint8
        assert np.array_equal(array[position], whole[position])
    assert np.array_equal(array.take([5, 2]), whole[[5, 2]])


@pytest.mark.parametrize("position", [-1, 24])
def test_a_position_beyond_the_images_is_refused(store_dir: Path, position: int) -> None:
    with pytest.raises(IndexError, match=f"position {position} of 24"):
        Store(store_dir).images[position]


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="Linux lists the maps")
def test_no_image_stays_in_memory_and_no_file_open(store_dir: Path) -> None:
    before = _count_open()
    store = Store(store_dir)
    assert store.images[3].any()
    assert store.masks[3].size
    maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    assert str(store_dir / "images.npy") not in maps
    assert _count_open() == before + 2
    del store
    assert _count_open() == before


def _count_open() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
