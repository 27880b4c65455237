"""The data set of the full-size run: its shares of classes, and the same bytes each time."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
from make_params import data_params

from bench.severstal import CLASS_SETS, IMAGES, choose_classes, draw_image, draw_severstal
from steelcli.data.raw.kaggle import open_kaggle


def test_the_whole_has_severstals_counts() -> None:
    assert IMAGES == 12568
    assert Counter(choose_classes(IMAGES, 1)) == CLASS_SETS
    by_class = Counter(one for classes in choose_classes(IMAGES, 1) for one in classes)
    assert by_class == {1: 897, 2: 247, 3: 5150, 4: 801}


def test_fifty_images_have_its_shares_to_the_image() -> None:
    counts = Counter(choose_classes(50, 7))
    assert counts.total() == 50
    for classes, count in CLASS_SETS.items():
        assert abs(counts[classes] - 50 * count / IMAGES) < 1
    assert choose_classes(50, 7) == choose_classes(50, 7) != choose_classes(50, 8)


def test_a_drawing_is_the_same_each_time_and_read_as_kaggles(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "other"):
        draw_severstal(tmp_path / name, images=4, seed=3)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        digests.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in files])
    assert digests[0] == digests[1]
    source = open_kaggle(tmp_path / "one", data_params())
    drawn = choose_classes(4, 3)
    masks = [source.read_masks(sample, 256, 1600) for sample in source.samples]
    found = [tuple((np.flatnonzero(one.any(axis=(1, 2))) + 1).tolist()) for one in masks]
    assert found == drawn
    index = next(place for place, classes in enumerate(drawn) if classes)
    _, own = draw_image(3, index, drawn[index])
    for class_id, mask in own.items():
        assert np.array_equal(masks[index][class_id - 1], mask)
