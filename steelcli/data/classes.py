"""The choice of defect classes by title, the same for every raw format."""

from __future__ import annotations

from collections.abc import Sequence

from steelcli.errors import ParamsError


def choose_classes(known: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """Return the wanted titles in the order of the known ones; all of them when none is named.

    Raises:
        ParamsError: a wanted title that the data does not know.
    """
    for title in wanted:
        if title not in known:
            raise ParamsError(f"unknown class {title!r}", "data.classes", f"known here: {', '.join(known) or 'none'}")
    return tuple(title for title in known if title in wanted or not wanted)
