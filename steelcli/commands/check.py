"""`steelcli check`: read a data set as `prepare` does, write nothing, say what is there."""

from __future__ import annotations

from steelcli.data.raw.survey import Survey, survey
from steelcli.data.raw.suspicions import Finding, inspect
from steelcli.params.data import DataParams


def check(params: DataParams) -> Survey[Finding]:
    """Read the data set under ``params.root``.

    Raises:
        DataError: the data set as a whole cannot be read.
    """
    return survey(params.model_copy(update={"color": "rgb"}), inspect)
