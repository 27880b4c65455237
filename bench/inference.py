"""Milliseconds an image of a network at rest: eager fp32, ours, and other runtimes.

*Eager* is what most people do: the network in evaluation mode, fp32, NCHW, inside
`torch.inference_mode`, in a process of its own: in this one freed memory is kept, as ``steelcli
predict`` keeps it. *Ours* goes through that command's door: `open_model` on a checkpoint file. The
weights are random, the statistics of batch normalisation those of the images, and the last bias
lets a tenth of the pixels be defect, so that the masks have edges to differ at.
"""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bench.data import PARAMS_FILES, draw_project, list_images, read_network
from bench.figure import Figure
from bench.timing import interleave, ratio, spread
from steelcli.commands.predict_image import Picture, Reading, read_picture
from steelcli.commands.predict_model import Overrides, Predictor, open_model
from steelcli.common.cores import count_cores
from steelcli.common.formats import Format
from steelcli.common.memory import keep_freed_memory
from steelcli.common.progress import say
from steelcli.data.store import letterbox
from steelcli.model.checkpoint import make_checkpoint, save_checkpoint
from steelcli.model.device import describe_versions, pick_device, resolve_precision
from steelcli.model.export import capture, write_graph
from steelcli.model.exported import FILE_NAMES, open_exported
from steelcli.model.fold import fold_batchnorm
from steelcli.model.inference import native_levels
from steelcli.model.network import SegmentationModel, build_model
from steelcli.model.normalisation import resolve_normalisation
from steelcli.params.all import Params
from steelcli.scores.counts import cut

IMAGES = 8
JUDGED = 4
"""Images whose masks are compared."""
ROUNDS = {1: 7, 8: 3}
"""Repetitions by batch."""
TARGETS = {("reference", 1): 2.5}
MIN_DICE = 0.999
IMAGE_SIZE = (1024, 256)
"""Width and height, of both networks."""

Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def measure(work_dir: Path) -> list[Figure]:
    """Return the figures of both networks at batch 1 and 8, and those from file to mask."""
    keep_freed_memory()
    draw_project(work_dir / "project", IMAGES)
    paths = list_images(work_dir / "project")
    figures: list[Figure] = []
    for name in PARAMS_FILES:
        figures += _measure_network(name, paths, work_dir / name)
    return figures


def _measure_network(name: str, paths: list[Path], work_dir: Path) -> list[Figure]:
    work_dir.mkdir()
    params = read_network(name)
    reading = Reading("grey", IMAGE_SIZE, None, None)
    pictures = [read_picture(path.name, path, reading, ()) for path in paths]
    images = np.stack([picture.canvas for picture in pictures if isinstance(picture, Picture)])
    model = _build(params, images)
    ours = _open_ours(model, params, work_dir)
    with _eager_apart(name, model, work_dir / "eager.pt") as eager:
        runs = {"eager": eager, "ours": ours.run, **_open_exports(model, work_dir)}
        if shutil.which("g++"):
            runs["torch.compile"] = _compile(fold_batchnorm(model, IMAGE_SIZE))
        else:
            say("torch.compile is not measured: there is no g++")
        masks = {way: _cut(run, images[:JUDGED]) for way, run in runs.items()}
        dice = {way: _mean_dice(own, masks["eager"]) for way, own in masks.items()}
        figures: list[Figure] = []
        for batch, rounds in ROUNDS.items():
            taken = {way: run for way, run in runs.items() if batch == 1 or way != "torch.compile"}
            ways = {way: partial(run, images[:batch]) for way, run in taken.items()}
            figures += _compare(name, batch, interleave(ways, rounds), dice)
        return [*figures, _measure_file(name, paths[0], eager, ours)]


def _compare(
    name: str, batch: int, seconds: dict[str, list[float]], dice: dict[str, float]
) -> list[Figure]:
    """Return eager ÷ each other way."""
    figures = []
    for way in seconds.keys() - {"eager"}:
        held = dice[way] >= MIN_DICE
        times = {
            "eager ms/img": 1000 * spread(seconds["eager"]).median / batch,
            f"{way} ms/img": 1000 * spread(seconds[way]).median / batch,
        }
        label = f"eager ÷ {way}, {name} network, batch {batch}"
        figures.append(
            Figure(
                label if held else f"{label} (OTHER MASKS)",
                ratio(seconds["eager"], seconds[way]),
                TARGETS.get((name, batch)) if way == "ours" else None,
                absolute={**times, "Dice": dice[way]},
                note=f"masks at 0.5 have Dice {dice[way]:.6f} with eager's over {JUDGED} images",
            )
        )
    return sorted(figures, key=lambda figure: figure.name)


