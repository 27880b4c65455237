"""Stage `check-params`: refuse what no stage could work with, before DVC removes any result."""

from __future__ import annotations

from pathlib import Path

from steelcli.common.errors import ModelError
from steelcli.common.outputs import staged_file
from steelcli.common.paths import CHECKED_PATH
from steelcli.model.network import build_frame, build_model
from steelcli.model.normalisation import resolve_normalisation
from steelcli.model.weights import weights_path
from steelcli.params.all import Params
from steelcli.params.data import check_root
from steelcli.training.trackers import check_trackers


def check_params(params: Params, checked_path: Path = CHECKED_PATH) -> None:
    """Check what `load_params` cannot know: folders, files, packages, the network.

    Args:
        params: every section.
        checked_path: the output of the stage. Its content is constant, so that no change of a
            parameter makes the stages that wait for it stale.

    Raises:
        UserError: no such data, weights, encoder or tracker.
    """
    check_root(params.data)
    check_trackers(params.train.trackers)
    _check_network(params)
    with staged_file(checked_path) as partial_path:
        partial_path.write_text("params.yaml was checked.\n", encoding="utf-8")


def _check_network(params: Params) -> None:
    """Build the network: without memory, but for ImageNet weights, which may be downloaded."""
    model = params.model
    path = weights_path(model.encoder_weights)
    if path is not None and not path.is_file():
        remedy = "copy them there or correct model.encoder_weights"
        raise ModelError("encoder weights not found", path, remedy)
    settings = resolve_normalisation(model).model_dump()
    if model.encoder_weights == "imagenet":
        build_model(**settings, channels_last=False)
        return
    random = settings | {"encoder_weights": None}
    build_frame(model.encoder_name, lambda: build_model(**random, channels_last=False))
