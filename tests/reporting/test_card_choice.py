"""Which images are shown, and what for."""

from __future__ import annotations

from typing import Any

from steelcli.reporting.card_choice import CARDS, KINDS, choose_cards, count_missed


def row(
    image: str, dice: float, defect_pixels: int = 9, fp: int = 0, fn: int = 0
) -> dict[str, Any]:
    return {"image": image, "dice": dice, "defect_pixels": defect_pixels, "fp": fp, "fn": fn}


IMAGES = [
    *(row(f"d{place}", place / 10) for place in range(8)),
    row("clean", 1.0, 0),
    row("alarm", 0.0, 0, fp=5),
    row("loud", 0.0, 0, fp=50),
]


def test_each_kind_shows_its_most_telling_image() -> None:
    chosen = choose_cards(IMAGES, {"d5": 1, "d6": 3, "d7": 0}, 6)
    assert chosen == {
        "d0": ("worst",),
        "loud": ("false alarm",),
        "d6": ("missed",),
        "d3": ("median",),
        "d7": ("best",),
        next(reversed(chosen)): ("random",),
    }


def test_the_count_is_filled_by_lot_and_every_draw_is_the_same() -> None:
    chosen = choose_cards(IMAGES, {}, 10)
    assert chosen == choose_cards(IMAGES, {}, 10)
    assert len(chosen) == 10
    assert choose_cards(IMAGES, {}, 500).keys() == {one["image"] for one in IMAGES}
    assert {kind for kinds in chosen.values() for kind in kinds} <= set(KINDS)


def test_an_image_stands_once_with_all_that_it_is_shown_for() -> None:
    assert choose_cards([row("a", 0.2)], {"a": 2}, 12) == {
        "a": ("worst", "missed", "median", "best")
    }
    assert choose_cards([row("a", 1.0, 0)], {}, 3) == {"a": ("random",)}
    assert choose_cards(IMAGES, {}, 2).keys() == {"d0", "loud"}


def test_missed_defects_are_counted_by_image() -> None:
    found = [("a", 1), ("a", 0), ("b", 1), ("a", 0)]
    rows = [{"image": image, "found": is_found} for image, is_found in found]
    assert count_missed(rows) == {"a": 2, "b": 0}


def test_the_maps_that_evaluate_keeps_are_those_of_every_lower_count() -> None:
    images = [
        row(f"{place:03}", place / 200, 9 * (place % 3 > 0), place % 5) for place in range(200)
    ]
    missed = {f"{place:03}": place % 4 for place in range(200) if place % 3}
    kept = choose_cards(images, missed, CARDS).keys()
    for count in range(CARDS):
        assert choose_cards(images, missed, count).keys() <= kept
