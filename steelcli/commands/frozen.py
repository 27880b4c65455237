"""What ``tune-threshold`` froze, for all that uses the trained network."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from steelcli.common.errors import RunError
from steelcli.common.metrics_file import read_metrics
from steelcli.common.paths import MAKE_THRESHOLD
from steelcli.scores.counts import OperatingPoint


class Frozen(NamedTuple):
    """How maps are made and cut, learned on the validation split.

    Attributes:
        point: threshold and area.
        flip_tta: whether maps are means over image and mirror image.
        learned_for: key of the run.
    """

    point: OperatingPoint
    flip_tta: bool
    learned_for: str | None

    def refuse_other_run(self, run_key: str, path: Path) -> None:
        """Refuse a file, read from ``path``, that was learned for another checkpoint.

        Raises:
            RunError: it was.
        """
        if self.learned_for != run_key:
            what = "the threshold was learned for another checkpoint"
            raise RunError(what, path, MAKE_THRESHOLD)


def read_frozen(path: Path) -> Frozen:
    """Return what ``tune-threshold`` froze.

    Raises:
        RunError: the file is missing, holds no threshold in (0, 1), no area or no ``flip_tta``.
    """
    metrics = read_metrics(path, MAKE_THRESHOLD, (*OperatingPoint._fields, "flip_tta"))
    threshold, area = (metrics.values.get(name) for name in OperatingPoint._fields)
    if threshold is None or not 0 < threshold < 1:
        raise RunError("the file holds no threshold between 0 and 1", path, MAKE_THRESHOLD)
    if not isinstance(area, int) or area < 0:
        raise RunError("the file holds no min_area_px in whole pixels", path, MAKE_THRESHOLD)
    flip_tta = metrics.values.get("flip_tta")
    if flip_tta not in (0, 1):
        raise RunError("the file holds no flip_tta of 0 or 1", path, MAKE_THRESHOLD)
    return Frozen(OperatingPoint(float(threshold), area), flip_tta == 1, metrics.run_key)
