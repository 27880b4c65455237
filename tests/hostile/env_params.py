"""Parameter files that are wrong, each by one change of the valid one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from env import Case, put, swap
from make_params import model_params

SEED, TITLE = "  seed: 42\n", "title: Steel defects"


def change(old: str, new: str | bytes) -> Callable[[Path], None]:
    """Replace one text of params.yaml."""
    return lambda folder: swap(folder / "params.yaml", old, new)


def whole(content: str | bytes) -> Callable[[Path], None]:
    """Replace all of params.yaml."""
    return lambda folder: put(folder / "params.yaml", content)


def add(content: str | bytes, front: bytes = b"") -> Callable[[Path], None]:
    """Add to the end, or the front, of params.yaml."""

    def spoil(folder: Path) -> None:
        path = folder / "params.yaml"
        put(
            path,
            front + path.read_bytes() + (content.encode() if isinstance(content, str) else content),
        )

    return spoil


def recode(encoding: str) -> Callable[[Path], None]:
    """Write params.yaml in another encoding."""

    def spoil(folder: Path) -> None:
        path = folder / "params.yaml"
        put(path, path.read_text(encoding="utf-8").replace("Steel", "Stähle").encode(encoding))

    return spoil


def to_folder(folder: Path) -> None:
    (folder / "params.yaml").unlink()
    (folder / "params.yaml").mkdir()


LAUGHS = "a: [x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + last] * 9)}]\n"
    for last, name in zip("abcdefgh", "bcdefghi", strict=True)
)

_FILE: list[tuple[str, Callable[[Path], None], tuple[str, ...]]] = [
    (
        "missing",
        lambda folder: (folder / "params.yaml").unlink(),
        ("not found", "git checkout params.yaml"),
    ),
    ("a folder", to_folder, ("it is a folder", "--params")),
    ("empty", whole(""), ("is empty", "write the sections data")),
    ("a list", whole("- data\n- model\n"), ("no mapping", "write the sections")),
    ("plain text", whole("hello"), ("no mapping", "write the sections")),
    ("noise", whole(bytes(range(256)) * 8), ("no UTF-8", "save the file as UTF-8")),
    ("latin-1", recode("latin-1"), ("no UTF-8 (line", "save the file as UTF-8")),
    ("utf-16", recode("utf-16"), ("no UTF-8 (line 1)", "save the file as UTF-8")),
    ("a NUL", add("\0"), ("no YAML", "remove control characters")),
    ("a tab", change(SEED, "\tseed: 42\n"), ("found character", "mend that line")),
    ("an open bracket", add("extra: ["), ("no plain YAML", "mend that line")),
    ("two documents", add("---\ndata: {}\n"), ("another document", "mend that line")),
    (
        "a tag that runs code",
        change(TITLE, "title: !!python/object/apply:os.system [touch ran]"),
        ("the tag", "mend that line"),
    ),
    ("a billion laughs", whole(LAUGHS), ("anchor or alias", "write the value out")),
    ("an alias of itself", whole("data: &a [*a]\n"), ("anchor or alias", "write the value out")),
    (
        "a key twice",
        change(TITLE, TITLE + "\n  " + TITLE),
        ('duplicate key "title"', "mend that line"),
    ),
    (
        "deep nesting",
        whole("data: " + "[" * 20_000 + "]" * 20_000),
        ("nested deeper than 16 levels", "write them flat"),
    ),
    ("brackets left open", whole("data: " + "[" * 20_000), ("nested deeper", "write them flat")),
    ("megabytes", add("#" * 2**21), ("larger than", "--params")),
    ("the 31st of February", change(TITLE, "title: 2026-02-31"), ("makes no sense", "quotes")),
    ("5,000 digits", change(SEED, f"  seed: {'9' * 5000}\n"), ("makes no sense", "plain number")),
]

_KEYS: list[tuple[str, str, Callable[[Path], None], tuple[str, ...]]] = [
    (
        "a tag of bytes",
        "report.title",
        change(TITLE, "title: !!binary aGk="),
        ('"bytes"', "valid string", "correct it"),
    ),
    (
        "a merge key",
        "report.decimal",
        change(TITLE, TITLE + "\n  <<: {decimal: 4}"),
        ("unknown parameter", "did you mean decimals"),
    ),
    ("a list as key", "('a',)", whole("? [a]\n: 1\n"), ("unknown section", "known here")),
    ("a number as key", "unknown section: 1", add("1: {}\n"), ("known here",)),
    (
        "a number as inner key",
        "report.1",
        change(TITLE, "1: 2"),
        ("unknown parameter", "known here"),
    ),
    (
        "a missing section",
        "report",
        change("report:\n", "#\nreports:\n"),
        ("unknown section", "did you mean report"),
    ),
    ("a missing key", "train.seed", change(SEED, ""), ("missing parameter", "add it")),
    (
        "a key with a slip",
        "train.sead",
        change(SEED, "  sead: 42\n"),
        ("unknown parameter", "did you mean seed"),
    ),
    (
        "a slip two levels down",
        "train.augment.blurr",
        change("blur:", "blurr:"),
        ("did you mean blur",),
    ),
    ("NaN", "train.lr", change("lr: 0.001", "lr: .nan"), ("finite number", "correct it")),
    ("infinity", "train.lr", change("lr: 0.001", "lr: 1e999"), ("finite number", "correct it")),
    ("text for a number", "train.lr", change("lr: 0.001", "lr: fast"), ("fast", "correct it")),
    (
        "a negative rate",
        "train.lr",
        change("lr: 0.001", "lr: -1"),
        ("greater than 0", "correct it"),
    ),
    (
        "a number of 4,000 digits",
        "train.seed",
        change(SEED, f"  seed: {'9' * 4000}\n"),
        ("less than 4294967296", "correct it"),
    ),
    (
        "a hexadecimal flood",
        "train",
        change(SEED, f"  seed: 0x{'f' * 4000}\n"),
        ("Exceeds the limit", "correct it"),
    ),
    (
        "a negative size",
        "data.image_size",
        change("image_size:\n  - 128\n", "image_size:\n  - -128\n"),
        ("greater than", "correct it"),
    ),
    (
        "a size off the stride",
        "data.image_size",
        change("image_size:\n  - 128\n", "image_size:\n  - 100\n"),
        ("the nearest are 96 and 128",),
    ),
    (
        "a date",
        "report.title",
        change(TITLE, "title: 2026-02-03"),
        ('"date"', "valid string", "correct it"),
    ),
    (
        "an escaped NUL",
        "report.title",
        change(TITLE, 'title: "a\\0b"'),
        ("control character", "correct it"),
    ),
    (
        "half a character",
        "report",
        change(TITLE, 'title: "\\ud800"'),
        ("surrogates not allowed", "correct it"),
    ),
    (
        "newlines in a key",
        "unknown section",
        add('"a\\n\\nError: b": 1\n'),
        ("a\\n\\nError", "known here"),
    ),
    (
        "an unknown architecture",
        "model.architecture",
        change("architecture: unet", "architecture: segnet"),
        ("unet",),
    ),
    (
        "an address as encoder",
        "model.encoder_name",
        change("encoder_name: tu-test_efficientnet", "encoder_name: tu-hf_hub:a/b"),
        ("not the name of an encoder",),
    ),
    (
        "an unknown encoder",
        "model.encoder_name",
        change("encoder_name: tu-test_efficientnet", "encoder_name: resnt18"),
        ("did you mean resnet18",),
    ),
    (
        "an unknown timm encoder",
        "model.encoder_name",
        change("encoder_name: tu-test_efficientnet", "encoder_name: tu-resnt18"),
        ("did you mean tu-resnet18",),
    ),
    (
        "a flood of channels",
        "model.decoder_channels",
        change("- 32\n  - 16\n", "- 32\n  - 100000000\n"),
        ("1024", "correct it"),
    ),
    *(
        (
            f"encoder weights at {place}",
            "model.encoder_weights",
            change("encoder_weights: null", f"encoder_weights: {place}"),
            ("a file in data/weights; copy the file there", "correct it"),
        )
        for place in ("/tmp/encoder.pth", "data/weights/encoder.pth", "..", "''")
    ),
    (
        "a missing tracker",
        "train.trackers",
        change("trackers: []", "trackers: [nothing]"),
        ("wandb", "correct it"),
    ),
]


def encoder(make: Callable[[Path], None]) -> Callable[[Path], None]:
    """Let model.encoder_weights name encoder.pth, made by ``make``."""

    def spoil(folder: Path) -> None:
        swap(folder / "params.yaml", "encoder_weights: null", "encoder_weights: encoder.pth")
        (folder / "data" / "weights").mkdir()
        make(folder / "data" / "weights" / "encoder.pth")

    return spoil


class Runs:
    """What a pickle would do to whoever loads it: make a file."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("ran"),)  # type: ignore[return-value]


