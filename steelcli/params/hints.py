"""Which parameter an unknown key was meant to be: called so elsewhere, or misspelt."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from steelcli.common.errors import ParamsError, quote

_ALSO_CALLED = {
    "data.classes": "labels class_names",
    "data.image_size": "size img_size imgsz input_size resize width height",
    "data.limit": "subset max_images max_samples",
    "data.root": "path dir data_dir data_path dataset_path root_dir",
    "data.split_seed": "data.seed data.random_state",
    "data.test_fraction": "test_size test_split test_ratio",
    "data.val_fraction": "val_size val_split val_ratio valid_fraction validation_split",
    "model.architecture": "arch network decoder decoder_name",
    "model.encoder_name": "encoder backbone",
    "model.encoder_weights": "weights pretrained pretrained_weights",
    "model.mean": "normalize normalization",
    "train.accumulate_steps": "accumulation_steps accumulate_grad_batches grad_accum "
    "gradient_accumulation_steps",
    "train.augment": "augmentation augmentations transforms",
    "train.augment.horizontal_flip": "flip hflip",
    "train.augment.rotate_degrees": "rotate rotation degrees",
    "train.balance": "sampler oversample oversampling class_balance",
    "train.batch_size": "batch bs train_batch_size per_device_train_batch_size",
    "train.bce_weight": "bce pos_weight loss_weights",
    "train.checkpoint_every_epochs": "save_every checkpoint_every save_freq",
    "train.dice_smooth": "smooth",
    "train.dice_weight": "dice",
    "train.ema_decay": "ema",
    "train.epochs": "epoch num_epochs n_epochs max_epochs",
    "train.lr": "learning_rate base_lr initial_lr init_lr lr0",
    "train.max_grad_norm": "clip grad_clip clip_grad clip_grad_norm gradient_clip_val max_norm",
    "train.min_lr": "eta_min lr_min final_lr min_learning_rate",
    "train.monitor": "metric",
    "train.patience": "early_stopping early_stopping_patience",
    "train.precision": "amp fp16 bf16 half mixed_precision dtype",
    "train.processes": "gpus devices num_gpus num_processes nproc_per_node world_size",
    "train.restart_epochs": "t_0",
    "train.restart_mult": "t_mult",
    "train.seed": "random_seed random_state",
    "train.trackers": "logger loggers tracker",
    "train.warmup_epochs": "warmup",
    "train.weight_decay": "wd decay l2",
    "train.workers": "num_workers n_workers loader_workers",
    "threshold.max_clean_false_alarm": "max_false_alarm max_false_alarms max_fpr",
    "threshold.min_areas_px": "min_area_px min_area min_areas min_size",
    "threshold.objective": "threshold.metric threshold.monitor",
    "evaluate.overlays": "pictures num_overlays",
    "evaluate.save_maps": "save_predictions save_probs",
}
"""What a parameter is called in other projects; with a section in front, in that section alone."""
_GONE = {
    "evaluate.min_area_px": "remove it: the area is learned now, among threshold.min_areas_px",
}
"""What to do about a parameter of an earlier version."""


def refuse_unknown(raw: Mapping[Any, Any], kind: type[BaseModel]) -> None:
    """Refuse keys that no section has, and propose what they were meant to be.

    Args:
        raw: the sections as the file has them, not checked yet.
        kind: all sections.

    Raises:
        ParamsError: the first such key, by its dotted name.
    """
    names = list(iter_names(kind))
    for section, key in _iter_unknown(raw, kind):
        what = "unknown parameter" if section else "unknown section"
        where = ".".join(filter(None, [section, quote(key)]))
        raise ParamsError(what, where, _GONE.get(where) or _suggest(key, section, names))


def iter_names(kind: type[BaseModel], section: str = "") -> Iterator[str]:
    """Yield the dotted name of every section and parameter."""
    for key, field in kind.model_fields.items():
        name = f"{section}.{key}" if section else key
        yield name
        if inner := _as_section(field.annotation):
            yield from iter_names(inner, name)


def find_meant(key: str, section: str, names: Sequence[str], misspelt: bool = True) -> list[str]:
    """Return the parameters that a key may mean: those of its name, else the nearest spelling.

    Args:
        key: as somebody wrote it.
        section: where, empty outside of all sections.
        names: of all parameters.
        misspelt: whether to look for the nearest spelling at all.
    """
    called: dict[str, str] = {}
    for name, others in _ALSO_CALLED.items():
        if name in names:
            called |= {_plain(other): name for other in others.split()}
    same = [name for name in names if _plain(key) in (_plain(name), _plain(_last(name)))]
    if meant := called.get(_plain(f"{section}.{key}")):
        return [meant]
    if same:
        return [name for name in same if _section(name) == section] or same
    if meant := called.get(_plain(key)):
        return [meant]
    beside = [name for name in names if _section(name) == section]
    for places, cutoff in ((beside, 0.6), (names, 0.75)) if misspelt else ():
        words = {_plain(_last(name)): name for name in places}
        if close := difflib.get_close_matches(_plain(key), words, 1, cutoff):
            return [words[close[0]]]
    return []


def _suggest(key: str, section: str, names: Sequence[str]) -> str:
    meant = find_meant(key, section, names)
    if meant:
        shown = [_last(name) if _section(name) == section else name for name in meant]
        return f"did you mean {' or '.join(shown)}"
    known = [_last(name) for name in names if _section(name) == section]
    return f"known here: {', '.join(known)}"


def _iter_unknown(
    raw: Mapping[Any, Any], kind: type[BaseModel], section: str = ""
) -> Iterator[tuple[str, str]]:
    """Yield the section and the key of what no section has; what a parameter holds is not looked
    into."""
    for key, value in raw.items():
        field = kind.model_fields.get(key)
        if field is None:
            yield section, str(key)
        elif (inner := _as_section(field.annotation)) and isinstance(value, Mapping):
            yield from _iter_unknown(value, inner, f"{section}.{key}" if section else key)


def _as_section(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return None


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _section(name: str) -> str:
    return name.rpartition(".")[0]


def _plain(name: str) -> str:
    """Return a name without what people write in one way or another: batchSize, batch-size."""
    return name.replace("_", "").replace("-", "").lower()
