"""Stage inputs that are missing or broken, and surroundings that do not play along."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from env import Case, cut, mount_tiny, put, swap

Spoil = Callable[[Path], None]
STORE, PREPARE, TRAIN = "data/prepared", "steelcli prepare", "steelcli train"
TUNE, EVALUATE = "steelcli tune-threshold", "steelcli evaluate"


def drop(name: str) -> Spoil:
    """Remove a file, or a folder's files."""

    def spoil(folder: Path) -> None:
        path = folder / name
        for member in sorted(path.rglob("*"), reverse=True) if path.is_dir() else [path]:
            member.rmdir() if member.is_dir() else member.unlink()

    return spoil


def write(name: str, content: str | bytes) -> Spoil:
    return lambda folder: put(folder / name, content)


def edit(name: str, change: Callable[[dict[str, Any]], object]) -> Spoil:
    """Change a json file."""

    def spoil(folder: Path) -> None:
        values = json.loads((folder / name).read_text(encoding="utf-8"))
        change(values)
        put(folder / name, json.dumps(values))

    return spoil


def table(name: str, content: str | bytes) -> Spoil:
    """Write a csv file, and a json file beside it that does not say what the table was."""
    spoil_table = write(name, content)

    def spoil(folder: Path) -> None:
        edit("metrics/test.json", lambda values: values.pop("tables"))(folder)
        spoil_table(folder)

    return spoil


def record(**changes: Any) -> Spoil:
    """Change the row of the first validation image in the store's index."""

    def change(index: dict[str, Any]) -> None:
        next(row for row in index["records"] if row["split"] == "val").update(changes)

    return edit(f"{STORE}/index.json", change)


def array(make: Callable[[Any], Any], name: str = "images") -> Spoil:
    """Save another array in the place of the store's."""

    def spoil(folder: Path) -> None:
        buffer, path = io.BytesIO(), folder / STORE / f"{name}.npy"
        np.save(buffer, make(np.load(path)), allow_pickle=True)
        put(path, buffer.getvalue())

    return spoil


def truth_bomb(folder: Path) -> None:
    """Put two GiB of zeros, packed, in the place of the first validation image's truth."""
    packer = zlib.compressobj(9)
    head = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    raw = head + block * 2047
    put(folder / STORE / "truth.bin", raw)
    record(truth=[0, len(raw)])(folder)
    digest = hashlib.sha256(raw).hexdigest()
    edit(f"{STORE}/index.json", lambda index: index["digests"].update({"truth.bin": digest}))(
        folder
    )


def as_file(name: str) -> Spoil:
    """Put a file where an output folder goes."""

    def spoil(folder: Path) -> None:
        path = folder / name
        if path.is_dir():
            path.rename(folder / "elsewhere")
        put(path, "in the way")

    return spoil


def as_circle(name: str) -> Spoil:
    """Put two links that point at each other where an output folder goes."""

    def spoil(folder: Path) -> None:
        (folder / name).rename(folder / "elsewhere")
        (folder / name).symlink_to(folder / "other")
        (folder / "other").symlink_to(folder / name)

    return spoil


def on_tiny_disk(name: str, kibibytes: int) -> Spoil:
    """Have an output folder lie on a disk that is soon full."""

    def spoil(folder: Path) -> None:
        if (folder / name).exists():
            (folder / name).rename(folder / "elsewhere")
        mount_tiny(folder / "disk", kibibytes)
        (folder / "disk" / "out").mkdir()
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).symlink_to(folder / "disk" / "out")

    return spoil


def read_only(folder: Path) -> None:
    """Take away the right to write a folder, from whoever has no other."""
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (folder / "reports").chmod(0o555)


def repository(folder: Path) -> None:
    subprocess.run(["git", "init", "-q", str(folder)], check=True)


def nothing(_: Path) -> None:
    """The surroundings alone are wrong."""


def downloads(folder: Path) -> None:
    swap(folder / "params.yaml", "encoder_weights: null", "encoder_weights: imagenet")


def no_torchvision(folder: Path) -> None:
    put(
        folder / "shim" / "torchvision" / "__init__.py",
        "raise ImportError('libcudart.so.12: cannot open')\n",
    )


