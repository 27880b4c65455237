"""Mutated parameter files and checkpoints: the declared errors, and nothing else."""

from __future__ import annotations

import random
import string
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from closure import ROOT
from env_models import packed, repacked, small
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steelcli.common.errors import ModelError, ParamsError, UserError
from steelcli.model.checkpoint import load_checkpoint
from steelcli.params.all import load_params

VALUES = yaml.safe_load((ROOT / "params.yaml").read_bytes())
VALID = yaml.safe_dump(VALUES).encode()  # without the comments: half the time
DUMPER = getattr(yaml, "CDumper", yaml.Dumper)
CHECKPOINT = packed(small())
TOKENS = [
    *b"&a *a <<: !!python/name:os.system !!int { } [ ] | > ' \" # .nan -.inf 1e999 0x 0b2".split(),
    *(
        b"? ",
        b"- ",
        b": ",
        b"\t",
        b"\0",
        b"---\n",
        b"...\n",
        b"%YAML 9.9\n",
        b"\\",
        b"\r",
        b"\xff",
        b"\xef\xbb\xbf",
    ),
    *b"1:60:99 2026-02-31 ~ yes".split(),
    *(b"\xc2\x85", b"\xe2\x80\xae", b"9" * 5000),
]
FIXED = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": list(HealthCheck),
}

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=2**52, max_value=2**70),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["1e-4", ".inf", "auto", "dice", "resnet18", "null", "imagenet", "\0", "a\nb"]),
    st.dates(),
    st.binary(max_size=5),
)
seeds = st.integers(min_value=0, max_value=2**64 - 1)
keys = st.one_of(st.text(max_size=8), st.integers())
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=6,
)


def assert_declared(path: Path, raw: bytes, kind: type[UserError]) -> bool:
    """Load the file; return whether it was taken. Anything but a declared error in one line fails
    the test."""
    path.write_bytes(raw)
    started = time.monotonic()
    try:
        load_params(path) if kind is ParamsError else load_checkpoint(path)
        told = None
    except kind as error:
        told = error
    assert time.monotonic() - started < 10
    if told:
        assert str(told).isprintable()
        assert len(str(told)) < 3100
        assert told.where
        assert told.remedy
    return told is None


def mutate(raw: bytes, generator: random.Random) -> bytes:
    """Change bytes: flip, insert a token, remove, repeat or move a stretch."""
    for _ in range(generator.randint(1, 4)):
        start = generator.randrange(len(raw) + 1)
        end = min(len(raw), start + generator.randint(0, 30))
        kind = generator.randrange(5)
        if kind == 0 and start < len(raw):
            raw = raw[:start] + bytes([generator.randrange(256)]) + raw[start + 1 :]
        elif kind == 1:
            raw = raw[:start] + generator.choice(TOKENS) + raw[start:]
        elif kind == 2:
            raw = raw[:start] + raw[end:]
        elif kind == 3:
            raw = raw[:start] + raw[start:end] * generator.randint(2, 4) + raw[end:]
        else:
            place = generator.randrange(len(raw) + 1)
            raw = raw[:place] + raw[start:end] + raw[place:]
    return raw


def edit_leaf(generator: random.Random, value: Any, key: str) -> bytes:
    """Put a value, or a key with a slip, somewhere into the valid parameters."""
    values = deepcopy(VALUES)
    section = values[generator.choice(sorted(values))]
    name = generator.choice(sorted(section))
    if key:
        section[key] = section.pop(name)
    else:
        section[name] = value
    return yaml.dump(values, Dumper=DUMPER, allow_unicode=generator.random() < 0.5).encode(
        "utf-8", "surrogatepass"
    )


def fuzz_params(path: Path, examples: int) -> None:
    @settings(max_examples=examples, **FIXED)
    @given(seeds, trees, st.one_of(st.just(""), st.text(string.printable, max_size=9)))
    def check(seed: int, value: Any, key: str) -> None:
        generator = random.Random(seed)
        bad = generator.random() < 0.5
        assert_declared(
            path, mutate(VALID, generator) if bad else edit_leaf(generator, value, key), ParamsError
        )

    check()


def fuzz_checkpoint(path: Path, examples: int) -> None:
    pickle_name = "data.pkl"

    @settings(max_examples=examples, **FIXED)
    @given(seeds, trees, st.sampled_from(sorted(small())))
    def check(seed: int, value: Any, name: str) -> None:
        generator = random.Random(seed)
        kind = generator.randrange(3)
        if kind == 0:
            raw = mutate(CHECKPOINT, generator)
        elif kind == 1:
            raw = repacked(
                CHECKPOINT, lambda part, old: mutate(old, generator) if part == pickle_name else old
            )
        else:
            raw = packed(small() | {name: value})
        assert_declared(path, raw, ModelError)

    check()


def test_mutated_params_give_declared_errors(tmp_path: Path) -> None:
    fuzz_params(tmp_path / "params.yaml", 120)


def test_mutated_checkpoints_give_declared_errors(tmp_path: Path) -> None:
    fuzz_checkpoint(tmp_path / "best.pth", 120)


def test_the_unchanged_files_are_taken(tmp_path: Path) -> None:
    assert assert_declared(tmp_path / "params.yaml", VALID, ParamsError)
    assert assert_declared(tmp_path / "params.yaml", b"\xef\xbb\xbf" + VALID, ParamsError)
    assert assert_declared(tmp_path / "best.pth", CHECKPOINT, ModelError)


@pytest.mark.fuzz
def test_twenty_thousand_params(tmp_path: Path) -> None:
    fuzz_params(tmp_path / "params.yaml", 20_000)


@pytest.mark.fuzz
def test_ten_thousand_checkpoints(tmp_path: Path) -> None:
    fuzz_checkpoint(tmp_path / "best.pth", 10_000)
