"""Say what is installed, what fits, what stands in the way, and what to do."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict

from steelcli.commands.examine_machine import examine_cores, examine_device, examine_disks
from steelcli.commands.examine_packages import (
    examine_hub,
    examine_packages,
    examine_torchvision,
    examine_weights,
)
from steelcli.commands.examine_project import examine_dvc, examine_git
from steelcli.commands.finding import Finding
from steelcli.common.errors import RunError, quote
from steelcli.common.progress import put, say
from steelcli.reporting.table import Table, show_tables

EXAMINATIONS: dict[str, Callable[[], Iterable[Finding]]] = {
    "packages": examine_packages,
    "torch and torchvision": examine_torchvision,
    "device": examine_device,
    "weights": examine_weights,
    "hub": examine_hub,
    "git": examine_git,
    "dvc": examine_dvc,
    "cores and memory": examine_cores,
    "disks": examine_disks,
}


def doctor() -> list[Finding]:
    """Return what was found on this machine and in this folder; what cannot be examined says so."""
    findings: list[Finding] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for topic, examine in EXAMINATIONS.items():
            try:
                for finding in examine():
                    findings.append(finding)  # so that those before an exception are kept
            except Exception as error:  # what a broken package raises; it is told, not hidden
                reason = quote(f"{type(error).__name__}: {error}", 120)
                remedy = "mend the other findings first"
                findings.append(Finding(topic, "note", f"not examined ({reason})", remedy))
    return findings


def show_findings(findings: Sequence[Finding], as_json: bool) -> None:
    """Print a table on a terminal, a line each elsewhere, or all as one JSON object.

    Raises:
        RunError: something stops steelcli from working; told once more after all is printed.
    """
    problems = [finding for finding in findings if finding.state == "problem"]
    if as_json:
        whole = {"works": not problems, "findings": [asdict(finding) for finding in findings]}
        put(json.dumps(whole, indent=2))
    elif sys.stdout and sys.stdout.isatty():
        rows = [(find.topic, find.state, _join(find)) for find in findings]
        show_tables([Table("This machine and this folder", ("what", "is", "meaning"), tuple(rows))])
    else:
        for find in findings:
            say(f"{find.state}: {find.topic}: {_join(find)}")
    if problems:
        topics = ", ".join(finding.topic for finding in problems)
        raise RunError("steelcli cannot work here", topics, problems[0].remedy)


def _join(finding: Finding) -> str:
    return "; ".join(filter(None, (finding.says, finding.remedy)))