OFFLINE = {
    "HF_HOME": "{dir}/hub",
    **dict.fromkeys(
        ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), "http://127.0.0.1:9"
    ),
    **dict.fromkeys(("NO_PROXY", "no_proxy"), ""),
}
CSV = "metrics/test_images.csv"
HEAD = "image,defect_pixels,tp,fp,fn,iou,dice\n"

_MISSING = [
    ("train", STORE, STORE, PREPARE),
    ("tune-threshold", STORE, STORE, PREPARE),
    ("tune-threshold", "models", "models/args.json", TRAIN),
    ("evaluate", "metrics/threshold.json", "metrics/threshold.json", TUNE),
    ("evaluate", STORE, STORE, PREPARE),
    ("evaluate", "models", "models/args.json", TRAIN),
    ("report", "models", "models/args.json", TRAIN),
    ("report", "metrics/data.json", "metrics/data.json", PREPARE),
    ("report", "metrics/threshold_curve.csv", "metrics/threshold_curve.csv", TUNE),
    ("report", "metrics/test.json", "metrics/test.json", EVALUATE),
    ("compare test other", CSV, "test", EVALUATE),
]

_STORE: list[tuple[str, Spoil, str, str]] = [
    (
        "index cut",
        lambda folder: cut(folder / STORE / "index.json", 0.5),
        "index.json",
        "cannot be read",
    ),
    ("index a list", write(f"{STORE}/index.json", "[1]"), "index.json", "cannot be read"),
    ("index deep", write(f"{STORE}/index.json", "[" * 100_000), "index.json", "cannot be read"),
    (
        "index no UTF-8",
        write(f"{STORE}/index.json", b"\xff\xfe\x00"),
        "index.json",
        "cannot be read",
    ),
    (
        "another version",
        edit(f"{STORE}/index.json", lambda i: i.update(version=9)),
        "index.json",
        "of version 9",
    ),
    (
        "no images",
        edit(f"{STORE}/index.json", lambda i: i.update(records=[])),
        "index.json",
        "no image of the train",
    ),
    (
        "a name out of the folder",
        record(image="../../out.png"),
        "index.json",
        "no name of an image",
    ),
    ("an absolute name", record(image="/tmp/out.png"), "index.json", "no name of an image"),
    ("a giant image", record(height=2**20, width=2**20), "index.json", "larger than its truth"),
    ("a negative height", record(height=-1), "index.json", "greater than or equal to 1"),
    ("a height in words", record(height="tall"), "index.json", "valid integer"),
    ("a truth out of the file", record(truth=[2**40, 2**40]), "truth.bin", "truncated"),
    ("truth cut", lambda folder: cut(folder / STORE / "truth.bin", 0.1), "truth.bin", "truncated"),
    (
        "truth noise",
        lambda folder: put(folder / STORE / "truth.bin", bytes(2**20)),
        "truth.bin",
        "not those that were written",
    ),
    ("a bomb of truth", truth_bomb, "truth.bin", "damaged"),
    (
        "images cut",
        lambda folder: cut(folder / STORE / "images.npy", 0.5),
        "images.npy",
        "cannot be read",
    ),
    ("images empty", write(f"{STORE}/images.npy", b""), "images.npy", "cannot be read"),
    ("images text", write(f"{STORE}/images.npy", "hello"), "images.npy", "cannot be read"),
    ("images missing", drop(f"{STORE}/images.npy"), "images.npy", "cannot be read"),
    ("images of floats", array(lambda old: old.astype(np.float32)), "images.npy", "holds float32"),
    (
        "images of objects",
        array(lambda old: old[:2, 0, 0].astype(object)),
        "images.npy",
        "cannot be read",
    ),
    ("images inverted", array(lambda old: 255 - old), "images.npy", "not those that were written"),
    (
        "a file without its digest",
        edit(f"{STORE}/index.json", lambda index: index["digests"].pop("masks.npy")),
        "index.json",
        "digests",
    ),
    ("images too few", array(lambda old: old[:-1]), "images.npy", "its index 24"),
    (
        "images of another size",
        array(lambda old: old[:, :, ::2]),
        "images.npy",
        "not uint8 of 128×32",
    ),
]

