"""How mask files are read, told from the files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from closure import ROOT

from steelcli.commands.plan_choices import Choices
from steelcli.commands.plan_data import plan_reading
from steelcli.common.errors import DataError
from steelcli.params.all import load_params


def write_folder(root: Path, masks: list[np.ndarray | None], suffix: str = ".png") -> None:
    """Write grey noise of 64×48 and a mask for each, none where it is None."""
    generator = np.random.default_rng(0)
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for number, mask in enumerate(masks):
        image = generator.integers(0, 255, (48, 64), np.uint8)
        cv2.imwrite(str(root / "images" / f"{number}.png"), image)
        if mask is not None:
            cv2.imwrite(str(root / "masks" / f"{number}{suffix}"), mask)


def blob(*values: int, dtype: type = np.uint8) -> np.ndarray:
    """Return a black mask with a square of each value."""
    mask = np.zeros((48, 64), dtype)
    for number, value in enumerate(values):
        mask[5:20, 12 * number + 2 : 12 * number + 12] = value
    return mask


def choose(root: Path, *given: str) -> Choices:
    params = load_params(ROOT / "configs" / "fast-cpu.yaml")
    data = params.data.model_copy(update={"root": str(root)})
    choices = Choices(params.model_copy(update={"data": data}), frozenset(given))
    plan_reading(choices)
    return choices


def test_black_and_white_masks_need_nothing(tmp_path: Path) -> None:
    write_folder(tmp_path, [blob(255), blob(1), blob()])
    choices = choose(tmp_path)
    assert choices.params.data.mask_values is None
    assert choices.params.data.mask_threshold is None
    assert choices.params.data.format == "masks"
    reason = choices.reasons["data.classes"]
    assert reason.startswith("all, by an empty list; of 3 images defect on 2 (")
    assert reason.endswith(", none on 1")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_few_values_are_classes(tmp_path: Path, dtype: type) -> None:
    write_folder(tmp_path, [blob(1, 2, dtype=dtype), blob(7, dtype=dtype), blob(dtype=dtype)])
    choices = choose(tmp_path)
    assert choices.params.data.mask_values == {"value 1": 1, "value 2": 2, "value 7": 7}
    assert "value 7 on 1" in choices.reasons["data.classes"]


@pytest.mark.parametrize("values", [(250, 253, 255), (254,)])
def test_values_near_white_are_white(tmp_path: Path, values: tuple[int, ...]) -> None:
    write_folder(tmp_path, [blob(*values), blob()])
    choices = choose(tmp_path)
    assert choices.params.data.mask_threshold == 128
    assert choices.params.data.mask_values is None


def test_a_single_value_is_the_defect(tmp_path: Path) -> None:
    write_folder(tmp_path, [blob(65535, dtype=np.uint16), blob(dtype=np.uint16)])
    assert choose(tmp_path).params.data.mask_values == {"defect": 65535}


def test_blurred_edges_are_cut_in_the_middle(tmp_path: Path) -> None:
    masks = [cv2.GaussianBlur(blob(255, 255), (5, 5), 1), cv2.GaussianBlur(blob(255), (5, 5), 1.1)]
    write_folder(tmp_path, masks)
    choices = choose(tmp_path)
    assert choices.params.data.mask_threshold == 128
    assert "shades of grey" in choices.reasons["data.mask_threshold"]


def test_shades_that_mean_anything_are_refused_as_check_does(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (48, 1))
    write_folder(tmp_path, [ramp])
    with pytest.raises(DataError, match=r"the mask has grey values .* set data\.mask_values or"):
        choose(tmp_path)


def test_images_without_masks_are_clean_where_no_mask_is_empty(tmp_path: Path) -> None:
    write_folder(tmp_path / "none", [blob(255), None, None])
    choices = choose(tmp_path / "none")
    assert choices.params.data.missing_masks == "clean"
    said = "2 of 3 images have no mask file, and no mask file is empty"
    assert choices.reasons["data.missing_masks"] == said
    write_folder(tmp_path / "some", [blob(255), None, blob()])
    with pytest.raises(DataError, match="image without mask"):
        choose(tmp_path / "some")


def test_what_was_given_is_not_chosen(tmp_path: Path) -> None:
    write_folder(tmp_path, [blob(1, 2), blob()])
    with pytest.raises(DataError, match="grey values"):
        choose(tmp_path, "data.mask_values")  # as null


def test_a_broken_mask_is_told_by_the_survey(tmp_path: Path) -> None:
    write_folder(tmp_path, [blob(255), blob()])
    (tmp_path / "masks" / "0.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"1 problem in the data.*0\.png"):
        choose(tmp_path)
