"""The page as HTML that needs no other file: templates, style and scripts in one."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from functools import partial

import jinja2
from markupsafe import Markup

from steelcli.reporting.card_choice import KINDS
from steelcli.reporting.charts import draw_chart
from steelcli.reporting.page import Page
from steelcli.reporting.table import format_number

STYLES = ("page.css", "gallery.css")
SCRIPTS = ("points.js", "gallery.js", "page.js", "start.js")
"""In the order that they run in."""


def render_page(page: Page, decimals: int) -> str:
    """Return the page as HTML.

    Its content security policy allows the page's own style and scripts by their digests, pictures
    inside the page, and nothing else: what a name of a user might smuggle in stays inert.
    """
    loader = jinja2.PackageLoader("steelcli.reporting")
    environment = jinja2.Environment(
        loader=loader,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )

    def read(name: str) -> str:
        return loader.get_source(environment, name)[0]

    style = "".join(map(read, STYLES))
    scripts = [read(name) for name in SCRIPTS]
    counts = Counter(kind for card in page.cards for kind in card.kinds)
    return environment.get_template("report.html").render(
        page=page,
        policy=_build_policy(style, scripts),
        style=Markup(style),
        scripts=[Markup(script) for script in scripts],
        data=Markup(page.data),
        draw_chart=draw_chart,
        format=partial(format_number, decimals=decimals),
        terms={term.key for term in page.terms},
        kinds=[(kind, counts[kind]) for kind in KINDS if kind in counts],
        card_classes=sorted({title for card in page.cards for title in card.classes}),
    )


def _build_policy(style: str, scripts: list[str]) -> str:
    script_digests = " ".join(map(_digest, scripts))
    parts = (
        "default-src 'none'",
        f"script-src {script_digests}",
        f"style-src {_digest(style)}",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    )
    return "; ".join(parts)


def _digest(text: str) -> str:
    """Return the source expression of an inline element (CSP level 3, section 2.3.1)."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
