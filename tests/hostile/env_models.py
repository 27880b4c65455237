"""Checkpoints that are wrong, malicious or foreign, in the place of the best one."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from env import Case, cut, put
from env_params import Runs

Values = dict[str, Any]


def best(folder: Path) -> Path:
    """Return the checkpoint that tune-threshold takes."""
    return next((folder / "models").glob("best_dice_*.pth"))


def small() -> Values:
    """Return valid fields with one small tensor as weights."""
    from make_params import model_params, train_params

    return {
        "weights": {"a": torch.zeros(3)},
        "params": {
            "model": model_params().model_dump(mode="json"),
            "train": train_params().model_dump(mode="json"),
        },
        "epoch": 1,
        "score": 0.5,
        "precision": "fp32",
        "store": "0" * 64,
        "image_size": (128, 32),
        "versions": {"torch": "2"},
        "code": "",
        "encoder_digest": None,
        "format": 2,
    }


def packed(values: Any) -> bytes:
    """Return what torch.save writes."""
    buffer = io.BytesIO()
    torch.save(values, buffer)
    return buffer.getvalue()


def repacked(
    raw: bytes, edit: Callable[[str, bytes], bytes], compression: int = zipfile.ZIP_STORED
) -> bytes:
    """Write the parts of a torch.save archive anew, each edited by its name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(buffer, "w", compression) as new:
        for name in old.namelist():
            new.writestr(name, edit(name.partition("/")[2], old.read(name)))
    return buffer.getvalue()


def content(make: Callable[[], bytes | str]) -> Callable[[Path], None]:
    """Put bytes in the place of the checkpoint."""
    return lambda folder: put(best(folder), make())


def field(**changes: Any) -> Callable[[Path], None]:
    """Put valid fields but for some there."""
    return content(lambda: packed(small() | changes))


def param(section: str, **changes: Any) -> Callable[[Path], None]:
    """Put valid fields with other parameters there."""

    def make() -> bytes:
        values = small()
        values["params"][section] |= changes
        return packed(values)

    return content(make)


def with_pickle(raw: bytes) -> bytes:
    """Return an archive of torch.save whose list of values is a pickle of the stranger's."""
    return repacked(packed(small()), lambda name, old: raw if name == "data.pkl" else old)


def giant_storage() -> bytes:
    """Declare 2^31 - 1 numbers where three are stored."""
    found = packed(small())
    return repacked(
        found,
        lambda name, raw: (
            raw.replace(b"K\x03", b"J\xff\xff\xff\x7f") if name == "data.pkl" else raw
        ),
    )


def bomb() -> bytes:
    values = small() | {"weights": {"a": torch.zeros(2**24)}}
    return repacked(packed(values), lambda _, raw: raw, zipfile.ZIP_DEFLATED)


def other_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("word/document.xml", "<a/>")
    return buffer.getvalue()


def circle() -> bytes:
    endless: dict[str, Any] = {}
    endless["a"] = endless
    return packed(small() | {"versions": endless})


def laughs() -> bytes:
    level: list[Any] = ["ha"]
    for _ in range(12):
        level = [level] * 10
    return packed(small() | {"versions": {"a": level}})


def odd_mapping() -> bytes:
    """An OrderedDict whose method ``keys`` is a number: unpickling may set it."""
    return with_pickle(b"\x80\x02ccollections\nOrderedDict\n)R}X\x04\x00\x00\x00keysK\x03sb.")


def loose_weights(folder: Path) -> None:
    """Name a network of 300 million weights beside one small tensor, in the settings too."""
    values = torch.load(best(folder), weights_only=True)
    for change in (
        {"encoder_name": "tu-vit_giant_patch14_224"},
        {"encoder_name": "tu-convnextv2_huge"},
    ):
        values["params"]["model"] |= change
    settings = json.loads((folder / "models" / "args.json").read_text(encoding="utf-8"))
    settings["model"] |= values["params"]["model"]
    put(folder / "models" / "args.json", json.dumps(settings))
    put(best(folder), packed(values | {"weights": {"a": torch.zeros(3)}}))


def other_architecture(folder: Path) -> None:
    values = torch.load(best(folder), weights_only=True)
    values["params"]["model"]["architecture"] = "unetplusplus"
    settings = json.loads((folder / "models" / "args.json").read_text(encoding="utf-8"))
    settings["model"]["architecture"] = "unetplusplus"
    put(folder / "models" / "args.json", json.dumps(settings))
    put(best(folder), packed(values))


def to_folder(folder: Path) -> None:
    path = best(folder)
    path.unlink()
    path.mkdir()


def second(folder: Path) -> None:
    put(folder / "models" / "best_dice_0.9999_seed9.pth", packed(small()))


