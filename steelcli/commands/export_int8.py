"""Whether a network in 8 bits still finds what the trained one finds, and raises no new alarm."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from steelcli.common.errors import RunError
from steelcli.common.formats import Format
from steelcli.data.store.reader import Store
from steelcli.model.inference import native_levels
from steelcli.scores.counts import Counts, OperatingPoint, count, cut
from steelcli.scores.formulas import image_decisions, overlap

MAX_DICE_DEFECT_FALL = 0.005
"""By which ``dice_defect`` on the validation images may be lower than that of torch."""


class MapPair(NamedTuple):
    """What the exported network and torch's in fp32 make of one image.

    Attributes:
        position: of the image in the store.
        probs, torch_probs: float32 [1, 1, H, W].
    """

    position: int
    probs: NDArray[np.float32]
    torch_probs: NDArray[np.float32]


def refuse_format(wanted: Format) -> None:
    """Refuse a format that is not written in 8 bits.

    Raises:
        RunError: any but ONNX.
    """
    if wanted is not Format.ONNX:
        where = f"--format {wanted.value}"
        raise RunError("a network in 8 bits is written as ONNX alone", where, "use --format onnx")


def judge_int8(store: Store, point: OperatingPoint, maps: Iterable[MapPair]) -> dict[str, float]:
    """Score both networks at the frozen point, and compare.

    Args:
        point: that cuts the maps of both.
        maps: of all validation images.

    Returns:
        ``max_prob_difference``; ``dice_defect`` and ``clean_false_alarm``, where there are such
        images, each also with ``_torch``.

    Raises:
        RunError: ``dice_defect`` falls by more than is allowed, or a clean image without an alarm
            gets one.
    """
    differences: list[float] = []
    counts: list[Counts] = []
    torch_counts: list[Counts] = []
    for position, probs, torch_probs in maps:
        differences.append(float(np.abs(probs - torch_probs).max()))
        truth: NDArray[np.bool_] = np.logical_or.reduce(store.class_masks(position), axis=0)
        for network, kept in ((probs, counts), (torch_probs, torch_counts)):
            levels = native_levels(torch.from_numpy(network[0]), store.letterbox(position))
            kept.append(count(cut(levels, point), truth))
    scores, alarms = _score(counts)
    torch_scores, torch_alarms = _score(torch_counts)
    _refuse(scores, torch_scores, int(np.count_nonzero(alarms & ~torch_alarms)))
    before = {f"{name}_torch": value for name, value in torch_scores.items()}
    return {"max_prob_difference": float(np.max(differences)), **scores, **before}


def _score(counts: list[Counts]) -> tuple[dict[str, float], NDArray[np.bool_]]:
    """Return the two scores, and which images are clean with an alarm, bool [N]."""
    tp, fp, fn = np.array(counts, np.int64).T
    predicted = tp + fp > 0
    scores = overlap(tp, fp, fn) | image_decisions(tp, fn, predicted)
    names = ("dice_defect", "clean_false_alarm")
    alarms: NDArray[np.bool_] = predicted & (tp + fn == 0)
    return {name: scores[name] for name in names if name in scores}, alarms


def _refuse(scores: dict[str, float], torch_scores: dict[str, float], new_alarms: int) -> None:
    before, after = torch_scores.get("dice_defect", 0.0), scores.get("dice_defect", 0.0)
    if new_alarms == 0 and before - after <= MAX_DICE_DEFECT_FALL:
        return
    what = (
        f"in 8 bits dice_defect goes from {before:.4f} to {after:.4f}, where a fall of "
        f"{MAX_DICE_DEFECT_FALL:g} is allowed, and {new_alarms} more of the clean images raise a "
        "false alarm, where none may"
    )
    raise RunError(what, "the validation images", "export without --int8")
