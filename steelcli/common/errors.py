"""The errors a user can mend. Each says what is wrong, where, and what to do, in one sentence."""

from __future__ import annotations

MAX_CLAUSE = 1000
"""Characters shown of each clause: a message stays readable whatever a file holds."""


def escape(text: str) -> str:
    """Escape what acts on a terminal instead of being shown, as Python writes it in a string.

    Control characters among them line breaks, marks of writing direction, halves of characters.
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def quote(value: object, max_length: int = 60) -> str:
    """Return a value as one short line: what cannot be printed is escaped, the middle left out."""
    text = str(value)
    if len(text) > max_length:
        head = (max_length - 1) // 2
        text = f"{text[:head]}…{text[len(text) - (max_length - 1 - head) :]}"
    return escape(text)


class UserError(Exception):
    """Base of all errors the command line shows as one sentence with exit code 1.

    Args:
        what: the clause that says what is wrong, without a full stop.
        where: the file, dotted parameter name or image it was found at.
        remedy: the clause that says what to do, imperative, without a full stop.
    """

    def __init__(self, what: str, where: object, remedy: str) -> None:
        self.what, self.where, self.remedy = what, str(where), remedy
        super().__init__(what, self.where, remedy)

    def __str__(self) -> str:
        what, where = quote(self.what, MAX_CLAUSE), quote(self.where, MAX_CLAUSE)
        return f"{what}: {where}; {quote(self.remedy, MAX_CLAUSE)}."


class ParamsError(UserError):
    """A value or key of ``params.yaml``; ``where`` is its dotted name."""


class DataError(UserError):
    """A raw image, an annotation, a csv or the prepared store; ``where`` is the file."""


class ModelError(UserError):
    """An encoder, weights or a checkpoint."""


class RunError(UserError):
    """The run itself: a loss that is not finite, a missing stage input, a full disk."""


class Interrupted(Exception):  # noqa: N818  (no error: what the user asked for)
    """The user asked to stop and all is saved; the exit code is 128 + the signal's number."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = 128 + number
