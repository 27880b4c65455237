"""Letterbox: one scale, centred padding, and the way back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelcli.data.store import letterbox


@given(
    st.integers(1, 3000),
    st.integers(1, 3000),
    st.sampled_from([(256, 1024), (128, 512), (64, 64), (224, 320)]),
)
def test_the_image_fits_touches_two_sides_and_is_centred(
    height: int, width: int, canvas: tuple[int, int]
) -> None:
    box = letterbox.fit(height, width, *canvas)
    assert 1 <= box.inner_height <= canvas[0]
    assert 1 <= box.inner_width <= canvas[1]
    assert box.inner_height == canvas[0] or box.inner_width == canvas[1]
    assert box.top == (canvas[0] - box.inner_height) // 2
    assert box.left == (canvas[1] - box.inner_width) // 2
    scale = min(canvas[0] / height, canvas[1] / width)
    assert abs(box.inner_height - max(1, height * scale)) <= 0.5
    assert abs(box.inner_width - max(1, width * scale)) <= 0.5


def test_severstal_is_never_stretched() -> None:
    box = letterbox.fit(256, 1600, 256, 1024)
    assert (box.inner_height, box.inner_width, box.top, box.left) == (164, 1024, 46, 0)


def test_padding_is_black_and_the_image_is_where_the_box_says() -> None:
    image = np.full((50, 200), 200, np.uint8)
    box = letterbox.fit(50, 200, 64, 128)
    canvas = letterbox.apply_to_image(image, box)
    assert canvas.shape == (64, 128)
    assert (canvas[box.inner] == 200).all()
    assert canvas.sum(dtype=int) == 200 * box.inner_height * box.inner_width


def test_colour_keeps_its_channels() -> None:
    image = np.zeros((10, 40, 3), np.uint8)
    image[..., 2] = 9
    canvas = letterbox.apply_to_image(image, letterbox.fit(10, 40, 32, 64))
    assert canvas.shape == (32, 64, 3)
    assert canvas.max(axis=(0, 1)).tolist() == [0, 0, 9]


def test_a_mask_keeps_its_area_when_it_shrinks() -> None:
    mask = np.zeros((256, 1600), bool)
    mask[100:160, 300:700] = True
    box = letterbox.fit(256, 1600, 128, 512)
    small = letterbox.apply_to_mask(mask, box)
    assert set(np.unique(small)) == {0, 1}
    assert small.sum() == pytest.approx(mask.sum() * (512 / 1600) ** 2, rel=0.03)


def test_a_pixel_is_defect_where_half_of_its_area_is() -> None:
    mask = np.zeros((2, 8), bool)
    mask[:, :3] = True  # the second of four columns of the small mask is covered by half
    assert letterbox.apply_to_mask(mask, letterbox.fit(2, 8, 1, 4)).tolist() == [[1, 1, 0, 0]]


@pytest.mark.parametrize("height", [1, 2, 3, 256])
@pytest.mark.parametrize("turned", [False, True])
def test_an_image_shrinks_to_the_exact_mean_of_areas(height: int, turned: bool) -> None:
    """Also one so low that its height stays: one pixel is the least there is."""
    native, canvas = (height, 1600), (64, 384)
    if turned:
        native, canvas = native[::-1], canvas[::-1]
    image = np.random.default_rng(0).integers(0, 256, native, dtype=np.uint8)
    box = letterbox.fit(*native, *canvas)
    shares = [
        overlaps(*sizes) for sizes in ((box.inner_height, native[0]), (box.inner_width, native[1]))
    ]
    exact = shares[0] @ image @ shares[1].T
    assert np.abs(letterbox.apply_to_image(image, box)[box.inner] - exact).max() < 0.501  # rounded


def overlaps(pixels: int, native_pixels: int) -> np.ndarray:
    """Return the share of each native pixel in each of fewer pixels, float [pixels, native]."""
    edges = np.arange(pixels + 1)[:, None] * native_pixels / pixels
    covered = np.clip(edges - np.arange(native_pixels), 0, 1)  # up to each edge
    return np.diff(covered, axis=0) * pixels / native_pixels


@pytest.mark.parametrize("native", [(256, 1600), (200, 200), (37, 911), (1, 1), (600, 90)])
def test_a_smooth_map_survives_the_round_trip(native: tuple[int, int]) -> None:
    rows, columns = np.mgrid[: native[0], : native[1]]
    image = (127 + 60 * np.sin(rows / 60) + 60 * np.sin(columns / 90)).astype(np.uint8)
    box = letterbox.fit(*native, 256, 1024)
    probs = letterbox.apply_to_image(image, box).astype(np.float32) / 255
    back = letterbox.restore(probs, box)
    assert back.shape == native
    assert back.dtype == np.float32
    assert abs(back - image.astype(np.float32) / 255).max() < 0.03


def test_nothing_of_the_padding_comes_back() -> None:
    box = letterbox.fit(50, 200, 64, 128)
    probs = np.ones((64, 128), np.float32)
    probs[box.inner] = 0
    assert letterbox.restore(probs, box).max() == 0
