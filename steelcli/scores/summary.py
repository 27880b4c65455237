"""All numbers of a scored split, as `metrics/test.json` holds them."""

from __future__ import annotations

from typing import Any

from steelcli.scores.counts import FIXED, OperatingPoint
from steelcli.scores.scorer import SplitScorer


def summarise(
    scorer: SplitScorer, learned: OperatingPoint | None, masks: bool = False
) -> dict[str, Any]:
    """Return every number of a scored split.

    Those of no operating point, the groups ``optimal`` (the learned point) and ``fixed`` (0.5,
    nothing removed), and those by class and by size at the learned point. Without a learned point
    everything that belongs to it is left out.

    Args:
        scorer: the counts.
        learned: the learned point, or None.
        masks: the predictions were no probabilities. A mask is one operating point, at which
            numbers over thresholds would say 0 or 1 for want of others: they are left out.
    """
    whole: dict[str, Any] = scorer.truth() if masks else scorer.summary()
    fixed = {"fixed": scorer.group(FIXED)}
    if learned is None:
        return whole | fixed
    optimal = {**learned._asdict(), "optimal": scorer.group(learned)}
    parts = {"recall_class": scorer.recall_class(learned), **scorer.by_component(learned)}
    return whole | optimal | fixed | parts
