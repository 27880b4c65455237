"""No variable of the environment makes a training another one unseen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from make_params import train_params
from small_runs import assert_same_run, run_small

from steelcli.common.errors import RunError
from steelcli.training.environment import only_torchrun

WHOLE = {
    "RANK": "0",
    "WORLD_SIZE": "1",
    "LOCAL_RANK": "0",
    "MASTER_ADDR": "localhost",
    "MASTER_PORT": "29500",
}


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"RANK": "1"}, "only a part of what torchrun does, not WORLD_SIZE, LOCAL_RANK, .*: RANK;"),
        ({"WORLD_SIZE": "2"}, "only a part of what torchrun does, not RANK, .*: WORLD_SIZE;"),
        ({"RANK": "x"}, "only a part of what torchrun does"),
        (WHOLE | {"RANK": "x"}, "no whole number: RANK=x; unset it, or start"),
        (WHOLE | {"MASTER_PORT": ""}, "no whole number: MASTER_PORT="),
        (WHOLE | {"LOCAL_WORLD_SIZE": "-1"}, "no whole number: LOCAL_WORLD_SIZE=-1"),
        (WHOLE | {"RANK": "1"}, "WORLD_SIZE=1, so that the last rank is less: RANK=1"),
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, "in a way .*: ACCELERATE_USE_DEEPSPEED=true; unset"),
        ({"ACCELERATE_USE_FSDP": "1"}, "in a way .*: ACCELERATE_USE_FSDP=1"),
        ({"ACCELERATE_USE_MEGATRON_LM": "True"}, "in a way .*: ACCELERATE_USE_MEGATRON_LM=True"),
        ({"ACCELERATE_USE_PARALLELISM_CONFIG": "true"}, "in a way "),
    ],
)
def test_what_no_launcher_sets_is_refused(
    variables: dict[str, str],
    sentence: str,
    small_store_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RunError, match=sentence):
        run_small(tmp_path, small_store_dir)


@pytest.mark.parametrize("variables", [{}, WHOLE, {"ACCELERATE_USE_CPU": "false"}])
def test_what_a_launcher_sets_is_taken(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with only_torchrun():
        assert all(
            os.environ.get(name) == value for name, value in WHOLE.items() if variables == WHOLE
        )
    assert all(os.environ[name] == value for name, value in variables.items())


def test_variables_that_accelerate_reads_change_nothing(
    small_store_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = train_params(epochs=1, batch_size=2)
    run_small(tmp_path / "plain", small_store_dir, params)
    for name, value in {
        "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "4",
        "ACCELERATE_DYNAMO_BACKEND": "EAGER",
        "ACCELERATE_MIXED_PRECISION": "bf16",
        "ACCELERATE_FP8_BACKEND": "nonsense",
        "ACCELERATE_TORCH_DEVICE": "meta",
        "ACCELERATE_CPU_AFFINITY": "1",
        "OMPI_COMM_WORLD_SIZE": "2",
        "PMI_SIZE": "x",
    }.items():
        monkeypatch.setenv(name, value)
    run_small(tmp_path / "crowded", small_store_dir, params)
    assert_same_run(tmp_path / "plain", tmp_path / "crowded")
