"""Is the sheet defective? How well the images are ranked, those with a defect first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def image_scores(scores: NDArray[np.int64], defect: NDArray[np.bool_]) -> dict[str, float]:
    """Return ``image_auroc`` and ``image_auprc``, or nothing where all images are of one kind.

    Args:
        scores: the higher, the surer that the image has a defect, int64 [N].
        defect: whether it has one, bool [N].
    """
    if defect.all() or not defect.any():
        return {}
    from sklearn.metrics import average_precision_score, roc_auc_score

    return {
        "image_auroc": float(roc_auc_score(defect, scores)),
        "image_auprc": float(average_precision_score(defect, scores)),
    }
