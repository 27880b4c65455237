"""An option that no command has is answered with the way to set the parameter."""

from __future__ import annotations

import pytest

from steelcli.params.options import explain_option


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ("train --lr 1e-4", "use `steelcli run -S train.lr=1e-4`"),
        ("train --restart --learning-rate=1e-4", "use `steelcli run -S train.lr=1e-4`"),
        ("train --batch-size 8", "use `steelcli run -S train.batch_size=8`"),
        ("evaluate --batch-size", "use `steelcli run -S evaluate.batch_size=VALUE`"),
        ("tune-threshold --objectiv f1", "use `steelcli run -S threshold.objective=f1`"),
        ("prepare --seed 3", "use `steelcli run -S data.split_seed=3`"),
        ("train --train.lr 1", "use `steelcli run -S train.lr=1`"),
        ("train --augment.hflip 1", "use `steelcli run -S train.augment.horizontal_flip=1`"),
        ("train --image-size [64,32]", "use `steelcli run -S 'data.image_size=[64,32]'`"),
        ("compare --decimals 2 a b", "set report.decimals to 2 in params.yaml"),
        ("check --seed -1 a", "set data.split_seed to -1 in params.yaml"),
    ],
)
def test_the_parameter_is_named_with_its_value(arguments: str, answer: str) -> None:
    command, *words = arguments.split()
    option = next(word for word in words if word not in ("--restart", "a")).partition("=")[0]
    assert explain_option(option, command, words) == f"it is a parameter: {answer}"


def test_arguments_of_dvc_stay_as_they_are() -> None:
    words = ["-S", "train.lr=1", "-n", "two words"]
    assert explain_option("-S", "train", words) == "use `steelcli run -S train.lr=1 -n 'two words'`"


def test_an_option_like_no_parameter_is_not_explained() -> None:
    assert explain_option("--zzzz", "train", ["--zzzz"]) is None
    assert explain_option("--epochz", "train", ["--epochz"], misspelt=False) is None