def _build(params: Params, images: NDArray[np.uint8]) -> SegmentationModel:
    """Return the network with random weights and statistics of the images, in evaluation mode."""
    torch.manual_seed(params.train.seed)
    network = resolve_normalisation(params.model)
    model = build_model(**network.model_dump(), channels_last=params.train.channels_last)
    model.train()
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = None  # the mean of all batches
        for part in np.split(images, len(images) // 2):
            model(torch.from_numpy(part))
        model.eval()
        logits = model(torch.from_numpy(images[:2]))
        bias = model.get_parameter("network.segmentation_head.0.bias")
        bias.sub_(logits.flatten().quantile(0.9))
    return model


def _open_ours(model: SegmentationModel, params: Params, work_dir: Path) -> Predictor:
    """Return what ``steelcli predict`` runs, from a checkpoint file."""
    header = {
        "params": {
            "model": resolve_normalisation(params.model).model_dump(mode="json"),
            "train": params.train.model_dump(mode="json"),
        },
        "epoch": 1,
        "score": None,
        "precision": resolve_precision(params.train.precision, pick_device()),
        "store": "bench",
        "encoder_digest": None,
        "image_size": IMAGE_SIZE,
        "versions": describe_versions(),
        "code": "",
        "format": 2,
    }
    path = work_dir / "network.pth"
    save_checkpoint(path, make_checkpoint(header, model.state_dict()))
    data = params.data.model_copy(update={"image_size": IMAGE_SIZE})
    missing = work_dir / "none"
    return open_model(path, data, Overrides(0.5, 0), missing, missing)


@contextmanager
def _eager_apart(name: str, model: SegmentationModel, path: Path) -> Iterator[Run]:
    """Yield the usual way, in a process of its own."""
    torch.save(model.state_dict(), path)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, _begin_eager, (name, path)) as pool:
        yield lambda images: pool.submit(_run_eager, images).result()


_EAGER: list[Run] = []
"""Set once, in the process of the usual way."""


def _begin_eager(name: str, path: Path) -> None:
    """Open the network: fp32, NCHW, evaluation mode, inference mode."""
    torch.set_num_threads(count_cores())
    network = resolve_normalisation(read_network(name).model)
    model = build_model(**network.model_dump(), channels_last=False)
    model.load_state_dict(torch.load(path))
    _EAGER.append(_in_torch(model.eval()))


def _run_eager(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return _EAGER[0](images)


def _in_torch(model: Any) -> Run:
    @torch.inference_mode()
    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        probs: NDArray[np.float32] = torch.sigmoid(model(torch.from_numpy(images))).numpy()
        return probs

    return run


def _open_exports(model: SegmentationModel, work_dir: Path) -> dict[str, Run]:
    """Return ONNX Runtime and OpenVINO on what ``steelcli export`` writes."""
    program = capture(model, False, 1, IMAGE_SIZE)
    runs: dict[str, Run] = {}
    for wanted in (Format.ONNX, Format.OPENVINO):
        path = work_dir / FILE_NAMES[wanted]
        say(f"writing {path.name}")
        write_graph(program, wanted, {"made_by": "bench"}, path)
        runs[wanted.value] = open_exported(path, wanted, torch.get_num_threads()).run
    return runs


def _compile(model: SegmentationModel) -> Run:
    """Return our network, compiled by inductor: an error where it is not one graph."""
    say("compiling")
    return _in_torch(torch.compile(model, fullgraph=True, dynamic=False))


def _cut(run: Run, images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the masks at 0.5, bool [N, 1, H, W], one image after the other."""
    return np.concatenate([run(image[None]) >= 0.5 for image in images])


def _mean_dice(masks: NDArray[np.bool_], others: NDArray[np.bool_]) -> float:
    """Return the mean over the images of the Dice of two masks."""
    both = (masks & others).sum(axis=(1, 2, 3))
    total = masks.sum(axis=(1, 2, 3)) + others.sum(axis=(1, 2, 3))
    return float(np.mean(2 * both / total))


def _measure_file(name: str, path: Path, eager: Run, ours: Predictor) -> Figure:
    """Return the usual way from a file to its mask ÷ ours; both read the file again each time."""
    width, height = IMAGE_SIZE

    def usual() -> NDArray[np.bool_]:
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert grey is not None
        box = letterbox.fit(grey.shape[0], grey.shape[1], height, width)
        canvas = np.zeros((height, width), np.uint8)
        canvas[box.inner] = cv2.resize(grey, (box.inner_width, box.inner_height))
        probs = eager(canvas[None, None])[0, 0][box.inner]
        return np.asarray(cv2.resize(probs, (grey.shape[1], grey.shape[0])) >= 0.5)

    reading = Reading("grey", IMAGE_SIZE, None, None)

    def own() -> NDArray[np.bool_]:
        picture = read_picture(path.name, path, reading, ())
        assert isinstance(picture, Picture)
        probs = ours.run(picture.canvas[None])
        return cut(native_levels(torch.from_numpy(probs[0]), picture.box), ours.point)

    seconds = interleave({"usual": usual, "ours": own}, ROUNDS[1])
    return Figure(
        f"file to mask: usual ÷ ours, {name} network",
        ratio(seconds["usual"], seconds["ours"]),
        absolute={f"{way} ms": 1000 * spread(taken).median for way, taken in seconds.items()},
        note="batch 1, JPEG of 1600×256 to the mask at that size",
    )
