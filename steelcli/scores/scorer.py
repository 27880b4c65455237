"""Score a split image by image, at native resolution, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from steelcli.scores import calibration, curves, formulas
from steelcli.scores.components import highest_component
from steelcli.scores.counts import Counts, OperatingPoint, count, cut
from steelcli.scores.found_defects import ComponentScores, DefectRow
from steelcli.scores.froc import Froc, image_froc
from steelcli.scores.histogram import PixelHistogram
from steelcli.scores.image_scores import image_scores
from steelcli.scores.matching import Defects
from steelcli.scores.points import PointCounter

PROB_THRESHOLDS = (0.5, 0.75, 0.9)
"""The probability thresholds of ``iou_prob_50, _75, _90``; always counted, nothing removed."""

ImageRow = dict[str, str | int | float]
"""One row of ``metrics/*_images.csv``, with its IMAGE_COLUMNS."""


class PointCounts:
    """What is counted at one operating point.

    Attributes:
        images: tp, fp, fn of each image, in order.
        class_hits: int64 [C], predicted pixels of each class's truth.
    """

    def __init__(self, classes: int) -> None:
        self.images: list[Counts] = []
        self.class_hits = np.zeros(classes, np.int64)

    def merge(self, other: PointCounts) -> None:
        """Append the images of ``other``."""
        self.images += other.images
        self.class_hits += other.class_hits


def check_image(
    image: str, levels: NDArray[np.uint16], class_masks: NDArray[np.bool_], classes: int
) -> None:
    """Refuse what is no map uint16 [H, W] with masks bool [C, H, W].

    Raises:
        ValueError: it is not.
    """
    if levels.dtype != np.uint16 or levels.ndim != 2 or not levels.size:
        found = f"{levels.dtype} {levels.shape}"
        raise ValueError(f"{image}: levels must be uint16 [H, W], not {found}")
    shape = (classes, *levels.shape)
    if class_masks.dtype != np.bool_ or class_masks.shape != shape:
        found = f"{class_masks.dtype} {class_masks.shape}"
        raise ValueError(f"{image}: class_masks must be bool {shape}, not {found}")


class SplitScorer:
    """Counts of a split, mergeable; the methods after `merge` are pure functions of them.

    Args:
        class_titles: titles of the C classes, in the order of the mask channels.
        points: operating points to count at, besides those of PROB_THRESHOLDS.
        min_overlap: share of a component's pixels that makes it found or true, in (0, 1].
        froc: whether to match components too; it takes longer.
        image_area_px: pixels of the component that an image's score asks for.
        min_areas_px: the areas that `point_rows` tries with every threshold; None tries none.
    """

    def __init__(
        self,
        class_titles: Sequence[str],
        points: Sequence[OperatingPoint],
        min_overlap: float,
        froc: bool = True,
        image_area_px: int = 0,
        min_areas_px: Sequence[int] | None = None,
    ) -> None:
        self.class_titles = tuple(class_titles)
        self.min_overlap, self.image_area_px = min_overlap, image_area_px
        if len(set(self.class_titles)) < len(self.class_titles):
            raise ValueError(f"class titles repeat: {self.class_titles}")
        if not 0 < min_overlap <= 1:
            raise ValueError(f"min_overlap {min_overlap} out of range")
        asked = sorted({_key(point) for point in points})
        probs = [_key(OperatingPoint(threshold)) for threshold in PROB_THRESHOLDS]
        keys = sorted({*asked, *probs})
        self._exact = {key: PointCounts(len(self.class_titles)) for key in keys}
        self._histogram = PixelHistogram()
        self._grid = curves.GridScores()
        self._counted = Froc() if froc else None
        self._points = None
        if froc and min_areas_px is not None:
            self._points = PointCounter(points[0], min_areas_px, min_overlap)
        self._components = ComponentScores(self.class_titles, asked, min_overlap) if froc else None
        self._defect_pixels: dict[str, int] = {}
        self._image_scores: list[int] = []
        self._class_pixels = np.zeros(len(self.class_titles), np.int64)

    def update(
        self,
        image: str,
        levels: NDArray[np.uint16],
        class_masks: NDArray[np.bool_],
        rounded: bool = False,
    ) -> None:
        """Count one image.

        Args:
            image: its name, unique in the split.
            levels: uint16 [H, W], the probability map; see `data.levels`.
            class_masks: bool [C, H, W]; truth is their union.
            rounded: whether the levels were rounded from other probabilities, which the bounds of
                the average precision then allow for.

        Raises:
            ValueError: the arrays are not that, or the image was counted before.
        """
        if image in self._defect_pixels:
            raise ValueError(f"{image} was counted before")
        check_image(image, levels, class_masks, len(self.class_titles))
        truth: NDArray[np.bool_] = np.logical_or.reduce(class_masks, axis=0)
        classes = class_masks.reshape(len(class_masks), -1).take(np.flatnonzero(truth), axis=1)
        defect_pixels = classes.shape[1]
        self._defect_pixels[image] = defect_pixels
        self._image_scores.append(highest_component(levels, self.image_area_px))
        self._class_pixels += np.count_nonzero(classes, axis=1)
        preds = {point: cut(levels, point) for point in self._exact}
        for point, counts in self._exact.items():
            counts.images.append(count(preds[point], truth))
            counts.class_hits += np.count_nonzero(classes & preds[point][truth], axis=1)
        histogram = PixelHistogram.of_image(levels, truth, rounded)
        tp, fp = histogram.grid_counts()
        self._grid.add(tp, fp, defect_pixels)
        self._histogram.merge(histogram)
        if self._components:
            defects = Defects.of(truth)
            self._components.add(image, preds, defects, class_masks)
            if self._points:
                self._points.add(levels, defects)
            elif self._counted:
                self._counted.add(image_froc(levels, defects, self.min_overlap))

    def merge(self, other: SplitScorer) -> None:
        """Append the images of ``other``, which must be set up alike.

        Raises:
            ValueError: other settings, or an image that both have counted.
        """
        if self._settings() != other._settings():
            raise ValueError(f"scorers differ: {self._settings()} and {other._settings()}")
        if shared := self._defect_pixels.keys() & other._defect_pixels.keys():
            raise ValueError(f"counted twice: {sorted(shared)[:3]}")
        self._defect_pixels |= other._defect_pixels
        self._image_scores += other._image_scores
        self._class_pixels += other._class_pixels
        for point, counts in self._exact.items():
            counts.merge(other._exact[point])
        self._histogram.merge(other._histogram)
        self._grid.merge(other._grid)
        if self._counted and other._counted:
            self._counted.merge(other._counted)
        if self._points and other._points:
            self._points.merge(other._points)
        if self._components and other._components:
            self._components.merge(other._components)

    def _settings(self) -> tuple[object, ...]:
        return (
            self.class_titles,
            tuple(self._exact),
            self.min_overlap,
            self.image_area_px,
            self._counted is not None,
            self._points and (self._points.thresholds, self._points.areas.tolist()),
        )

    @property
    def _froc(self) -> Froc | None:
        return self._points.froc() if self._points else self._counted

    def group(self, point: OperatingPoint) -> dict[str, float]:
        """Return the numbers at one of the points.

        They are ``iou, dice, iou_defect, dice_defect, iou_pooled, precision, recall, f1, iou_50,
        iou_75, iou_90, clean_false_alarm, image_recall`` and ``image_precision``, each only where
        there is something to divide by.
        """
        tp, fp, fn = self._counts(point)
        return formulas.overlap(tp, fp, fn) | formulas.image_decisions(tp, fn, tp + fp > 0)

    def truth(self) -> dict[str, int]:
        """Return what the truth alone says.

        ``images``, ``defect_images`` and, where components were counted, ``defects``.
        """
        defect_images = sum(pixels > 0 for pixels in self._defect_pixels.values())
        counts = {"images": len(self._defect_pixels), "defect_images": defect_images}
        return counts | ({"defects": self._froc.true_components} if self._froc else {})

    def summary(self) -> dict[str, float]:
        """Return the numbers of the split that belong to no operating point in force.

        Those of `truth`, and of the probabilities ``auprc, auprc_low, auprc_high, brier, ece,
        recall_at_1_fp, image_auroc, image_auprc, iou_prob_50, _75, _90``. What has nothing to
        divide by is left out; so is ``recall_at_1_fp`` where components were not counted.
        """
        summary: dict[str, float] = {**self.truth()}
        if precision := curves.average_precision(self._histogram):
            summary |= {
                "auprc": precision.value,
                "auprc_low": precision.low,
                "auprc_high": precision.high,
            }
        summary |= calibration.calibration(self._histogram)
        recall = self._froc.recall_at(1.0) if self._froc else None
        if recall is not None:
            summary["recall_at_1_fp"] = recall
        is_defect = np.array(list(self._defect_pixels.values()), np.int64) > 0
        summary |= image_scores(np.array(self._image_scores, np.int64), is_defect)
        for threshold in PROB_THRESHOLDS:
            group = self.group(OperatingPoint(threshold))
            if "iou_defect" in group:
                summary[f"iou_prob_{100 * threshold:.0f}"] = group["iou_defect"]
        return summary

    def recall_class(self, point: OperatingPoint) -> dict[str, float]:
        """Return the pixel recall by class title at one of the points.

        Classes without a pixel are left out.
        """
        recalls: dict[str, float] = {}
        hits = self._at(point).class_hits
        for channel, title in enumerate(self.class_titles):
            pixels = int(self._class_pixels[channel])
            recalls |= formulas.share(title, int(hits[channel]), pixels)
        return recalls

    def by_component(self, point: OperatingPoint) -> dict[str, dict[str, float]]:
        """Return `ComponentScores.groups` at one of the points.

        There are none where components were not counted.
        """
        return self._components.groups(_key(point)) if self._components else {}

    def defect_rows(self, point: OperatingPoint) -> list[DefectRow]:
        """Return `ComponentScores.rows` at one of the points, none without components counted."""
        return self._components.rows(_key(point)) if self._components else []

    def image_rows(self, point: OperatingPoint) -> list[ImageRow]:
        """Return a row of IMAGE_COLUMNS for each image at one of the points, in update order."""
        tp, fp, fn = self._counts(point)
        dice, iou = formulas.dice(tp, fp, fn, empty=1.0), formulas.iou(tp, fp, fn, empty=1.0)
        rows: list[ImageRow] = []
        for index, (image, pixels) in enumerate(self._defect_pixels.items()):
            row: ImageRow = {"image": image, "defect_pixels": pixels}
            row |= {"tp": int(tp[index]), "fp": int(fp[index]), "fn": int(fn[index])}
            row |= {"iou": float(iou[index]), "dice": float(dice[index])}
            row["detected"] = int(tp[index] + fp[index] > 0)
            rows.append(row)
        return rows

    def threshold_curve(self) -> list[curves.Row]:
        """Return the rows of `curves.threshold_curve`."""
        return curves.threshold_curve(self._grid)

    def pr_curve(self) -> list[curves.Row]:
        """Return the rows of `curves.pr_curve`."""
        return curves.pr_curve(self._histogram)

    def reliability(self) -> list[curves.Row]:
        """Return the rows of `calibration.reliability`."""
        return calibration.reliability(self._histogram)

    def froc_rows(self) -> list[dict[str, float]]:
        """Return the rows of `Froc.rows`, none where components were not counted."""
        return self._froc.rows() if self._froc else []

    def point_rows(self) -> list[curves.Row]:
        """Return the rows of `PointCounter.rows`, of the first of the points; or none."""
        return self._points.rows() if self._points else []

    def _at(self, point: OperatingPoint) -> PointCounts:
        return self._exact[_key(point)]

    def _counts(self, point: OperatingPoint) -> tuple[formulas.Ints, formulas.Ints, formulas.Ints]:
        """Return tp, fp, fn, int64 [images] each."""
        table = np.array(self._at(point).images, np.int64).reshape(-1, 3)
        return table[:, 0], table[:, 1], table[:, 2]


def _key(point: OperatingPoint) -> OperatingPoint:
    """Return the one of equal points that stands for all: as float32, and 0 for 1 pixel."""
    area = point.min_area_px if point.min_area_px > 1 else 0
    return OperatingPoint(float(np.float32(point.threshold)), area)
