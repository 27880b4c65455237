"""The changes that ``-S`` asks for, made by DVC's own code to copies of params.yaml."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from steelcli.common.errors import ParamsError, quote
from steelcli.common.paths import PARAMS_PATH
from steelcli.common.settings import flatten
from steelcli.params.section import read_params


def change_copies(
    set_param: Sequence[str], may_be_several: bool, path: Path = PARAMS_PATH
) -> Generator[Path, None, None]:
    """Yield a copy of a parameter file as DVC's own code would change it, one for each run.

    With --queue, -S train.lr=0.1,0.01 stands for two runs.

    Raises:
        ParamsError: DVC cannot make the changes, or they are several runs where one is asked for.
    """
    from dvc.exceptions import DvcException
    from dvc.utils.cli_parse import to_path_overrides
    from dvc.utils.hydra import apply_overrides, get_hydra_sweeps
    from omegaconf.errors import OmegaConfBaseException

    raw = read_params(path)  # DVC does not say where a file is broken
    overrides = to_path_overrides(set_param).get(PARAMS_PATH.name, [])
    _refuse_merging(overrides, flatten(raw))
    changes = [_read_change(text) for text in overrides]
    where = quote(", ".join(overrides), 200)
    with tempfile.TemporaryDirectory() as folder:
        copy_path = Path(folder) / PARAMS_PATH.name
        try:
            sweeps = get_hydra_sweeps({PARAMS_PATH.name: changes})
            if len(sweeps) > 1 and not may_be_several:
                remedy = "give one (with a decimal point), or add --queue for a run of each"
                raise ParamsError("several values stand for one run", where, remedy)
            for sweep in sweeps:
                copy_path.write_bytes(path.read_bytes())
                apply_overrides(copy_path, sweep[PARAMS_PATH.name])
                yield copy_path
        except (DvcException, OmegaConfBaseException) as error:
            reason = quote(str(error.__cause__ or error).partition("\n")[0], 160)
            what = f"DVC cannot make these changes ({reason})"
            raise ParamsError(what, where, "correct them") from error


def _refuse_merging(overrides: Sequence[str], values: dict[str, Any]) -> None:
    """Refuse a mapping for a key that holds one: DVC would add to it.

    Args:
        overrides: as given after ``-S``, in order.
        values: of params.yaml, by dotted name.

    Raises:
        ParamsError: for the first such key.
    """
    for text in overrides:
        name, _, value = text.partition("=")
        if value.lstrip().startswith("{") and any(key.startswith(f"{name}.") for key in values):
            what = "DVC would add to the mapping that stands there"
            raise ParamsError(what, quote(name, 200), f"give -S {name}=null before it")
        if value == "null":
            values = {key: old for key, old in values.items() if not key.startswith(f"{name}.")}


def _read_change(text: str) -> str:
    """Return an override that adds an unknown key: our own check refuses it and names the nearest.

    Raises:
        ParamsError: DVC cannot read it.
    """
    from dvc.utils.hydra import to_hydra_overrides
    from hydra.errors import HydraException

    try:
        to_hydra_overrides([text])
    except HydraException as error:
        remedy = "write key=value, and a value with signs such as ( or ü as \"key='value'\""
        raise ParamsError("DVC cannot read this change", quote(text, 200), remedy) from error
    return text if text[:1] in {"+", "~"} else f"++{text}"