_METRICS: list[tuple[str, str, Spoil, str, tuple[str, ...]]] = [
    (
        "threshold a list",
        "evaluate",
        write("metrics/threshold.json", "[0.5]"),
        "threshold.json",
        ("no JSON object", TUNE),
    ),
    (
        "threshold NaN",
        "evaluate",
        write("metrics/threshold.json", '{"threshold": NaN}'),
        "threshold.json",
        ("NaN is no number", TUNE),
    ),
    (
        "threshold missing",
        "evaluate",
        write("metrics/threshold.json", '{"f1": 1}'),
        "threshold.json",
        ("no threshold between", TUNE),
    ),
    (
        "threshold in words",
        "evaluate",
        write("metrics/threshold.json", '{"threshold": "half"}'),
        "threshold.json",
        ("no number", TUNE),
    ),
    (
        "threshold of two",
        "evaluate",
        write("metrics/threshold.json", '{"threshold": 2}'),
        "threshold.json",
        ("between 0 and 1", TUNE),
    ),
    (
        "threshold of 5,000 digits",
        "evaluate",
        write("metrics/threshold.json", '{"threshold": 1' + "0" * 5000 + "}"),
        "threshold.json",
        ("cannot be read", TUNE),
    ),
    (
        "threshold of another run",
        "evaluate",
        edit("metrics/threshold.json", lambda v: v.update(run_key=["another"])),
        "threshold.json",
        ("for another checkpoint", TUNE),
    ),
    (
        "threshold a folder",
        "evaluate",
        lambda folder: (
            drop("metrics/threshold.json")(folder),
            (folder / "metrics" / "threshold.json").mkdir(),
        )[0],
        "threshold.json",
        ("it is a folder", TUNE),
    ),
    (
        "settings foreign",
        "tune-threshold",
        write("models/args.json", '{"lr": 1}'),
        "args.json",
        ("wrong at train", TRAIN),
    ),
    (
        "settings with a path",
        "tune-threshold",
        edit("models/args.json", lambda v: v["train"].update(monitor="../../x")),
        "args.json",
        ("train.monitor", TRAIN),
    ),
    (
        "settings deep",
        "report",
        write("models/args.json", '{"a":' * 500 + "1" + "}" * 500),
        "args.json",
        ("nested deeper", TRAIN),
    ),
    (
        "settings deeper",
        "report",
        write("models/args.json", '{"a":' * 50_000),
        "args.json",
        ("cannot be read", TRAIN),
    ),
    (
        "settings without a run",
        "evaluate",
        edit("models/args.json", lambda v: v.pop("run")),
        "args.json",
        ("wrong at run", TRAIN),
    ),
    (
        "settings whose run is a list",
        "evaluate",
        edit("models/args.json", lambda v: v.update(run=[1])),
        "args.json",
        ("wrong at run", TRAIN),
    ),
    (
        "settings whose trackers leave the project",
        "evaluate",
        edit(
            "models/args.json",
            lambda v: v["run"].update(trackers={"key": "../../../x", "name": "/etc"}),
        ),
        "args.json",
        ("wrong at run.trackers", TRAIN),
    ),
    (
        "a seed with a path",
        "report",
        edit("models/args.json", lambda v: v["train"].update(seed="../7")),
        "args.json",
        ("no train.seed", TRAIN),
    ),
    (
        "test.json in words",
        "report",
        edit("metrics/test.json", lambda v: v.update(auprc_low="low")),
        "test.json",
        ("low for auprc_low", EVALUATE),
    ),
    (
        "test.json infinite",
        "report",
        edit("metrics/test.json", lambda v: v["optimal"].update(dice=float("inf"))),
        "test.json",
        ("Infinity is no number", EVALUATE),
    ),
    (
        "columns missing",
        "report",
        table("metrics/pr_curve.csv", "a,b\n1,2\n"),
        "pr_curve.csv",
        ("lacks the column precision", EVALUATE),
    ),
    (
        "text in a column",
        "report",
        table("metrics/pr_curve.csv", "threshold,precision,recall\n0,high,1\n"),
        "pr_curve.csv",
        ("high under precision", EVALUATE),
    ),
    (
        "infinity in a column",
        "report",
        table("metrics/pr_curve.csv", "threshold,precision,recall\n0,1e999,1\n"),
        "pr_curve.csv",
        ("1e999 under precision", EVALUATE),
    ),
    (
        "a csv of bytes",
        "report",
        table("metrics/froc.csv", bytes(range(256))),
        "froc.csv",
        ("cannot be read", EVALUATE),
    ),
    (
        "a giant cell",
        "report",
        table("metrics/froc.csv", "recall\n" + "1" * 200_000),
        "froc.csv",
        ("lacks the column", EVALUATE),
    ),
    (
        "foreign columns",
        "compare test test",
        table(CSV, "name,score\na,1\n"),
        CSV,
        ("no table of images", EVALUATE),
    ),
    ("no rows", "compare test test", table(CSV, HEAD), CSV, ("holds no image", EVALUATE)),
    (
        "pixels that do not add up",
        "compare test test",
        table(CSV, HEAD + "a.png,5,1,0,1,0,0\n"),
        CSV,
        ("is not tp + fn for a.png", EVALUATE),
    ),
    (
        "pixels beyond any image",
        "compare test test",
        table(CSV, HEAD + f"a.png,{2**62},{2**61},0,{2**61},0,0\n"),
        CSV,
        ("tp + fn for a.png", EVALUATE),
    ),
]

