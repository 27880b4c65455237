"""The page as HTML."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import pytest
from make_cards import HOSTILE, card, example
from make_run import TEST, Run
from parsed_page import ParsedPage

from steelcli.reporting.page import build_page
from steelcli.reporting.render import SCRIPTS, render_page
from steelcli.reporting.stage_files import read_results


def render(run: Run, *, cards: int = 2, name: str = HOSTILE) -> str:
    shown = [card(image=name if place == 0 else f"{place}.jpg") for place in range(cards)]
    shown[:1] = [card(image=name, classes=(name,), kinds=("false alarm",))]
    results = read_results(run.metrics_dir, run.models_dir)
    page = build_page(results, name, 4, shown, [example(image=name, classes=())])
    return render_page(page, 4)


def test_only_the_pages_own_style_and_scripts_are_allowed(text: str) -> None:
    policy = re.search('Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    allowed = policy[1].replace("&#39;", "'")
    assert "unsafe" not in allowed
    assert "default-src 'none'" in allowed
    scripts = re.findall("<script>(.*?)</script>", text, re.DOTALL)
    styles = re.findall("<style>(.*?)</style>", text, re.DOTALL)
    assert (len(scripts), len(styles)) == (len(SCRIPTS), 1)
    for inline in (*scripts, *styles):
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in allowed
    assert not re.search(r"<[^>]* (style|on\w+)=", text.partition("<script")[0])


@pytest.mark.usefixtures("no_charts")
def test_hostile_names_stay_text(run: Run) -> None:
    page = render(run)
    assert "<img src=x" not in page
    parsed = ParsedPage(page)
    assert parsed.tags.count("script") == len(SCRIPTS) + 1
    assert parsed.tags.count("img") == 3
    assert HOSTILE in parsed.text
    data = re.search('<script type="application/json" id="data">(.*?)</script>', page)
    assert data
    assert json.loads(data[1])["cards"][0]["classes"] == [HOSTILE]


@pytest.mark.usefixtures("no_charts")
def test_cards_say_what_holds_at_the_learned_point(run: Run) -> None:
    shown = ParsedPage(render(run, name="a.jpg")).text
    assert "Dice 0.4321" in shown
    assert "1 defect missed" in shown
    assert "7 px wrongly predicted" in shown
    assert "false alarm 1" in shown


def test_what_needs_the_script_is_hidden_without_it(text: str) -> None:
    assert text.count("data-script") > 10
    for tag in re.findall(r"<[^>]*\bdata-script\b[^>]*>", text.partition("<script")[0]):
        assert " hidden" in tag
    for tag in re.findall(r"<(?:input|button|select)[^>]*>", text.partition("<dialog")[0]):
        assert "data-script" in tag or "id=" in tag or "data-" in tag


def test_the_live_numbers_are_those_of_the_learned_point_at_first(text: str) -> None:
    assert '<span data-value="dice">0.7623</span>' in text
    assert '<small data-value="clean_false_alarm_count">109 of 591</small>' in text


@pytest.mark.usefixtures("no_charts")
def test_a_page_without_pictures_says_so(run: Run) -> None:
    page = run.page()
    assert "No pictures" in page
    assert 'class="card"' not in page


@pytest.mark.usefixtures("no_charts")
@pytest.mark.parametrize(("defects", "is_told"), [(0, True), (591, False), (1257, True)])
def test_without_both_kinds_of_images_no_cost_is_told(
    run: Run, defects: int, is_told: bool
) -> None:
    run.write_metrics("test", TEST | {"defect_images": defects})
    assert ("No cost without test images of both kinds" in run.page()) == is_told
