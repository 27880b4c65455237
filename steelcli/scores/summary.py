"""All numbers of a scored split, as `metrics/test.json` holds them."""

from __future__ import annotations

from typing import Any

from steelcli.scores.scorer import SplitScorer
from steelcli.scores.threshold import FIXED_THRESHOLD


def summarise(scorer: SplitScorer, threshold: float | None) -> dict[str, Any]:
    """Return every number of a scored split.

    Those of no threshold, the groups ``optimal`` (the learned threshold) and ``fixed`` (0.5), and
    those by class and by size at the learned threshold. Without a learned threshold everything
    that belongs to it is left out.
    """
    fixed = {"fixed": scorer.group(FIXED_THRESHOLD)}
    if threshold is None:
        return scorer.summary() | fixed
    optimal = {"threshold": threshold, "optimal": scorer.group(threshold)}
    parts = {"recall_class": scorer.recall_class(threshold), **scorer.by_component(threshold)}
    return scorer.summary() | optimal | fixed | parts
