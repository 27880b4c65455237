"""How to repeat a run."""

from __future__ import annotations

from make_run import GROUP, TEST

from steelcli.reporting.repeat import build_terms, list_commands


def test_commands_begin_at_the_commit() -> None:
    commit = "3f1e" * 10
    assert list_commands({"run.code": commit})[0] == f"git checkout {commit}"
    changed = list_commands({"run.code": f"{commit}+"})
    assert changed[:2] == [
        f"git checkout {commit}",
        "# files differed, such as params.yaml after -S: see `dvc exp apply`",
    ]
    assert changed[-1] == "steelcli report"


def test_a_code_that_is_no_commit_is_never_a_command() -> None:
    for settings in ({}, {"run.code": "unknown"}, {"run.code": "x; rm -r ~"}):
        assert list_commands(settings)[0] == "# the commit of the code is not known"
        assert "rm" not in " ".join(list_commands(settings))


def test_every_number_of_the_test_split_has_a_meaning() -> None:
    terms = {term.key: term.meaning for term in build_terms()}
    groups = {key for key, value in TEST.items() if isinstance(value, dict)}
    explained_elsewhere = {"auprc_low", "auprc_high"}
    assert set(GROUP) | set(TEST) - groups - explained_elsewhere <= set(terms)
    assert all(terms.values())
