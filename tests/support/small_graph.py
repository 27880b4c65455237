"""A network of two layers, exported in seconds."""

from __future__ import annotations

from functools import cache

import torch
from torch import nn
from torch.export import ExportedProgram

from steelcli.model.export import capture
from steelcli.model.network import SegmentationModel

WIDTH, HEIGHT = 64, 32


def build_small() -> SegmentationModel:
    """Return a network whose probabilities spread over 0 to 1."""
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(8)
    nn.init.uniform_(norm.running_mean, -0.5, 0.5)
    nn.init.uniform_(norm.running_var, 0.1, 0.2)
    layers = nn.Sequential(nn.Conv2d(3, 8, 5, padding=2), norm, nn.ReLU(), nn.Conv2d(8, 1, 1))
    nn.init.constant_(layers[3].bias, -0.5)
    return SegmentationModel(layers, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)).eval()


@cache
def capture_small(flip_tta: bool, channels: int) -> ExportedProgram:
    """Return its graph."""
    return capture(build_small(), flip_tta, channels, (WIDTH, HEIGHT))
