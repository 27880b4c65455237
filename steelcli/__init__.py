"""Train and judge segmentation networks for defects on rolled steel."""

__version__ = "0.1.0"