_OUTPUTS = [
    ("train", "models", "models"),
    ("tune-threshold", "metrics", "metrics"),
    ("evaluate", "predictions", "predictions"),
    ("report", "reports", "reports"),
    ("prepare", STORE, STORE),
]


def _missing_cases() -> list[Case]:
    return [
        Case(f"{command}: no {name}", tuple(command.split()), drop(name), where, (maker,))
        for command, name, where, maker in _MISSING
    ]


CASES = [
    *_missing_cases(),
    *(
        Case(f"store: {name}", ("tune-threshold",), spoil, where, (what, PREPARE))
        for name, spoil, where, what in _STORE
    ),
    *(
        Case(f"input: {name}", tuple(command.split()), spoil, where, says)
        for name, command, spoil, where, says in _METRICS
    ),
    *(
        Case(f"output: {name} is a file", (command,), as_file(name), where, ("move the file away",))
        for command, name, where in _OUTPUTS
        if command != "tune-threshold"
    ),
    Case(
        "output: links in a circle",
        ("evaluate",),
        as_circle("predictions"),
        "predictions",
        ("remove them",),
    ),
    Case(
        "output: read only",
        ("report",),
        read_only,
        "report.html",
        ("Permission denied", "mend the permissions"),
    ),
    Case(
        "full disk: the report",
        ("report",),
        on_tiny_disk("reports", 16),
        "report.html",
        ("No space left", "free space"),
    ),
    Case(
        "full disk: the predictions",
        ("evaluate",),
        on_tiny_disk("predictions/test", 64),
        "out",
        ("No space left", "free space"),
    ),
    Case(
        "full disk: the store",
        ("prepare",),
        on_tiny_disk(STORE, 64),
        "out",
        ("No space left", "free space"),
    ),
    Case(
        "compare: no git",
        ("compare", "test", "HEAD"),
        nothing,
        "HEAD",
        ("git is not installed", "steelcli evaluate"),
        {"PATH": "{dir}"},
    ),
    Case(
        "compare: no repository",
        ("compare", "test", "HEAD"),
        nothing,
        "HEAD",
        ("no git repository", "dvc exp list"),
    ),
    Case(
        "compare: no commit",
        ("compare", "test", "HEAD"),
        repository,
        "HEAD",
        ("has no commit yet", "dvc exp list"),
    ),
    Case(
        "compare: an endless name",
        ("compare", "test", "x" * 5000),
        repository,
        "x…x",
        ("no commit yet", "dvc exp list"),
    ),
    Case(
        "train: offline weights",
        ("train",),
        downloads,
        "model.encoder_weights",
        ("connect to the internet", "null"),
        OFFLINE,
    ),
    Case(
        "train: torchvision does not fit",
        ("train",),
        no_torchvision,
        "torchvision",
        ("cannot be imported", "install the torchvision"),
        {"PYTHONPATH": "{dir}/shim:{PYTHONPATH}"},
    ),
]
