"""Stage `train`: the prepared store → `models/` and `metrics/train.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from steelcli.common.metrics_file import read_metrics
from steelcli.common.outputs import refuse_unwritable
from steelcli.common.parent import die_with_parent
from steelcli.common.paths import MAKE_MODEL, MODELS_DIR, STORE_DIR, TRAIN_METRICS_PATH
from steelcli.data.store.reader import Store
from steelcli.params.model import ModelParams
from steelcli.params.train import TrainParams
from steelcli.training.distributed import world_size
from steelcli.training.environment import only_torchrun
from steelcli.training.launch import launch
from steelcli.training.peers import explain_lost_peer
from steelcli.training.run import run_training
from steelcli.training.set_up import check_before_launch
from steelcli.training.signals import stop_on_signal


def train(
    model_params: ModelParams,
    params: TrainParams,
    store_dir: Path = STORE_DIR,
    models_dir: Path = MODELS_DIR,
    metrics_path: Path = TRAIN_METRICS_PATH,
    restart: bool = False,
) -> dict[str, Any]:
    """Train until ``epochs`` or early stopping; return ``metrics/train.json``.

    Kept are the checkpoints best by Dice, by IoU and by the monitor, each at its best threshold on
    the validation images. An interrupted run goes on from its state in ``.steelcli/`` beside
    ``models_dir`` to the same end, bit for bit. Under torchrun every process calls this function
    and the first one writes.

    Args:
        restart: forget the state of an interrupted run.

    Raises:
        UserError: no store, an unknown encoder, a tracker that is not installed, a loss that is not
            finite.
        Interrupted: SIGINT or SIGTERM; the state is saved.
    """
    with only_torchrun():
        refuse_unwritable([models_dir, metrics_path.parent])
        if params.processes > 1 and world_size() == 1:
            check_before_launch(model_params, params, Store(store_dir))
            arguments = (model_params, params, store_dir, models_dir, metrics_path, restart)
            launch(params.processes, train, *arguments)
            return read_metrics(metrics_path, MAKE_MODEL).values
        if world_size() > 1:
            die_with_parent()
        with stop_on_signal(is_launched=world_size() > 1) as request, explain_lost_peer():
            return run_training(
                model_params, params, store_dir, models_dir, metrics_path, request, restart
            )
