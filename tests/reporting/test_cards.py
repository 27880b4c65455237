"""Pictures of test and training images, as the page shows them."""

from __future__ import annotations

import base64
import re
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from make_params import report_params

from steelcli.commands.report import report
from steelcli.data.levels import from_levels
from steelcli.data.predictions.saved import SavedPredictions
from steelcli.data.store.reader import Store
from steelcli.reporting import cards
from steelcli.reporting.cards import build_cards, build_examples, draw_outline
from steelcli.reporting.stage_files import Results, read_results


def decode(uri: str) -> np.ndarray:
    raw = np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8)
    return cv2.imdecode(raw, cv2.IMREAD_UNCHANGED)


def fill(path: str, height: int, width: int) -> np.ndarray:
    """Return what is inside of an outline or on it, by the rule even-odd, bool [H, W]."""
    mask = np.zeros((height, width), np.uint8)
    loops = [
        np.array([[float(x) for x in point.split(",")] for point in loop.split("L")])
        for loop in re.findall("M([^Z]*)Z", path)
    ]
    cv2.fillPoly(mask, [np.floor(loop).astype(np.int32) for loop in loops], 1)
    return mask > 0


@pytest.fixture(scope="module")
def parts(walked_dir: Path) -> tuple[Results, Store, SavedPredictions]:
    return (
        read_results(walked_dir / "metrics", walked_dir / "models"),
        Store(walked_dir / "data" / "prepared"),
        SavedPredictions(walked_dir / "predictions" / "test"),
    )


def test_a_card_shows_the_image_its_map_and_both_outlines(
    parts: tuple[Results, Store, SavedPredictions],
) -> None:
    results, store, saved = parts
    shown = build_cards(results, store, saved, 500)
    assert sorted(card.image for card in shown) == sorted(results.image_names)
    position_of = {record.image: place for place, record in enumerate(store.records)}
    for card in shown:
        levels = saved.load_map(card.image)
        assert (card.width, card.height) == tuple(round(card.scale * x) for x in levels.shape[::-1])
        assert max(card.width, card.height) <= cards.MAX_SIDE
        assert card.probability is not None
        probability, photo = decode(card.probability), decode(card.photo)
        assert probability.shape == photo.shape == (card.height, card.width)
        small = cv2.resize(
            from_levels(levels), (card.width, card.height), interpolation=cv2.INTER_AREA
        )
        assert np.abs(probability / 255 - small).max() <= 0.5 / 255 + 1e-6
        truth = store.class_masks(position_of[card.image]).any(axis=0)
        for path, mask in ((card.truth, truth), (card.predicted, saved.load_mask(card.image))):
            inside = fill(path, card.height, card.width)
            share = cv2.resize(
                mask.astype(np.float32), inside.shape[::-1], interpolation=cv2.INTER_AREA
            )
            off = np.count_nonzero((share > 0.5) != inside)
            assert off <= 0.02 * inside.size, card.image
            assert bool(path) == mask.any()


def test_a_card_says_what_is_missed_and_of_what_class(
    parts: tuple[Results, Store, SavedPredictions],
) -> None:
    results, store, saved = parts
    shown = {card.image: card for card in build_cards(results, store, saved, 500)}
    for place, name in enumerate(results.image_names):
        own = [index for index, image in enumerate(results.defect_images) if image == name]
        card = shown[name]
        assert card.missed == sum(not results.defects["found"][index] for index in own)
        assert set(card.classes) == {results.defect_classes[index] for index in own}
        assert bool(card.sizes) == bool(card.defect_pixels) == bool(own)
        assert card.dice == results.images["dice"][place]


def test_a_map_that_was_not_kept_is_left_out(
    parts: tuple[Results, Store, SavedPredictions], tmp_path: Path
) -> None:
    results, store, saved = parts
    shutil.copytree(saved.folder, tmp_path / "test")
    shutil.rmtree(tmp_path / "test" / "maps")
    shown = build_cards(results, store, SavedPredictions(tmp_path / "test"), 5)
    assert len(shown) == 5
    assert all(card.probability is None for card in shown)


@pytest.mark.usefixtures("no_charts")
def test_without_saved_masks_the_page_says_so(walked_dir: Path, tmp_path: Path) -> None:
    report_path = tmp_path / "report.html"
    inputs = (walked_dir / "metrics", walked_dir / "models", report_path)
    folders = (walked_dir / "data" / "prepared", tmp_path / "removed")
    page = report(report_params(cards=5), *inputs, *folders)[1]
    assert (page.cards, bool(page.examples)) == ([], True)
    assert "No pictures: the saved masks" in report_path.read_text(encoding="utf-8")


def test_a_name_that_the_csv_protects_has_its_own_image(
    parts: tuple[Results, Store, SavedPredictions],
) -> None:
    results, store, saved = parts
    protected = [f"'={name}" for name in results.image_names]
    defects = [f"'={name}" for name in results.defect_images]
    renamed = replace(results, image_names=protected, defect_images=defects)
    plain = {card.image: card for card in build_cards(results, store, saved, 500)}
    for card in build_cards(renamed, store, saved, 500):
        assert replace(card, image=card.image[2:]) == plain[card.image[2:]]


def test_examples_are_of_every_class_and_of_clean_sheets(
    parts: tuple[Results, Store, SavedPredictions],
) -> None:
    _, store, _ = parts
    examples = build_examples(store)
    assert 1 < len(examples) <= cards.EXAMPLES
    assert len({example.image for example in examples}) == len(examples)
    assert {bool(example.classes) for example in examples} == {True, False}
    for example in examples:
        assert decode(example.photo).shape == (example.height, example.width)
        assert bool(example.truth) == bool(example.classes)


def test_examples_are_taken_in_turn_until_there_are_enough() -> None:
    taken = cards._take_in_turn({0: [7], 4: list(range(100, 120))}, 10)
    assert len(taken) == len(set(taken)) == 10
    assert taken[:4] == [7, 100, 104, 108]


def test_an_outline_follows_the_pixels_and_has_holes() -> None:
    mask = np.zeros((9, 11), bool)
    mask[1:8, 2:9] = True
    mask[3:6, 4:7] = False
    path = draw_outline(mask, 1.0)
    assert path.count("M") == path.count("Z") == 2
    assert draw_outline(np.zeros((3, 3), bool), 1.0) == ""
    assert draw_outline(np.eye(3, dtype=bool)[:1], 0.5).startswith("M0.2,0.2Z")
