"""Ask git: the current revision, and files of others. A DVC experiment is one, under refs/exps."""

from __future__ import annotations

import os
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


def list_experiments() -> list[str]:
    """Return the names of the DVC experiments that the git repository keeps, some names twice."""
    listed = _git("for-each-ref", "--format=%(refname)", "refs/exps") or b""
    references = listed.decode(errors="replace").splitlines()
    matches = [_EXPERIMENT.fullmatch(reference) for reference in references]
    return [match[3] for match in matches if match]


def count_experiments() -> int:
    """Return how many DVC experiments the git repository keeps."""
    return len(list_experiments())


def read_revision(commit: str, path: Path) -> bytes | None:
    """Return the file ``path`` as committed there; None where it is not, or in no repository."""
    if path.is_absolute():
        path = Path(os.path.relpath(path.parent.resolve() / path.name))
    return _git("show", f"{commit}:./{path.as_posix()}")


def explain_no_git() -> str | None:
    """Return in words why there is no revision here, or None where git has a commit."""
    try:
        done = subprocess.run(["git", "rev-parse", "--git-dir"], capture_output=True, check=False)
    except OSError:
        return "git is not installed"
    if done.returncode:
        reason = quote(done.stderr.decode(errors="replace").partition("\n")[0], 120)
        return f"there is no git repository ({reason})"
    if _git("rev-parse", "--verify", "--quiet", "HEAD") is None:
        return "the git repository has no commit yet"
    return None


def _git(*arguments: str) -> bytes | None:
    """Return what git prints, or None where it fails or is not there."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    except (OSError, ValueError):  # no git, or a name with a NUL, which is the name of nothing
        return None
    return done.stdout if done.returncode == 0 else None


def code_revision() -> str:
    """Return the commit of the working directory, with ``+`` where files differ; empty without."""
    commit = (_git("rev-parse", "HEAD") or b"").decode().strip()
    return f"{commit}+" if commit and has_changes() else commit


def has_changes() -> bool:
    """Tell whether files that git tracks differ from the current commit."""
    return bool(_git("status", "--porcelain", "-uno"))


SET_IDENTITY = (
    "run `git config --global user.name NAME` and `git config --global user.email ADDRESS`"
)


def has_identity() -> bool:
    """Tell whether a name and an address are set for commits where DVC looks for them."""
    variables = [os.environ.get(f"GIT_COMMITTER_{part}") for part in ("NAME", "EMAIL")]
    settings = [(_git("config", f"user.{part}") or b"").strip() for part in ("name", "email")]
    return all(variables) or all(settings)


def is_tracked(path: Path) -> bool:
    """Tell whether git tracks a file or something in a folder."""
    return bool(_git("ls-files", "--", str(path)))


def has_experiment(name: str) -> bool:
    """Tell whether a DVC experiment of this name started from the current commit."""
    head = (_git("rev-parse", "HEAD") or b"").decode().strip()
    return _git("show-ref", "--verify", f"refs/exps/{head[:2]}/{head[2:]}/{name}") is not None
