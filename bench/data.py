"""What is measured on: synthetic strips of 1600×256 with Supervisely JSON, and the networks."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from steelcli.commands.prepare import prepare
from steelcli.data.levels import to_levels
from steelcli.data.raw.supervisely_export import annotation, project_meta
from steelcli.data.store.reader import Store
from steelcli.data.synthetic.defects import CLASS_TITLES
from steelcli.data.synthetic.project import DATASET, write_project
from steelcli.data.synthetic.strip import Strip, draw_strip
from steelcli.data.synthetic.texture import HEIGHT, WIDTH
from steelcli.params.all import Params, load_params
from steelcli.params.data import DataParams
from steelcli.scores.parallel import Scored

ROOT = Path(__file__).resolve().parents[1]
SEED = 42
PARAMS_FILES = {
    "default": ROOT / "params.yaml",
    "reference": ROOT / "configs" / "severstal.yaml",
}
"""The two networks: as committed, and U-Net++ with resnet34 at 1024×256."""
_DRAWN = 64


def read_network(name: str) -> Params:
    """Return the parameters of a network of `PARAMS_FILES`, with weights at random."""
    params = load_params(PARAMS_FILES[name])
    model = params.model.model_copy(update={"encoder_weights": None})
    return params.model_copy(update={"model": model})


def draw_project(folder: Path, images: int) -> None:
    """Write a Supervisely project of that many strips, as `steelcli synthesize` does."""
    folder.mkdir(parents=True)
    write_project(folder, images, SEED, workers=None)


def draw_large_project(folder: Path, images: int) -> None:
    """Write more strips than one would wait for: `_DRAWN` ones, each turned to many places.

    A strip moved along its own length, what leaves at one end coming back at the other, is another
    picture with as many pixels in a defect.
    """
    (folder / "meta.json").parent.mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps(project_meta(CLASS_TITLES)), "utf-8")
    for kind in ("img", "ann"):
        (folder / DATASET / kind).mkdir(parents=True)
    for index in range(images):
        strip, step = _drawn(index % _DRAWN), 7 * (index // _DRAWN)
        name = f"strip_{index + 1:05d}.jpg"
        _, encoded = cv2.imencode(
            ".jpg", np.roll(strip.grey, step, axis=1), [cv2.IMWRITE_JPEG_QUALITY, 95]
        )
        (folder / DATASET / "img" / name).write_bytes(encoded.tobytes())
        outlines = {title: np.roll(mask, step, axis=1) for title, mask in strip.outlines.items()}
        text = json.dumps(annotation(HEIGHT, WIDTH, outlines.items()))
        (folder / DATASET / "ann" / f"{name}.json").write_text(text, "utf-8")


@lru_cache(maxsize=_DRAWN)
def _drawn(index: int) -> Strip:
    return draw_strip(SEED, index)


def draw_maps(number: int) -> tuple[list[Scored], tuple[str, ...]]:
    """Return maps as a fair network makes them, and the classes' titles.

    A defect's outline is blurred, its height is drawn, and the background is rough and low.
    """
    images = []
    for index in range(number):
        strip, rng = _drawn(index), np.random.default_rng([SEED, index])
        masks = [
            strip.outlines.get(title, np.zeros_like(strip.grey, bool)) for title in CLASS_TITLES
        ]
        truth = np.logical_or.reduce(masks).astype(np.float32)
        probs = cv2.GaussianBlur(truth, (0, 0), 6) * rng.uniform(0.6, 1.0)
        rough = cv2.resize(rng.random((32, 200), np.float32), (WIDTH, HEIGHT))
        probs = np.maximum(probs, 0.08 * rough).clip(0, 1).astype(np.float32)
        images.append(Scored(f"{index}", to_levels(probs), np.stack(masks)))
    return images, CLASS_TITLES


def prepare_store(params: DataParams, project: Path, work_dir: Path) -> Store:
    """Prepare a project into a store in ``work_dir``, and open it."""
    own = params.model_copy(update={"root": str(project)})
    prepare(own, work_dir / "prepared", work_dir / "metrics" / "data.json")
    return Store(work_dir / "prepared")


def list_images(project: Path) -> list[Path]:
    """Return the image files of a project, by name."""
    return sorted((project / DATASET / "img").iterdir())


def annotation_path(image: Path) -> Path:
    """Return the annotation of an image file."""
    return image.parents[1] / "ann" / f"{image.name}.json"
