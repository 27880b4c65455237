"""The pages are short, and what they name exists: files, make targets, commands, parameters."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
import typer
import yaml
from closure import ROOT

from steelcli.cli import app

README = ROOT / "README.md"
PAGES = sorted([README, ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
MAX_WORDS, MAX_README_WORDS = 900, 700
MAX_IMAGE_BYTES = 150_000
LINK = re.compile(r"\]\(([^)\s]+)\)")


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def heading_anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def iter_code(text: str) -> list[str]:
    """Return the fenced blocks and the inline code of a page, line continuations joined."""
    blocks = re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^```\n.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [block.replace("\\\n", " ") for block in blocks] + re.findall(r"`([^`\n]+)`", rest)


def known_parameters() -> set[str]:
    """Return every dotted name of params.yaml, sections included."""
    names = set()

    def visit(prefix: str, value: object) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                names.add(f"{prefix}{key}")
                visit(f"{prefix}{key}.", inner)

    visit("", yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8")))
    return names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_short(page: Path) -> None:
    limit = MAX_README_WORDS if page == README else MAX_WORDS
    assert len(read(page).split()) <= limit


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(read(page)):
        if link.startswith(("https://", "http://")):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.is_file(), link
        assert not anchor or anchor in heading_anchors(read(target)), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_needs_no_files_from_outside(page: Path) -> None:
    assert "../shared" not in read(page)
    for name in LINK.findall(read(page)):
        assert not name.startswith("/")


def test_every_page_stands_in_the_readme() -> None:
    linked = set(LINK.findall(read(README)))
    reached = {name for name in linked if name.endswith(".md")}
    for name in list(reached):
        page = ROOT / name
        reached |= {f"docs/{link}" for link in LINK.findall(read(page)) if "/" not in link}
    for page in PAGES:
        assert page == README or page.relative_to(ROOT).as_posix() in reached, page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_exists(page: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    for code in iter_code(read(page)):
        for name in re.findall(r"^\s*make ([a-z-]+)", code, re.MULTILINE):
            assert name in targets, f"make {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_exists(page: Path) -> None:
    for code in iter_code(read(page)):
        for name, rest in re.findall(r"\bsteelcli ([a-z][a-z-]*)([^\n#]*)", code):
            assert name in COMMANDS, f"steelcli {name}"
            known = {option for parameter in COMMANDS[name].params for option in parameter.opts}
            options = {word for word in rest.split() if word.startswith("--")}
            assert options <= known, f"steelcli {name}{rest}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_import_works(page: Path) -> None:
    for code in iter_code(read(page)):
        for module, name in re.findall(r"from (steelcli[\w.]*) import (\w+)", code):
            assert hasattr(importlib.import_module(module), name), f"{module}.{name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_parameter_that_a_command_sets_exists(page: Path) -> None:
    known = known_parameters()
    for code in iter_code(read(page)):
        for name in re.findall(r"-S '?([\w.]+)=", code):
            assert name in known, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_parameter_that_a_page_names_exists(page: Path) -> None:
    known = known_parameters()
    sections = "|".join(name for name in known if "." not in name)
    for code in iter_code(read(page)):
        found = re.fullmatch(rf"((?:{sections})\.[a-z_.]+)(:.*)?", code)
        if found and not found[1].endswith((".py", ".json", ".yaml", ".csv")):
            assert found[1] in known, found[1]


def test_every_target_says_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):(.*)$", makefile, re.MULTILINE)
    assert targets
    for name, rest in targets:
        assert "## " in rest, name


def test_pictures_are_small() -> None:
    pictures = list((ROOT / "docs" / "images").iterdir())
    assert pictures
    for path in pictures:
        assert path.stat().st_size <= MAX_IMAGE_BYTES, path
        pages = [README, *(ROOT / "docs").glob("*.md")]
        assert any(path.name in read(page) for page in pages), path
