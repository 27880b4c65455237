"""Probability maps of a store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import nn

from steelcli.common.errors import RunError
from steelcli.model.inference import compute_logits, iter_levels, predict
from steelcli.model.trained_model import load_trained


def test_probability_maps_do_not_depend_on_the_batch(run_dir: Path, store_dir: Path) -> None:
    trained = load_trained(run_dir / "models", store_dir)
    positions = trained.store.positions("test")
    maps = [
        dict(
            iter_levels(
                trained.model, trained.store, positions, size, trained.device, "fp32", flip_tta=True
            )
        )
        for size in (1, 3)
    ]
    for position in positions:
        assert maps[0][position].shape == (128, 800)
        assert abs(maps[0][position].astype(int) - maps[1][position].astype(int)).max() <= 1


def test_flip_tta_averages_the_image_and_its_mirror_image() -> None:
    class Columns(nn.Module):
        """Logits that depend on the column and on the pixel."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.float() / 255 + torch.arange(images.shape[-1])

    images = torch.randint(0, 256, (2, 1, 3, 4), dtype=torch.uint8)
    alone = predict(Columns(), images, "fp32", flip_tta=False)
    mirrored = torch.sigmoid(images.float() / 255 + torch.tensor([3.0, 2.0, 1.0, 0.0]))
    averaged = predict(Columns(), images, "fp32", flip_tta=True)
    torch.testing.assert_close(averaged, (alone + mirrored) / 2)


def test_a_mirror_image_that_breaks_the_network_is_told() -> None:
    class BreaksOnWhiteFirst(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.where(images[..., :1] == 255, torch.nan, images.float())

    images = torch.tensor([[[[0, 255]]]], dtype=torch.uint8)
    predict(BreaksOnWhiteFirst(), images, "fp32", flip_tta=False)
    with pytest.raises(RunError, match=r"not finite.*lower train\.lr"):
        predict(BreaksOnWhiteFirst(), images, "fp32", flip_tta=True)


@pytest.mark.parametrize(("threads", "parts"), [(1, {5: 1}), (3, {2: 1, 1: 1}), (10, {1: 2})])
def test_threads_share_the_images_out(threads: int, parts: dict[int, int]) -> None:
    seen = {}

    class Doubles(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen[len(images)] = torch.get_num_threads()
            return 2 * images.float()

    images = torch.arange(5, dtype=torch.uint8)[:, None, None, None]
    usual = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        logits = compute_logits(Doubles(), images, "fp32")
        with ThreadPoolExecutor(1) as pool:
            later = pool.submit(torch.get_num_threads).result()
        assert later == torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(usual)
    assert logits.flatten().tolist() == [0, 2, 4, 6, 8]
    assert seen == parts
