"""Stratified splits.

They are drawn from the pictures' content, so that names and order of files change nothing.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import DataError
from steelcli.data.types import SPLITS, Split


@dataclass(frozen=True)
class Candidate:
    """What the split needs to know of one image.

    Attributes:
        content: hash of the decoded pixels; equal for exact duplicates.
        classes: channels of the defect classes the image shows; empty for a clean image.
        split: the split the raw data assigns, or None.
    """

    content: str
    classes: frozenset[int]
    split: Split | None = None


def draw(candidates: Sequence[Candidate], shares: Sequence[float], seed: int) -> list[int]:
    """Deal candidates to parts, each combination of classes in proportion, copies together.

    A clean image is the empty combination. The order within a combination is that of a hash of
    seed and content. How many of it go to each part is rounded so that the part's images, its
    defect images and its images of each class are close to their exact shares: within one image on
    the Severstal labels.

    Args:
        shares: one share per part, summing to 1.

    Returns:
        The part of each candidate, in the order given.
    """
    copies: dict[str, list[int]] = defaultdict(list)
    for position, candidate in enumerate(candidates):
        copies[candidate.content].append(position)
    strata: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for content, positions in copies.items():
        strata[tuple(sorted(candidates[positions[0]].classes))].append(content)
    keys = sorted(strata)
    seats = _round_seats(keys, [len(strata[key]) for key in keys], np.asarray(shares, float))
    part_of: dict[str, int] = {}
    for key, row in zip(keys, seats, strict=True):
        ranked = sorted(
            strata[key], key=lambda content: hashlib.sha256(f"{seed}:{content}".encode()).digest()
        )
        bounds = np.cumsum(row)
        for rank, content in enumerate(ranked):
            part_of[content] = int(np.searchsorted(bounds, rank, side="right"))
    return [part_of[candidate.content] for candidate in candidates]


def _round_seats(
    keys: Sequence[tuple[int, ...]], sizes: Sequence[int], shares: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Round ``size × share`` to integers [strata, parts] whose rows sum to the sizes.

    Starts from the largest remainders. Then makes the pair of moves, of one image each, that most
    lowers the squared error of the sums (images, defect images, images of each class), until none
    does. Single moves get stuck: 1.5 images off on the Severstal labels at 65/15/20, pairs 0.5.
    """
    classes = sorted({channel for key in keys for channel in key})
    members = np.array(
        [[1, bool(key), *(channel in key for channel in classes)] for key in keys], float
    )
    exact = np.outer(sizes, shares)
    seats = np.floor(exact).astype(np.int64)
    for row, size in enumerate(sizes):
        spare = size - int(seats[row].sum())
        seats[row, np.argsort(-(exact[row] - seats[row]), kind="stable")[:spare]] += 1
    pairs = list(itertools.permutations(range(len(shares)), 2))
    moves = [(row, giver, taker) for row in range(len(keys)) for giver, taker in pairs]
    row_of = np.array([row for row, _, _ in moves] + [-1])
    steps = np.zeros((len(moves) + 1, *seats.shape))  # the last step moves nothing
    for index, (row, giver, taker) in enumerate(moves):
        steps[index, row, giver], steps[index, row, taker] = -1, 1
    effects = np.einsum("srp,rm->smp", steps, members).reshape(len(steps), -1)
    cross = effects @ effects.T
    while True:
        error = (members.T @ (seats - exact)).reshape(-1)
        single = 2 * effects @ error + np.diag(cross)
        fits = ((seats + steps >= 0) & (abs(seats + steps - exact) < 2)).all(axis=(1, 2))
        single[~fits] = np.inf
        gain = single[:, None] + single[None, :] + 2 * cross
        gain[row_of[:, None] == row_of[None, :]] = np.inf  # each step was checked to fit alone
        first, second = np.unravel_index(int(gain.argmin()), gain.shape)
        changed = seats + (steps[first] + steps[second]).astype(np.int64)
        if gain[first, second] > -1e-9:
            break
        seats = changed
    return np.asarray(seats, np.int64)


def assign(
    candidates: Sequence[Candidate],
    val_fraction: float,
    test_fraction: float,
    seed: int,
    refuse_duplicates: bool,
) -> list[Split | None]:
    """Give each candidate its split; None leaves out a copy that also stands in another split.

    Splits the data itself brings are kept. Missing ones are drawn from the rest (what the data
    calls train, and what it assigns to no split), each fraction being of that rest; what remains is
    train. Of copies in several splits of the data, those in test stay, else those in val.

    Raises:
        DataError: a picture in two splits of the data while ``refuse_duplicates``, or too few
            images for three splits.
    """
    home: dict[str, Split | None] = {}
    for candidate in candidates:
        home[candidate.content] = _stronger(home.get(candidate.content), candidate.split)
    left_out = [
        candidate.split is not None and candidate.split != home[candidate.content]
        for candidate in candidates
    ]
    if refuse_duplicates and any(left_out):
        raise DataError(
            f"{sum(left_out)} pictures stand in more than one split",
            "data.root",
            "remove the copies or drop them with data.duplicates=drop",
        )
    present = {split for split in home.values() if split}
    rest = [
        i
        for i, candidate in enumerate(candidates)
        if home[candidate.content] in (None, "train") and not left_out[i]
    ]
    wanted = {"val": val_fraction, "test": test_fraction}
    drawn: list[Split] = [name for name in SPLITS if name in wanted and name not in present]
    shares = [1 - sum(wanted[name] for name in drawn), *(wanted[name] for name in drawn)]
    parts = draw([candidates[i] for i in rest], shares, seed)
    result: list[Split | None] = [
        None if out else home[candidate.content]
        for candidate, out in zip(candidates, left_out, strict=True)
    ]
    names: list[Split] = ["train", *drawn]
    for i, part in zip(rest, parts, strict=True):
        result[i] = names[part]
    for name in SPLITS:
        if name not in result:
            raise DataError(
                f"no image is left for the {name} split",
                "data.root",
                "add images or change the fractions",
            )
    return result


def _stronger(one: Split | None, other: Split | None) -> Split | None:
    """Return the later of two splits in the order train, val, test; None is the weakest."""
    rank = {None: -1, "train": 0, "val": 1, "test": 2}
    return one if rank[one] >= rank[other] else other


def pick(candidates: Sequence[Candidate], limit: int, seed: int) -> list[int]:
    """Return the positions of ``limit`` candidates in their order, stratified like the splits.

    All are returned where there are fewer.
    """
    if limit >= len(candidates):
        return list(range(len(candidates)))
    share = limit / len(candidates)
    parts = draw(candidates, [share, 1 - share], seed)
    ranked = sorted(
        range(len(candidates)), key=lambda position: (parts[position], candidates[position].content)
    )
    return sorted(ranked[:limit])  # copies are dealt together, so the draw may be one short or over