def other_encoder(path: Path) -> None:
    from steelcli.model.network import build_model

    made = build_model(**model_params(encoder_name="resnet34").model_dump(), channels_last=False)
    torch.save(made.network.encoder.state_dict(), path)


_WEIGHTS: list[tuple[str, Callable[[Path], None], tuple[str, ...]]] = [
    ("missing", lambda _: None, ("not found", "correct model.encoder_weights")),
    (
        "text",
        lambda path: put(path, "hello"),
        ("no file of torch.save", "state dict of this encoder"),
    ),
    ("a folder", lambda path: path.mkdir(), ("no regular file", "state dict of this encoder")),
    (
        "code",
        lambda path: torch.save({"conv1.weight": Runs()}, path),
        ("holds code, which was not run",),
    ),
    (
        "a list",
        lambda path: torch.save([torch.zeros(3)], path),
        ("no names with tensors", "state dict"),
    ),
    ("of another encoder", other_encoder, ("do not fit the encoder", "state dict of this encoder")),
]

_TRAIN = ("train",)
CASES = [
    *(Case(f"params: {name}", _TRAIN, spoil, "params.yaml", says) for name, spoil, says in _FILE),
    *(Case(f"params: {name}", _TRAIN, spoil, where, says) for name, where, spoil, says in _KEYS),
    *(
        Case(f"encoder weights: {name}", _TRAIN, encoder(make), "encoder.pth", says)
        for name, make, says in _WEIGHTS
    ),
]
