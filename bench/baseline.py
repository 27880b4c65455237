"""The loop that most projects write: what an epoch of steelcli is compared with.

It follows the public notebooks of Kaggle's "Severstal: Steel Defect Detection" and the binary
example of segmentation_models_pytorch: `cv2.imread` and the annotation's JSON in ``__getitem__``,
albumentations with Normalize and ToTensorV2, a `DataLoader` with a worker per core, fp32 and NCHW,
`optimizer.zero_grad`, `loss.backward`, `optimizer.step`, ``loss.item()`` each step; in validation
all probabilities are kept, thresholds are swept in NumPy, the area under the precision-recall curve
is scikit-learn's. No straw man: images and masks are resized before they are augmented, annotations
are drawn into their own boxes, the sweep sorts nothing and has 99 thresholds where steelcli has
1023, and components, which steelcli counts too, are left out.
"""

from __future__ import annotations

import base64
import json
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

# Without this albumentations asks PyPI for a newer version when it is imported.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
import albumentations as A
import cv2
import numpy as np
import torch
from albumentations.pytorch import ToTensorV2
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score
from torch import nn
from torch.utils.data import DataLoader, Dataset

from bench.data import annotation_path

THRESHOLDS = np.linspace(0.01, 0.99, 99, dtype=np.float32)


class Scores(NamedTuple):
    """What the validation finds.

    Attributes:
        auprc: over all pixels.
        threshold, f1: the best of the sweep, over all pixels.
    """

    auprc: float
    threshold: float
    f1: float


class SteelDataset(Dataset[Any]):
    """Images float32 [3, H, W] and masks float32 [1, H, W], decoded at each access."""

    def __init__(self, paths: Sequence[Path], transform: A.Compose) -> None:
        self.paths, self.transform = list(paths), transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        path = self.paths[index]
        image = cv2.imread(str(path))
        assert image is not None
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        mask = read_mask(annotation_path(path))
        done = self.transform(image=image, mask=mask)
        return done["image"], done["mask"][None].float()


def read_mask(path: Path) -> NDArray[np.uint8]:
    """Return the union of a Supervisely annotation's bitmaps, uint8 [H, W] of 0 and 1."""
    annotation = json.loads(path.read_text(encoding="utf-8"))
    mask = np.zeros((annotation["size"]["height"], annotation["size"]["width"]), np.uint8)
    for item in annotation["objects"]:
        data = zlib.decompress(base64.b64decode(item["bitmap"]["data"]))
        bitmap = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        assert bitmap is not None
        box = (bitmap[:, :, 3] if bitmap.ndim == 3 else bitmap) > 0
        x, y = item["bitmap"]["origin"]
        mask[y : y + box.shape[0], x : x + box.shape[1]] |= box.astype(np.uint8)
    return mask


def build_transform(
    image_size: tuple[int, int],
    augmentations: Sequence[Any],
    mean: Sequence[float],
    std: Sequence[float],
) -> A.Compose:
    """Return resize and padding, augmentation, normalisation, in this order.

    Args:
        image_size: width and height of what the network sees.
    """
    width, height = image_size
    return A.Compose(
        [
            A.LongestMaxSize(width, interpolation=cv2.INTER_AREA),
            A.PadIfNeeded(height, width, border_mode=cv2.BORDER_CONSTANT),
            *augmentations,
            A.Normalize(mean, std),
            ToTensorV2(),
        ]
    )


def dice_loss(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Return 1 − the soft Dice of a batch."""
    probs = torch.sigmoid(logits)
    overlap = (probs * masks).sum()
    return 1 - (2 * overlap + 1) / (probs.sum() + masks.sum() + 1)


class Loop:
    """Network, optimiser and data of one training."""

    def __init__(
        self, model: nn.Module, lr: float, train: SteelDataset, val: SteelDataset, batch_size: int
    ) -> None:
        workers = os.cpu_count() or 1
        self.model, self.bce = model, nn.BCEWithLogitsLoss()
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=1e-4)
        self.train_loader = DataLoader(train, batch_size, shuffle=True, num_workers=workers)
        self.val_loader = DataLoader(val, batch_size, num_workers=workers)

    def run_epoch(self) -> Scores:
        """Train for one epoch, then validate."""
        self.model.train()
        for images, masks in self.train_loader:
            self.optimizer.zero_grad()
            logits = self.model(images)
            loss = 0.5 * self.bce(logits, masks) + 0.5 * dice_loss(logits, masks)
            loss.backward()
            self.optimizer.step()
            loss.item()
        return self.validate()

    def validate(self) -> Scores:
        """Keep all probabilities and truths at native size, then score them together."""
        self.model.eval()
        probs: list[NDArray[np.float32]] = []
        truths: list[NDArray[np.uint8]] = []
        index = 0
        with torch.no_grad():
            for images, _ in self.val_loader:
                for output in torch.sigmoid(self.model(images)).numpy():
                    path = self.val_loader.dataset.paths[index]  # type: ignore[attr-defined]
                    truths.append(read_mask(annotation_path(path)))
                    probs.append(to_native(output[0], *truths[-1].shape))
                    index += 1
        return score(np.concatenate(probs).ravel(), np.concatenate(truths).ravel())


def to_native(probs: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Cut a map out of the padding and resize it to the image's own size."""
    inner = round(height * probs.shape[1] / width)
    top = (probs.shape[0] - inner) // 2
    return np.asarray(cv2.resize(probs[top : top + inner], (width, height)), np.float32)


def score(probs: NDArray[np.float32], truth: NDArray[np.uint8]) -> Scores:
    """Return the scores over all pixels, float32 [N] and uint8 [N]."""
    is_defect = truth > 0
    f1 = []
    for threshold in THRESHOLDS:
        predicted = probs >= threshold
        tp = np.count_nonzero(predicted & is_defect)
        total = np.count_nonzero(predicted) + np.count_nonzero(is_defect)
        f1.append(2 * tp / total if total else 0.0)
    best = int(np.argmax(f1))
    auprc = float(average_precision_score(truth, probs))
    return Scores(auprc, float(THRESHOLDS[best]), f1[best])
