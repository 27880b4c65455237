"""Run two revisions and print the digests of their weights, csv files, metrics and maps:
``same_bits.py BEFORE [AFTER]``.

Two runs each: the default one (every stage, the committed parameters), and 20 steps of the
reference network, U-Net++ with resnet34 at 1024×256, on the embedded images. Times and what names
the revision are left out. Both revisions run in this environment, one after the other; AFTER is the
working tree where it is not given. Takes twice the default run.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import yaml

ROOT = Path(__file__).resolve().parents[2]
TIMES = {
    "epoch_time",
    "train_images_per_second",
    "seconds_per_epoch",
    "ms_per_image",
    "ms_per_image_end_to_end",
}
REFERENCE = {
    "data": {"image_size": [1024, 256], "limit": 40},
    "model": {
        "architecture": "unetplusplus",
        "encoder_name": "resnet34",
        "decoder_channels": [256, 128, 64, 32, 16],
    },
    "train": {"epochs": 1, "batch_size": 2},
}
STAGES = ("prepare", "train", "tune-threshold", "evaluate", "report")


def check_out(revision: str | None, work_dir: Path) -> None:
    """Put the files of a revision, or of the working tree, into ``work_dir``."""
    if revision is None:
        listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT)
        command = ["tar", "-c", "--ignore-failed-read", "-T", "-"]
        archive = subprocess.run(
            command, cwd=ROOT, input=listed, stdout=subprocess.PIPE, check=True
        ).stdout
    else:
        archive = subprocess.check_output(["git", "archive", revision], cwd=ROOT)
    subprocess.run(["tar", "-x"], cwd=work_dir, input=archive, check=True)


def run(work_dir: Path, *arguments: str) -> None:
    """Run a command with the code that lies in ``work_dir``."""
    environment = os.environ | {"PYTHONPATH": str(work_dir)}
    command = [sys.executable, "-m", "steelcli", *arguments]
    subprocess.run(command, cwd=work_dir, env=environment, stdout=subprocess.DEVNULL, check=True)


def change_params(work_dir: Path, changes: dict[str, dict[str, Any]]) -> None:
    """Write ``changes`` into the revision's own params.yaml."""
    path = work_dir / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    for section, values in changes.items():
        params[section] |= values
    path.write_text(yaml.safe_dump(params), encoding="utf-8")


def digest_weights(path: Path) -> str:
    """Return a digest of a checkpoint's weights, by name."""
    checkpoint = torch.load(path, weights_only=True)
    digest = hashlib.sha256()
    for name, tensor in sorted(checkpoint["weights"].items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def digest_csv(path: Path) -> str:
    """Return a digest of a csv without the columns that hold times."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [
            {name: cell for name, cell in row.items() if name not in TIMES}
            for row in csv.DictReader(file)
        ]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def digest_json(path: Path) -> str:
    """Return a digest of metrics without times."""
    values = json.loads(path.read_text(encoding="utf-8"))
    kept = {name: value for name, value in values.items() if name not in TIMES}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def iter_digests(work_dir: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and the digest of everything a run left, maps and store as one each."""
    for path in sorted((work_dir / "models").glob("*.pth")):
        yield path.name, digest_weights(path)
    for path in sorted(
        [*(work_dir / "models").glob("*.csv"), *(work_dir / "metrics").glob("*.csv")]
    ):
        yield path.name, digest_csv(path)
    for path in sorted((work_dir / "metrics").glob("*.json")):
        yield path.name, digest_json(path)
    for folder in ("data/prepared", "predictions"):
        whole = hashlib.sha256()
        for path in sorted((work_dir / folder).rglob("*")):
            if path.is_file():
                whole.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
        yield folder, whole.hexdigest()


def digest_revision(revision: str | None) -> dict[str, str]:
    """Run both trainings of one revision and return their digests by name."""
    digests = {}
    with tempfile.TemporaryDirectory() as folder:
        work_dir = Path(folder)
        check_out(revision, work_dir)
        for path in (work_dir / "metrics").iterdir():
            path.unlink()
        run(work_dir, "synthesize", "data/synthetic/project", "--images", "400", "--seed", "42")
        for label, changes in (("default", {}), ("reference", REFERENCE)):
            change_params(work_dir, changes)
            for stage in STAGES:
                run(work_dir, stage)
            digests |= {f"{label} {name}": value for name, value in iter_digests(work_dir)}
    return digests


def main() -> None:
    """Print one line a file; exit with 1 where a digest differs."""
    before = digest_revision(sys.argv[1])
    after = digest_revision(sys.argv[2] if len(sys.argv) > 2 else None)
    differs = 0
    for name in sorted(before.keys() | after.keys()):
        one, other = before.get(name, "absent"), after.get(name, "absent")
        differs += one != other
        print(f"{'same   ' if one == other else 'DIFFERS'} {one[:16]} {other[:16]} {name}")
    sys.exit(int(differs > 0))


if __name__ == "__main__":
    main()
