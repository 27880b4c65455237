"""The choice of defect classes by title, the same for every raw format."""

from __future__ import annotations

from collections.abc import Sequence

from steelcli.common.errors import ParamsError

MAX_CLASSES = 64
"""The truth of a pixel is stored in that many bits."""


def choose_classes(known: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """Return the wanted titles in the order of the known ones; all of them when none is named.

    Raises:
        ParamsError: a wanted title that the data does not know, or too many classes.
    """
    for title in wanted:
        if title not in known:
            raise ParamsError(
                f"unknown class {title!r}",
                "data.classes",
                f"known here: {', '.join(known) or 'none'}",
            )
    chosen = tuple(title for title in known if title in wanted or not wanted)
    if len(chosen) > MAX_CLASSES:
        what = f"{len(chosen)} classes, at most {MAX_CLASSES} fit"
        raise ParamsError(what, "data.classes", "name those to read")
    return chosen
