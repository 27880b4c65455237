"""From the prepared store to batches: what an epoch draws, in which order, augmented."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from multiprocessing.process import BaseProcess
from typing import Any, Literal

import albumentations as A
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from steelcli.common.cores import count_cores
from steelcli.common.parent import die_with_parent
from steelcli.data.store.reader import Store
from steelcli.data.types import channels_first
from steelcli.params.augment import AugmentParams
from steelcli.training.augment import apply_augmentation, build_augmentation

MAX_AUTO_WORKERS = 8

Draw = tuple[int, int, int]
"""Epoch, index of the draw within the epoch, position in the store."""

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Images uint8 [N, C, H, W], masks uint8 [N, 1, H, W], store positions int64 [N]."""


class TrainSet(Dataset[Any]):
    """Augmented samples by draw.

    A sample is an image uint8 [C, H, W] with C = 1 or 3, a mask uint8 [1, H, W] of 0 and 1, and
    the position in the store.
    """

    def __init__(self, store: Store, augment: AugmentParams, seed: int) -> None:
        self.store, self.seed = store, seed
        self.pipeline: A.Compose | None = build_augmentation(augment)

    def __getitem__(self, draw: Draw) -> tuple[torch.Tensor, torch.Tensor, int]:
        epoch, index, position = draw
        image, mask = np.array(self.store.images[position]), np.array(self.store.masks[position])
        if self.pipeline is not None:
            image, mask = apply_augmentation(self.pipeline, image, mask, self.seed, epoch, index)
        mask_tensor = torch.from_numpy(np.ascontiguousarray(mask))[None]
        return torch.from_numpy(channels_first(image)), mask_tensor, position


class EpochSampler(Sampler[Draw]):
    """The draws of one epoch, a function of (seed, epoch) and the labels alone.

    Without ``balance`` each image is drawn once. With it the number of draws is the same, half of
    them defect images and half clean ones: reshuffle the smaller group each time it runs out.
    """

    def __init__(
        self, positions: Sequence[int], has_defect: Sequence[bool], balance: bool, seed: int
    ) -> None:
        labels = np.asarray(has_defect, bool)
        self.positions, self.seed, self.epoch = np.asarray(positions), seed, 0
        self.groups = [np.flatnonzero(labels), np.flatnonzero(~labels)]
        self.balance = balance and all(len(group) for group in self.groups)

    def __len__(self) -> int:
        return len(self.positions)

    def __iter__(self) -> Iterator[Draw]:
        generator = np.random.default_rng([self.seed, self.epoch])
        if self.balance:
            half = (len(self) + 1) // 2
            defect, clean = self.groups
            draws = [_cycle(generator, defect, half), _cycle(generator, clean, len(self) - half)]
            order = np.concatenate(draws)
            generator.shuffle(order)
        else:
            order = generator.permutation(len(self))
        for index, member in enumerate(order):
            yield self.epoch, index, int(self.positions[member])


class ShareSampler(Sampler[list[Draw]]):
    """This process's share of each batch; the batches do not depend on the number of processes.

    The last batch is dropped if it is not full, unless it is the only one.

    Attributes:
        first: number of batches to skip, because an interrupted epoch has done them.
    """

    def __init__(
        self, sampler: EpochSampler, batch_size: int, process: int, processes: int
    ) -> None:
        self.sampler, self.size = sampler, min(batch_size, len(sampler))
        self.process, self.processes, self.first = process, processes, 0

    def __len__(self) -> int:
        return len(self.sampler) // self.size

    def __iter__(self) -> Iterator[list[Draw]]:
        draws = list(self.sampler)
        for batch in range(self.first, len(self)):
            members = draws[batch * self.size : (batch + 1) * self.size]
            start = self.size * self.process // self.processes
            end = self.size * (self.process + 1) // self.processes
            yield members[start:end]


class TrainLoader:
    """Batches of the train split, one epoch at a time; an epoch may start at any batch.

    Args:
        process, processes: which share of each batch to load.
    """

    def __init__(
        self,
        store: Store,
        augment: AugmentParams,
        batch_size: int,
        balance: bool,
        seed: int,
        workers: int,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        positions = store.positions("train")
        has_defect = [store.records[position].has_defect for position in positions]
        self.sampler = EpochSampler(positions, has_defect, balance, seed)
        self.shares = ShareSampler(self.sampler, batch_size, process, processes)
        self._loader: DataLoader[Batch] = DataLoader(
            TrainSet(store, augment, seed),
            batch_sampler=self.shares,
            num_workers=workers,
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=_begin_worker if workers else None,
            generator=torch.Generator(),  # else each epoch would use up the training's numbers
        )
        self._workers: list[BaseProcess] = []
        self._is_starting = False

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.shares)

    def __iter__(self) -> Iterator[Batch]:
        self._is_starting = self._loader.num_workers > 0
        batches = iter(self._loader)
        self._is_starting = False
        self._workers = getattr(batches, "_workers", [])
        return batches

    def has_lost_worker(self) -> bool:
        """Return whether a loading process of the current epoch was killed or crashed.

        torch's own shutdown ends them with exit code 0. An error while they start counts as one.
        """
        return self._is_starting or any(worker.exitcode for worker in self._workers)

    def seek(self, epoch: int, first: int) -> None:
        """Let the next iteration start at batch ``first`` (0-based) of an epoch."""
        self.sampler.epoch, self.shares.first = epoch, first


def count_workers(wanted: int | Literal["auto"], device: torch.device) -> int:
    """Turn ``train.workers`` into the number of loading processes of one training process.

    On a CPU the network keeps all cores busy, so that auto takes none.
    """
    if wanted != "auto":
        return wanted
    if device.type != "cuda":
        return 0
    cores = count_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(0, min(MAX_AUTO_WORKERS, cores - 1))


def _cycle(generator: np.random.Generator, group: NDArray[np.intp], draws: int) -> NDArray[np.intp]:
    """Return ``draws`` members: one new permutation of the group after another."""
    rounds = -(-draws // len(group))
    return np.concatenate([generator.permutation(group) for _ in range(rounds)])[:draws]


def _begin_worker(_worker: int) -> None:
    import cv2

    die_with_parent()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
