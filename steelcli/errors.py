"""The errors a user can mend. Each says what is wrong, where, and what to do, in one sentence."""

from __future__ import annotations


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
        return f"{self.what}: {self.where}; {self.remedy}."


class ParamsError(UserError):
    """A value or key of ``params.yaml``; ``where`` is its dotted name."""


class DataError(UserError):
    """A raw image, an annotation, a csv or the prepared store; ``where`` is the file."""


class ModelError(UserError):
    """An encoder, weights or a checkpoint."""


class RunError(UserError):
    """The run itself: a loss that is not finite, a missing stage input, a full disk."""


class Interrupted(Exception):  # noqa: N818  (no error: what the user asked for)
    """The user asked to stop and all is saved; the command line exits with 128 + the signal's number."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = 128 + number