ANEW = "train again"
_FILES: list[tuple[str, Callable[[Path], None], tuple[str, ...]]] = [
    ("empty", content(lambda: b""), ("the file is empty", ANEW)),
    ("text", content(lambda: "hello\n"), ("no file of torch.save", ANEW)),
    ("noise", content(lambda: bytes(range(256)) * 40), ("no file of torch.save", ANEW)),
    ("a folder", to_folder, ("no regular file", ANEW)),
    ("cut in half", lambda folder: cut(best(folder), 0.5), ("cut off", ANEW)),
    ("cut by a byte", lambda folder: put(best(folder), packed(small())[:-30]), ("cut off", ANEW)),
    ("a zip of something else", content(other_zip), ("a zip archive of something else", ANEW)),
    (
        "a pickle that runs code",
        content(lambda: pickle.dumps(Runs())),
        ("holds code, which was not run", ANEW),
    ),
    (
        "an old pickle that runs code",
        content(lambda: pickle.dumps(Runs(), 0)),
        ("holds code, which was not run", ANEW),
    ),
    (
        "code among the weights",
        field(weights={"a": Runs()}),
        ("holds code, which was not run", ANEW),
    ),
    ("code in a field", field(code=Runs()), ("holds code, which was not run", ANEW)),
    (
        "a call of bytearray",
        content(
            lambda: with_pickle(
                b"\x80\x02c__builtin__\nbytearray\n\x8a\x05\x00\x00\x00\x00\x40\x85R."
            )
        ),
        ("bytearray", ANEW),
    ),
    (
        "a pickle that breaks off",
        content(lambda: with_pickle(b"\x80\x02}q\x00(X\x05")),
        ("breaks off", ANEW),
    ),
    (
        "three megabytes of lists",
        content(lambda: with_pickle(b"\x80\x02" + b"]" * 3 * 2**20 + b".")),
        ("larger than", ANEW),
    ),
    ("a giant storage", content(giant_storage), ("damaged", ANEW)),
    (
        "a giant view",
        field(weights={"a": torch.zeros(1).expand(2**40)}),
        ("larger than the file", ANEW),
    ),
    ("a zip bomb", content(bomb), ("compressed", ANEW)),
    (
        "a bare state dict",
        content(lambda: packed({"a": torch.zeros(3)})),
        ("but a bare state dict", ANEW),
    ),
    (
        "somebody else's checkpoint",
        content(lambda: packed({"state_dict": {}, "epoch": 3})),
        ("no steelcli checkpoint", ANEW),
    ),
    ("a list", content(lambda: packed([1, 2])), ("no steelcli checkpoint", ANEW)),
    ("another format", field(format=1), ("of format 1, not 2", ANEW)),
    ("a format in words", field(format="one"), ("of format one", ANEW)),
    ("a negative epoch", field(epoch=-1), ("field epoch", ANEW)),
    ("an epoch in words", field(epoch="ten"), ("field epoch", ANEW)),
    ("a score of NaN", field(score=float("nan")), ("field score", ANEW)),
    ("a score of two", field(score=2.0), ("field score", ANEW)),
    ("another number format", field(precision="int4"), ("field precision", ANEW)),
    ("no size", field(image_size=(0, 32)), ("field image_size", ANEW)),
    ("a tensor as field", field(store=torch.zeros(3)), ("valid string", ANEW)),
    ("params as a list", field(params=[1]), ("field params", ANEW)),
    ("a circle", content(circle), ("nested too deeply", ANEW)),
    ("a billion laughs", content(laughs), ("nested too deeply or too long", ANEW)),
    ("an unknown parameter", param("model", depth=9), ("unknown parameter", ANEW)),
    ("no seed", param("train", seed=None), ("params.train.seed", ANEW)),
    ("weights as a list", field(weights=[torch.zeros(3)]), ("no names with tensors", ANEW)),
    ("no weights", field(weights={}), ("no names with tensors", ANEW)),
    ("a number among the weights", field(weights={"a": 3}), ("int under a, not a tensor", ANEW)),
    ("numbers as names", field(weights={1: torch.zeros(3)}), ("under 1, not a tensor", ANEW)),
    (
        "complex weights",
        field(weights={"a": torch.zeros(3, dtype=torch.complex64)}),
        ("code", ANEW),
    ),
    ("a sparse tensor", field(weights={"a": torch.zeros(3, 3).to_sparse()}), ("code", ANEW)),
    ("an odd mapping", content(odd_mapping), ("no steelcli checkpoint", ANEW)),
    ("another architecture", other_architecture, ("do not fit the architecture", ANEW)),
    ("a network of gigabytes", loose_weights, ("do not fit the architecture", ANEW)),
    ("trained on other data", field(), ("trained on other data", "dvc repro train")),
]

CASES = [
    *(
        Case(f"checkpoint: {name}", ("tune-threshold",), make, "models/best_dice_", says)
        for name, make, says in _FILES
    ),
    Case(
        "checkpoint: none",
        ("tune-threshold",),
        lambda folder: best(folder).unlink(),
        "models",
        ("0 checkpoints", "dvc repro train"),
    ),
    Case("checkpoint: two", ("tune-threshold",), second, "models", ("2 checkpoints", "keep one")),
]
