"""Batches: the draws of an epoch, and augmentation that depends on seed, epoch and index alone."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from make_params import train_params

from steelcli.data.store.reader import Store
from steelcli.training import loader
from steelcli.training.augment import apply_augmentation, build_augmentation
from steelcli.training.loader import EpochSampler, TrainLoader, TrainSet, count_workers

AUGMENT = train_params().augment


def batches(
    store: Store, workers: int, epoch: int, seed: int = 42
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    loader = TrainLoader(store, AUGMENT, 4, True, seed, workers)
    loader.seek(epoch, 0)
    return [(images, masks) for images, masks, _ in loader]


def same(
    one: list[tuple[torch.Tensor, torch.Tensor]], other: list[tuple[torch.Tensor, torch.Tensor]]
) -> bool:
    return all(
        torch.equal(a, c) and torch.equal(b, d) for (a, b), (c, d) in zip(one, other, strict=True)
    )


def test_batches_do_not_depend_on_the_number_of_workers(store_dir: Path) -> None:
    store = Store(store_dir)
    alone = batches(store, 0, 1)
    assert same(alone, batches(store, 2, 1))
    assert not same(alone, batches(store, 0, 2))
    assert not same(alone, batches(store, 0, 1, seed=43))


def test_batches_are_full_and_have_the_promised_types(store_dir: Path) -> None:
    store = Store(store_dir)
    found = batches(store, 0, 1)
    assert len(found) == len(store.positions("train")) // 4
    for images, masks in found:
        assert (images.dtype, masks.dtype) == (torch.uint8, torch.uint8)
        assert images.shape == masks.shape == (4, 1, 64, 256)
        assert masks.max() <= 1


def test_a_split_smaller_than_a_batch_makes_one_batch(store_dir: Path) -> None:
    store = Store(store_dir)
    loader = TrainLoader(store, AUGMENT, 1000, True, 42, 0)
    assert [len(images) for images, *_ in loader] == [len(store.positions("train"))]


def test_a_sample_is_a_function_of_seed_epoch_and_index(store_dir: Path) -> None:
    store = Store(store_dir)
    position = store.positions("train")[0]
    image, *_ = TrainSet(store, AUGMENT, 1)[(3, 5, position)]
    dataset = TrainSet(store, AUGMENT, 1)
    dataset[(1, 1, position)]
    np.random.seed(9)
    assert torch.equal(dataset[(3, 5, position)][0], image)
    for draw in ((4, 5, position), (3, 6, position)):
        assert not torch.equal(dataset[draw][0], image)
    assert not torch.equal(TrainSet(store, AUGMENT, 2)[(3, 5, position)][0], image)


def test_without_augmentation_the_store_comes_out_as_it_is(store_dir: Path) -> None:
    store = Store(store_dir)
    dataset = TrainSet(store, train_params(augment={"enabled": False}).augment, 1)
    image, mask, _ = dataset[(1, 0, 3)]
    assert np.array_equal(image[0].numpy(), store.images[3])
    assert np.array_equal(mask[0].numpy(), store.masks[3])


@pytest.mark.parametrize("defects", [3, 10, 17])
def test_a_balanced_epoch_draws_halves_as_evenly_as_can_be(defects: int) -> None:
    labels = [i < defects for i in range(20)]
    sampler = EpochSampler(range(100, 120), labels, True, 0)
    for epoch in (1, 2):
        sampler.epoch = epoch
        draws = list(sampler)
        assert [index for _, index, _ in draws] == list(range(20))
        assert {number for number, _, _ in draws} == {epoch}
        counts = Counter(position for _, _, position in draws)
        hits = [counts[100 + i] for i in range(20)]
        assert sum(hits[:defects]) == sum(hits[defects:]) == 10
        assert max(hits[:defects]) - min(hits[:defects]) <= 1
        assert max(hits[defects:]) - min(hits[defects:]) <= 1


def test_an_unbalanced_epoch_draws_each_image_once() -> None:
    sampler = EpochSampler(range(9), [True] * 2 + [False] * 7, False, 0)
    first = [position for _, _, position in sampler]
    assert sorted(first) == list(range(9))
    sampler.epoch = 1
    assert [position for _, _, position in sampler] != first


def test_balance_needs_both_kinds() -> None:
    assert sorted(
        position for _, _, position in EpochSampler(range(5), [True] * 5, True, 0)
    ) == list(range(5))


def test_geometry_moves_image_and_mask_together() -> None:
    pipeline = build_augmentation(
        train_params(
            augment={"brightness_contrast": 0, "noise": 0, "blur": 0, "geometry": 1.0}
        ).augment
    )
    mask = np.zeros((64, 256), np.uint8)
    mask[20:44, 80:160] = 1
    for index in range(20):
        image, moved = apply_augmentation(pipeline, 200 * mask, mask, 0, 0, index)
        assert ((image > 100) != moved).mean() < 0.01
        assert set(np.unique(moved)) <= {0, 1}


def test_a_strip_is_never_turned_upside_down() -> None:
    pipeline = build_augmentation(AUGMENT)
    image = np.zeros((64, 256), np.uint8)
    image[:16] = 200  # a bright edge at the top stays at the top
    for index in range(200):
        varied, _ = apply_augmentation(pipeline, image, image // 200, 0, 0, index)
        assert varied[:32].mean() > varied[32:].mean() + 10


@pytest.mark.parametrize(
    ("wanted", "device", "cores", "processes", "workers"),
    [
        (3, "cuda", 2, 1, 3),
        (0, "cuda", 16, 1, 0),
        ("auto", "cpu", 16, 1, 0),
        ("auto", "cuda", 1, 1, 0),
        ("auto", "cuda", 6, 1, 5),
        ("auto", "cuda", 64, 1, 8),
        ("auto", "cuda", 16, 4, 3),
        ("auto", "cuda", 2, 4, 0),
    ],
)
def test_auto_takes_the_other_cores_beside_a_gpu(
    wanted, device, cores, processes, workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "count_cores", lambda: cores)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    assert count_workers(wanted, torch.device(device)) == workers


def test_the_store_s_files_are_opened_once_whatever_the_epochs(store_dir: Path) -> None:
    opened: list[str] = []
    listening = False

    def note(event: str, args: tuple[object, ...]) -> None:
        if listening and event == "open":
            opened.append(str(args[0]))

    store = Store(store_dir)
    train_loader = TrainLoader(store, AUGMENT, 4, True, 42, 0)
    sys.addaudithook(note)  # which stays
    listening = True
    for epoch in (1, 2, 3):
        train_loader.seek(epoch, 0)
        assert len(list(train_loader)) > 1
    listening = False
    names = [Path(name).name for name in opened if name.startswith(str(store_dir))]
    assert sorted(set(names)) == ["images.npy", "masks.npy"]
    assert len(names) == 6  # numpy reads the head and maps the file, then it stays open
