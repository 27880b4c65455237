"""The data set of the full-size run: its shares of classes, and the same bytes each time."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from pathlib import Path

from bench.severstal import CLASS_SETS, IMAGES, choose_classes, draw_image, draw_severstal


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
    from make_params import data_params

    from steelcli.data.raw.kaggle import open_kaggle

    digests = []
    for name in ("one", "other"):
        draw_severstal(tmp_path / name, images=6, seed=3)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        digests.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in files])
    assert digests[0] == digests[1]
    source = open_kaggle(tmp_path / "one", data_params())
    drawn = choose_classes(6, 3)
    for index, (sample, classes) in enumerate(zip(source.samples, drawn, strict=True)):
        masks = source.read_masks(sample, 256, 1600)
        _, own = draw_image(3, index, classes)
        for class_id in (1, 2, 3, 4):
            expected = own[class_id] if class_id in own else masks[0] & False
            assert (masks[class_id - 1] == expected).all()
    with (tmp_path / "one" / "train.csv").open(newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == sum(map(len, drawn)) > 0
