"""Learn the operating point on validation images: every threshold with every area, in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import RunError
from steelcli.common.progress import say
from steelcli.scores.component_tree import ComponentTree
from steelcli.scores.counts import OperatingPoint
from steelcli.scores.curves import GridScores, Row, threshold_curve
from steelcli.scores.histogram import GRID, GRID_STEPS
from steelcli.scores.parallel import Scored, score_images
from steelcli.scores.scorer import check_image
from steelcli.scores.threshold import OBJECTIVES, TIE, Choice, Objective, choose_threshold, no_value

ALARM = "clean_false_alarm"


class PairScorer:
    """Counts of a split at every threshold of GRID with every area, mergeable.

    Args:
        areas: components of fewer pixels are removed.
        classes: number of classes C.
    """

    def __init__(self, areas: Sequence[int], classes: int) -> None:
        self.classes = classes
        self.grids = {area: GridScores() for area in areas}

    def update(
        self,
        image: str,
        levels: NDArray[np.uint16],
        class_masks: NDArray[np.bool_],
        rounded: bool = False,  # noqa: ARG002
    ) -> None:
        """Count one image; the arguments are those of `SplitScorer.update`."""
        check_image(image, levels, class_masks, self.classes)
        truth: NDArray[np.bool_] = np.logical_or.reduce(class_masks, axis=0)
        tree = ComponentTree.of(levels, GRID_STEPS)
        inside = tree.inside(truth)
        for area, grid in self.grids.items():
            is_large = tree.areas >= area
            tp = tree.at_steps(inside * is_large)
            predicted = tree.at_steps(tree.areas * is_large)
            grid.add(tp, predicted - tp, int(np.count_nonzero(truth)))

    def merge(self, other: PairScorer) -> None:
        """Add the images of ``other``."""
        for area, grid in self.grids.items():
            grid.merge(other.grids[area])


class Pairs:
    """The scores of every pair of a threshold and an area, by one objective.

    Args:
        curves: rows of `threshold_curve` by area, the areas rising.
        objective: the column to maximise.
    """

    def __init__(self, curves: dict[int, list[Row]], objective: Objective) -> None:
        self.curves, self.objective = curves, objective
        self.areas = list(curves)
        missing = float("-inf")
        self.scores = self._table(objective, missing)  # float64 [areas, 1023]
        self.alarms = self._table(ALARM, 0.0)

    def _table(self, column: str, missing: float) -> NDArray[np.float64]:
        rows = [[row.get(column, missing) for row in curve] for curve in self.curves.values()]
        return np.array(rows, np.float64)

    def choose(self, max_alarm: float) -> tuple[int, Choice] | None:
        """Return the best pair with at most so many false alarms: its area and the choice.

        Of pairs as good it has the smallest area, then the middle of the first plateau of
        thresholds. None where no allowed pair has a value.
        """
        allowed = np.where(self.alarms <= max_alarm, self.scores, float("-inf"))
        best = allowed.max(axis=1)  # by area
        if np.isneginf(best).all():
            return None
        area = int(np.argmax(best >= best.max() - TIE))
        # a higher threshold never has more false alarms: what is allowed goes up to the end
        lowest = float(GRID[np.argmax(self.alarms[area] <= max_alarm)])
        choice = choose_threshold(self.curves[self.areas[area]], self.objective, lowest)
        return self.areas[area], choice

    def front(self) -> list[OperatingPoint]:
        """Return the pairs to which no other is preferable, the false alarms rising.

        Each is what `choose` would return at its own share of false alarms, and scores better than
        all with fewer.
        """
        points: list[OperatingPoint] = []
        best = float("-inf")
        for alarm in np.unique(self.alarms).tolist():
            chosen = self.choose(alarm)
            if chosen and chosen[1].score > best + TIE:
                area, choice = chosen
                best = choice.score
                points.append(OperatingPoint(choice.threshold, area))
        return points

    def rows(self, chosen: OperatingPoint) -> list[Row]:
        """Return the rows of CURVE_COLUMNS.

        Each threshold with its best area, the smallest of those as good; the pairs on the front;
        and the chosen pair.
        """
        best = self.scores.max(axis=0)
        smallest = np.argmax(self.scores >= best - TIE, axis=0)
        front = set(self.front())
        points = {chosen, *front}
        for threshold, index in zip(GRID.tolist(), smallest.tolist(), strict=True):
            points.add(OperatingPoint(threshold, self.areas[index]))
        return [
            {**self.row(point), "min_area_px": point.min_area_px, "front": int(point in front)}
            for point in sorted(points)
        ]

    def row(self, point: OperatingPoint) -> Row:
        """Return the row of a pair."""
        return self.curves[point.min_area_px][int(np.searchsorted(GRID, point.threshold))]


def learn_point(
    objective: Objective,
    min_areas_px: Sequence[int],
    max_clean_false_alarm: float | None,
    class_titles: Sequence[str],
    images: Iterable[Scored],
) -> tuple[dict[str, Any], list[Row]]:
    """Score every threshold of the grid with every area in one pass, of whatever model.

    Args:
        objective: what is maximised.
        min_areas_px: the areas to try.
        max_clean_false_alarm: of the clean images, the share that may have a component; or None.
        class_titles: titles of the C classes.
        images: the validation images.

    Returns:
        ``threshold`` and ``min_area_px``, the objective's best pair, with the best pair and score
        of every objective; and the rows of CURVE_COLUMNS.

    Raises:
        RunError: no pair keeps the limit, or no image gives the objective a value.
    """
    areas = sorted({area if area > 1 else 0 for area in min_areas_px})
    scorer = score_images(partial(PairScorer, areas, len(class_titles)), images)
    curves = {area: threshold_curve(grid) for area, grid in scorer.grids.items()}
    pairs = Pairs(curves, objective)
    limit = 1.0 if max_clean_false_alarm is None else max_clean_false_alarm
    has_clean = ALARM in curves[areas[0]][0]
    if max_clean_false_alarm is not None and not has_clean:
        say("warning: no clean validation image, so threshold.max_clean_false_alarm limits nothing")
    # a pair that finds nothing raises no alarm either, and is no answer
    finds = pairs.scores > 0
    fewest = float(pairs.alarms[finds].min() if finds.any() else pairs.alarms.min())
    found = pairs.choose(max(limit, fewest))
    if found is None:
        raise no_value(objective)
    if fewest > limit:
        raise _broken_limit(limit, fewest, *found)
    area, chosen = found
    _warn(objective, chosen)
    point = OperatingPoint(chosen.threshold, area)
    metrics: dict[str, Any] = point._asdict()
    for name in OBJECTIVES:
        # dice_defect has no value where no image has a defect
        if best := Pairs(curves, name).choose(limit):
            metrics |= {f"{name}_threshold": best[1].threshold, f"{name}_score": best[1].score}
            metrics[f"{name}_min_area_px"] = best[0]
    if has_clean:
        metrics[ALARM] = pairs.row(point)[ALARM]
    return metrics, pairs.rows(point)


def _broken_limit(limit: float, fewest: float, area: int, closest: Choice) -> RunError:
    """Return the error that no pair keeps the limit."""
    what = (
        f"no threshold and area that find a defect keep the false alarms that low: the closest, "
        f"{closest.threshold:g} with {area} px, raises one on {fewest:g} of the clean validation "
        "images"
    )
    remedy = "raise it, or add larger areas to threshold.min_areas_px"
    return RunError(what, f"threshold.max_clean_false_alarm {limit:g}", remedy)


def _warn(objective: Objective, chosen: Choice) -> None:
    if chosen.is_flat:
        flat = f"{objective} hardly depends on the threshold"
        say(f"warning: {flat}; {chosen.threshold:g} is one of many")
    if chosen.at_edge:
        reach = "reach the edge of the thresholds tried"
        say(
            f"warning: the best {objective} values {reach}; {chosen.threshold:g} is in their middle"
        )
