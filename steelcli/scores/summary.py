"""All numbers of a scored split, as `metrics/test.json` holds them."""

from __future__ import annotations

from typing import Any

from steelcli.scores.scorer import SplitScorer
from steelcli.scores.threshold import FIXED_THRESHOLD


def summarise(scorer: SplitScorer, threshold: float | None, masks: bool = False) -> dict[str, Any]:
    """Return every number of a scored split.

    Those of no threshold, the groups ``optimal`` (the learned threshold) and ``fixed`` (0.5), and
    those by class and by size at the learned threshold. Without a learned threshold everything
    that belongs to it is left out.

    Args:
        scorer: the counts.
        threshold: the learned one, or None.
        masks: the predictions were no probabilities. A mask is one operating point, at which
            numbers over thresholds would say 0 or 1 for want of others: they are left out.
    """
    whole: dict[str, Any] = scorer.truth() if masks else scorer.summary()
    fixed = {"fixed": scorer.group(FIXED_THRESHOLD)}
    if threshold is None:
        return whole | fixed
    optimal = {"threshold": threshold, "optimal": scorer.group(threshold)}
    parts = {"recall_class": scorer.recall_class(threshold), **scorer.by_component(threshold)}
    return whole | optimal | fixed | parts
