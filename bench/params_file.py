"""Write a copy of the committed ``params.yaml`` with some values changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]


def write_params(path: Path, changes: Mapping[str, Any]) -> None:
    """Write the committed parameters, with those of these dotted names changed.

    Raises:
        KeyError: there is no such parameter.
    """
    yaml = YAML()
    values = yaml.load(ROOT / "params.yaml")
    for name, value in changes.items():
        *parents, key = name.split(".")
        section = values
        for parent in parents:
            section = section[parent]
        if key not in section:
            raise KeyError(name)
        section[key] = value
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(values, file)
