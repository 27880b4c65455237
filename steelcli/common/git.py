"""Files of other git revisions, DVC experiments among them, which are git references under
refs/exps."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from steelcli.common.errors import RunError, quote

_EXPERIMENT = re.compile(r"refs/exps/([0-9a-f]{2})/([0-9a-f]{38})/([^/]+)")
"""A DVC experiment: the commit it started from, then its name."""


def find_revision(name: str) -> str | None:
    """Return the commit that a git revision or a DVC experiment names, or None.

    As in DVC a git revision goes first, then the experiment that started from the current commit.

    Raises:
        RunError: experiments of that name started from several other commits.
    """
    commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if commit is not None:
        return commit.decode().strip()
    listed = _git("for-each-ref", "--format=%(objectname) %(refname)", "refs/exps") or b""
    found: dict[str, str] = {}
    for line in listed.decode(errors="replace").splitlines():
        commit_id, _, reference = line.partition(" ")
        match = _EXPERIMENT.fullmatch(reference)
        if match and match[3] == name:
            found[match[1] + match[2]] = commit_id
    head = (_git("rev-parse", "HEAD") or b"").decode().strip()
    if len(found) > 1 and head not in found:
        commits = ", ".join(sorted(commit_id[:10] for commit_id in found.values()))
        raise RunError(
            "several experiments have this name", name, f"name one by its commit: {commits}"
        )
    return found.get(head, next(iter(found.values()), None))


def read_revision(commit: str, path: Path) -> bytes | None:
    """Return the content of ``path``, relative to the working folder, as committed, or None where
    it is not."""
    return _git("show", f"{commit}:./{path.as_posix()}")


def explain_no_git() -> str | None:
    """Return why no revision can be looked up here at all, in words, or None where git has a commit
    to show."""
    try:
        done = subprocess.run(["git", "rev-parse", "--git-dir"], capture_output=True, check=False)
    except OSError:
        return "git is not installed, so no revision can be looked up"
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        return f"there is no git repository to look for a revision in ({quote(lines[0] if lines else 'git', 120)})"
    return (
        None
        if _git("rev-parse", "--verify", "--quiet", "HEAD")
        else "the git repository has no commit yet"
    )


def _git(*arguments: str) -> bytes | None:
    """Return what git prints, or None where it fails or is not there."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    except (OSError, ValueError):  # no git, or a name with a NUL, which is the name of nothing
        return None
    return done.stdout if done.returncode == 0 else None


def code_revision() -> str:
    """Return the git commit of the working directory, with ``+`` where files differ from it; empty
    without git."""
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return (
            ""  # an installed package outside a repository has no revision; the version says enough
        )
    return commit + ("+" if changed.stdout.strip() else "")
