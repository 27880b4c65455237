"""The errors a user can mend. Each says what is wrong, where, and what to do, in one sentence."""

from __future__ import annotations

import unicodedata

_UNSEEN = ("Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp")  # control, direction marks, halves of pairs, line ends
_LONGEST, _LONGEST_PLACE = 600, 1200  # characters of a clause, of a path


def visible(text: str, longest: int) -> str:
    """Return a text from outside fit for one line: unseen characters escaped, the middle of a long one left out."""
    if len(text) > longest:
        text = f"{text[: longest // 2 - 2]}[…]{text[-(longest - longest // 2 - 1) :]}"
    if text.isprintable():
        return text
    return "".join(_escape(char) if unicodedata.category(char) in _UNSEEN else char for char in text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


class UserError(Exception):
    """Base of all errors the command line shows as one sentence with exit code 1.

    What the clauses quote from files and names is made safe to print here: see `visible`.

    Args:
        what: the clause that says what is wrong, without a full stop.
        where: the file, dotted parameter name or image it was found at.
        remedy: the clause that says what to do, imperative, without a full stop.
    """

    def __init__(self, what: str, where: object, remedy: str) -> None:
        self.what, self.remedy = visible(what, _LONGEST), visible(remedy, _LONGEST)
        self.where = visible(str(where), _LONGEST_PLACE)
        super().__init__(self.what, self.where, self.remedy)

    def __str__(self) -> str:
        return f"{self.what}: {self.where}; {self.remedy}."


class ParamsError(UserError):
    """A value or key of ``params.yaml``; ``where`` is its dotted name."""


class DataError(UserError):
    """A raw image, an annotation, a csv or the prepared store; ``where`` is the file."""


class ModelError(UserError):
    """An encoder, weights or a checkpoint."""


class RunError(UserError):
    """The run itself: a loss that is not finite, a missing stage input, a full disk."""
