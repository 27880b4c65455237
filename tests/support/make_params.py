"""Sections of parameters for tests; every value can be changed by name."""

from __future__ import annotations

from typing import Any

from steelcli.params.data import DataParams
from steelcli.params.evaluate import EvaluateParams
from steelcli.params.model import ModelParams
from steelcli.params.report import ReportParams
from steelcli.params.section import parse_section
from steelcli.params.threshold import ThresholdParams
from steelcli.params.train import TrainParams


def data_params(**changes: Any) -> DataParams:
    """Return valid data parameters with some of them changed, read the way ``params.yaml`` is."""
    raw: dict[str, Any] = {
        "root": "data",
        "format": "auto",
        "classes": [],
        "datasets": [],
        "keep_splits": True,
        "other_shapes": "refuse",
        "mask_threshold": None,
        "mask_values": None,
        "missing_masks": "refuse",
        "value_range": None,
        "color": "grey",
        "image_size": [256, 64],
        "val_fraction": 0.15,
        "test_fraction": 0.15,
        "split_seed": 42,
        "duplicates": "drop",
        "limit": None,
        "on_error": "fail",
        "max_skipped_fraction": 0.1,
        "max_image_pixels": 100_000_000,
        "mm_per_pixel": None,
    }
    return parse_section(raw | changes, "data", DataParams)


def model_params(**changes: Any) -> ModelParams:
    """Return the smallest useful network, with changes."""
    raw: dict[str, Any] = {
        "architecture": "unet",
        "encoder_name": "tu-test_efficientnet",
        "encoder_weights": None,
        "decoder_channels": [32, 16, 8, 8, 4],
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
    }
    return parse_section(raw | changes, "model", ModelParams)


def train_params(augment: dict[str, Any] | None = None, **changes: Any) -> TrainParams:
    """Return two short epochs in fp32, with changes, those of ``train.augment`` apart."""
    raw: dict[str, Any] = {
        "lr": 0.001,
        "min_lr": 0.00001,
        "seed": 42,
        "epochs": 2,
        "batch_size": 4,
        "accumulate_steps": 1,
        "processes": 1,
        "sync_batchnorm": True,
        "weight_decay": 0.0001,
        "decay_norm_and_bias": True,
        "max_grad_norm": 1.0,
        "patience": 7,
        "monitor": "dice",
        "precision": "fp32",
        "channels_last": False,
        "deterministic": True,
        "balance": True,
        "bce_weight": 0.5,
        "dice_weight": 0.5,
        "dice_smooth": 1.0,
        "restart_epochs": 10,
        "restart_mult": 2,
        "warmup_epochs": 0,
        "ema_decay": 0,
        "save_every_minutes": 10,
        "checkpoint_every_epochs": 2,
        "workers": 0,
        "min_overlap": 0.1,
        "trackers": [],
        "augment": {
            "enabled": True,
            "horizontal_flip": 0.5,
            "geometry": 0.9,
            "rotate_degrees": 10.0,
            "scale": 0.1,
            "shift": 0.05,
            "brightness_contrast": 0.9,
            "brightness": 0.2,
            "contrast": 0.2,
            "noise": 0.5,
            "noise_std": 0.05,
            "blur": 0.5,
            "blur_sigma": 1.0,
        }
        | (augment or {}),
    }
    return parse_section(raw | changes, "train", TrainParams)


def threshold_params(**changes: Any) -> ThresholdParams:
    """Return parameters of the learned threshold, with changes."""
    raw: dict[str, Any] = {
        "objective": "dice",
        "min_areas_px": [0],
        "max_clean_false_alarm": None,
        "flip_tta": False,
        "batch_size": 8,
    }
    return parse_section(raw | changes, "threshold", ThresholdParams)


def evaluate_params(**changes: Any) -> EvaluateParams:
    """Return parameters of the evaluation, with changes."""
    raw: dict[str, Any] = {
        "min_overlap": 0.1,
        "batch_size": 2,
        "save_maps": "all",
        "overlays": 1,
        "timing_images": 2,
    }
    return parse_section(raw | changes, "evaluate", EvaluateParams)


def report_params(**changes: Any) -> ReportParams:
    """Return parameters of the report and of comparisons, with changes."""
    raw: dict[str, Any] = {
        "title": "x",
        "decimals": 4,
        "bootstrap_resamples": 1000,
        "bootstrap_seed": 42,
        "cards": 0,
        "baseline": None,
        "against": [],
    }
    return parse_section(raw | changes, "report", ReportParams)
