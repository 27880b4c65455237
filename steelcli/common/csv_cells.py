"""Text in a csv that no spreadsheet takes for a formula.

Excel, LibreOffice and Google Sheets run a cell that begins so, and a file name may. The apostrophe
in front is what OWASP advises ("CSV injection").
"""

from __future__ import annotations

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r＝＋－＠]")
"""Full-width signs count too, and apostrophes in front, so that each text comes back as it was."""


def protect(text: str) -> str:
    """Return a cell's text, with an apostrophe in front where it could be a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def restore(cell: str) -> str:
    """Return the text that `protect` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
