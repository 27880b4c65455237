"""`steelcli check`: read a data set as `prepare` does, write nothing, say what is there."""

from __future__ import annotations

from pathlib import Path

from steelcli.common.errors import DataError
from steelcli.data.raw.survey import Survey, survey
from steelcli.data.raw.suspicions import Finding, inspect
from steelcli.params.data import DataParams


def check(params: DataParams) -> Survey[Finding]:
    """Read the data set under ``params.root``.

    Raises:
        DataError: no such folder, or the data set as a whole cannot be read.
    """
    if not Path(params.root).is_dir():
        raise DataError("folder not found", params.root, "name the folder that holds the data set")
    return survey(params.model_copy(update={"color": "rgb"}), inspect)
