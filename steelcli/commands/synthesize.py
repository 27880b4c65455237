"""``steelcli synthesize``: rolled-steel strips with defects as a Supervisely project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from steelcli.common.errors import UserError
from steelcli.common.outputs import staged_dir
from steelcli.data.synthetic.project import MIN_IMAGES, write_project


def synthesize(out_dir: Path, images: int, seed: int, workers: int | None = None) -> dict[str, Any]:
    """Write strips of a seed to ``out_dir``, whole or not at all; see `write_project`.

    Raises:
        UserError: too few images, a negative seed, or an ``out_dir`` that already holds something.
    """
    if images < MIN_IMAGES:
        what = f"{images} images are too few to split"
        raise UserError(what, "--images", f"ask for {MIN_IMAGES} or more")
    if seed < 0:
        raise UserError(f"the seed {seed} is negative", "--seed", "give 0 or more")
    out_dir = out_dir.resolve()
    if out_dir.exists() and (not out_dir.is_dir() or any(out_dir.iterdir())):
        what = "the output folder exists and is not empty"
        raise UserError(what, out_dir, "remove it or name another")
    with staged_dir(out_dir) as partial_dir:
        return write_project(partial_dir, images, seed, workers)
