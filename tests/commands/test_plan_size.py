"""Image sizes and areas that follow from the images."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from closure import ROOT

from steelcli.commands.plan_choices import Choices
from steelcli.commands.plan_size import plan_areas, plan_size
from steelcli.params.all import load_params


@dataclass
class Image:
    width: int
    height: int
    smallest_defect: int = 500


def choose(images: list[Image], config: str = "fast-cpu", given: str = "") -> Choices:
    choices = Choices(load_params(ROOT / f"configs/{config}.yaml"), frozenset([given]))
    plan_size(choices, images)
    plan_areas(choices, images)
    return choices


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((1600, 256), (512, 96)),
        ((200, 200), (224, 224)),
        ((256, 1600), (96, 512)),
        ((5, 3), (32, 32)),
        ((40, 8000), (32, 1600)),
        ((9000, 20), (1600, 32)),
        ((2448, 2048), (256, 192)),
    ],
)
def test_the_size_has_the_shape_of_the_images(
    shape: tuple[int, int], size: tuple[int, int]
) -> None:
    choices = choose([Image(*shape)] * 5)
    assert choices.params.data.image_size == size
    assert f"the median image, {shape[0]}×{shape[1]}" in choices.reasons["data.image_size"]


def test_a_gpu_s_config_has_more_pixels() -> None:
    assert choose([Image(1600, 256)], "strong").params.data.image_size == (1216, 224)


def test_small_defects_make_it_larger_until_they_are_seen() -> None:
    choices = choose([Image(1600, 256, 12)] * 50)
    width, height = choices.params.data.image_size
    assert 12 * (width / 1600) ** 2 >= 3
    assert width * height <= 4 * 512 * 96
    said = (
        "in more than the 49,152 pixels of the config, where 50 images would show a defect under 3"
    )
    assert said in choices.reasons["data.image_size"]
    one_slip = [Image(1600, 256, 12)] + [Image(1600, 256)] * 99
    assert choose(one_slip).params.data.image_size == (512, 96)


def test_defects_that_no_size_shows_are_told() -> None:
    choices = choose([Image(9000, 9000, 4)] * 50, given="data.color")
    assert "50 images show one under 3, at any size planned" in choices.reasons["data.image_size"]
    assert choices.params.data.image_size == (224, 224)


def test_specks_of_the_image_itself_do_not_make_it_larger() -> None:
    specks = [Image(1600, 256, 1)] * 20 + [Image(1600, 256, 400)] * 30
    assert choose(specks).params.data.image_size == (512, 96)


def test_areas_follow_the_images_and_their_defects() -> None:
    def areas(*image: int) -> list[int]:
        return list(choose([Image(*image)] * 3).params.threshold.min_areas_px)

    assert areas(1600, 256, 5000) == [0, 16, 32, 64, 128, 256, 512, 1024]
    assert areas(200, 200, 5000) == [0, 2, 4, 8, 16, 32, 64, 128]
    assert areas(1600, 256, 60) == [0, 1, 2, 4, 8, 16, 32, 64]
    assert areas(1600, 256, 1) == [0, 1]
    assert areas(1600, 256, 0) == [0, 16, 32, 64, 128, 256, 512, 1024]


def test_a_given_size_stays() -> None:
    choices = choose([Image(200, 200)], given="data.image_size")
    assert choices.params.data.image_size == (512, 96)
    assert "data.image_size" not in choices.reasons
