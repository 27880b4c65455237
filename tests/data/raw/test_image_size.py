"""What data.image_size leaves of images and defects, and which size is proposed instead."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from make_params import data_params

from steelcli.commands.check import check
from steelcli.commands.prepare import prepare
from steelcli.data.raw.image_size import report_size
from steelcli.data.raw.survey import RawImage
from steelcli.reporting.problem_table import show_check


@dataclass(frozen=True)
class Image:
    width: int
    height: int
    smallest_defect: int = 500


STRIPS = [Image(1600, 256, 115), Image(1600, 256, 0), Image(1600, 256, 300)]
SQUARES = [Image(200, 200, 38), Image(200, 200, 0)]


def test_figures_are_those_of_the_letterboxed_images() -> None:
    report = report_size([Image(200, 200, 50), Image(400, 64, 0)], (384, 64))
    inner = 64 * 64 + 384 * 61
    assert report.scale == (64 / 200 + 384 / 400) / 2
    assert report.padding_share == pytest.approx(1 - inner / (2 * 384 * 64))
    assert report.smallest_defect_model_px == pytest.approx(50 * (64 / 200) ** 2)
    assert (report.defect_images, report.tiny_defect_images) == (1, 0)


@pytest.mark.parametrize(
    ("images", "size"),
    [
        (STRIPS, (1024, 256)),
        (STRIPS, (384, 64)),
        (SQUARES, (224, 224)),
        (SQUARES, (64, 64)),
        ([Image(50, 50, 1)], (160, 160)),
        ([Image(1600, 256, 300)] * 999 + [Image(1600, 256, 1)], (1024, 256)),  # a slip of the pen
    ],
)
def test_a_suitable_size_is_met_with_silence(images: list[Image], size: tuple[int, int]) -> None:
    report = report_size(images, size)
    assert report.warning == ""
    assert report.better_size is None


@pytest.mark.parametrize(
    ("images", "size", "better", "says"),
    [
        (SQUARES, (384, 64), (160, 160), ["[384, 64]", "83% of what the network sees is padding"]),
        (STRIPS, (256, 256), (640, 128), ["84% of"]),
        ([Image(1600, 256, 20)] * 5, (384, 64), (640, 128), ["5 of 5 images", "under 3 pixels"]),
        ([Image(4096, 3000, 30)], (256, 256), (1312, 960), ["1 of 1 images"]),
        ([Image(200, 200, 3)], (384, 64), (224, 224), ["padding and 1 of 1 images"]),
        ([Image(50, 50, 0)], (384, 64), (64, 64), ["83%"]),
    ],
)
def test_a_better_size_is_proposed(
    images: list[Image], size: tuple[int, int], better: tuple[int, int], says: list[str]
) -> None:
    report = report_size(images, size)
    assert report.better_size == better
    for words in [*says, f"-S 'data.image_size=[{better[0]},{better[1]}]'"]:
        assert words in report.warning
    assert not report_size(images, better).faults
    data_params(image_size=list(better))


def test_where_no_size_helps_that_is_said() -> None:
    report = report_size([Image(1600, 256, 1)], (1024, 256))
    assert report.better_size is None
    assert "no other size mends that" in report.warning


def test_the_smallest_defect_is_counted_in_diagonal_steps_over_all_classes() -> None:
    masks = np.zeros((2, 30, 40), np.bool_)
    masks[0, 2:4, 2:5] = masks[1, 4, 5] = True  # joined by a corner: 7 pixels
    masks[1, 20:24, 30:32] = True
    pixels = np.zeros((30, 40), np.uint8)
    assert RawImage(b"", pixels, masks).smallest_defect == 7
    assert RawImage(b"", pixels, masks[:, :10, :4]).smallest_defect == 4
    assert RawImage(b"", pixels, np.ones((1, 30, 40), np.bool_)).smallest_defect == 1200
    assert RawImage(b"", pixels, np.zeros((2, 30, 40), np.bool_)).smallest_defect == 0


def write_squares(root: Path) -> None:
    """Write 12 pictures of 200×200 pixels, every other with a defect of 40 pixels."""
    for index in range(12):
        pixels = np.random.default_rng(index).integers(0, 255, (200, 200)).astype(np.uint8)
        mask = np.zeros((200, 200), np.uint8)
        mask[60:64, 80:90] = 255 * (index % 2)
        for kind, content in (("images", pixels), ("masks", mask)):
            (root / kind).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(root / kind / f"{index:02d}.png"), content)


def test_prepare_and_check_say_what_a_size_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_squares(tmp_path / "raw")
    params = data_params(root=str(tmp_path / "raw"), image_size=[384, 64])
    metrics = prepare(params, tmp_path / "prepared", tmp_path / "data.json")
    assert "warning: at data.image_size [384, 64] 83%" in capsys.readouterr().out
    assert metrics["scale"] == 0.32
    assert metrics["padding_share"] == pytest.approx(5 / 6)
    assert metrics["smallest_defect_model_px"] == pytest.approx(40 * 0.32**2)
    assert metrics["tiny_defect_images"] == 0
    show_check(check(params), params)
    printed = capsys.readouterr().out
    assert "-S 'data.image_size=[160,160]'" in printed
    assert "smallest_defect_model_px" in printed
    suitable = params.model_copy(update={"image_size": (160, 160)})
    prepare(suitable, tmp_path / "prepared", tmp_path / "data.json")
    show_check(check(suitable), suitable)
    assert "warning: at data.image_size" not in capsys.readouterr().out
