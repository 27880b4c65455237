"""The pipeline: two `dvc exp run` of one epoch on a handful of images, in a temporary clone.

Their stages are forked from a process that has the imports; the last test runs real ones.
"""

from __future__ import annotations

import json
import re
import shlex

import pytest
from clone import Clone
from closure import ROOT

TINY = (
    "data.limit=2",
    "data.image_size=[128,32]",
    "model.decoder_channels=[16,8,8,8,4]",
    "train.epochs=1",
    "train.batch_size=2",
    "train.workers=0",
    "evaluate.timing_images=1",
)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    clone = Clone(tmp_path_factory.mktemp("clone"))
    clone.draw_fewer_images()
    changes = [word for change in TINY for word in ("-S", change)]
    with clone.forked_stages(tmp_path_factory.mktemp("stages")):
        clone("dvc", "exp", "run", "-n", "hi", *changes)
        clone("dvc", "exp", "run", "-n", "lo", *changes, "-S", "train.lr=1e-4")
    return clone


def test_two_experiments_differ_by_their_learning_rate(clone: Clone) -> None:
    params = json.loads(clone("dvc", "params", "diff", "hi", "lo", "--json"))
    assert params["params.yaml"]["train.lr"] == {"old": 0.001, "new": 0.0001, "diff": -0.0009}
    metrics = json.loads(clone("dvc", "metrics", "diff", "hi", "lo", "--json"))
    assert metrics["metrics/train.json"]["val_loss"]["diff"] != 0
    assert "auprc" in metrics["metrics/test.json"]
    assert "lo" in clone("dvc", "exp", "show", "--csv")
    assert "index.html" in clone("dvc", "plots", "diff", "hi", "lo")


def read_block(page: str, start: str) -> list[str]:
    """Return the commands of the fenced block of a page that holds ``start``."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (block,) = [block for block in blocks if start in block]
    return [line.partition("  #")[0].strip() for line in block.splitlines()]


def test_the_views_of_the_pages_fit_80_columns(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(clone.env, "COLUMNS", "80")
    views = read_block("docs/parameters.md", "dvc exp show")
    views += [line for line in read_block("README.md", "dvc metrics diff") if "diff" in line]
    assert len(views) == 4
    names = {"light": "hi", "mine": "hi", "slower": "lo"}
    for view in views:
        output = clone(*(names.get(word, word) for word in shlex.split(view)))
        lines = output.splitlines()
        assert max(map(len, lines)) <= 80, view
        assert "…" not in output
        assert len(lines) > 1
        if "exp show" in view:
            for text in ("[hi]", "[lo]", "optimal.dice", "train.lr", "0.0001"):
                assert text in output


def test_the_points_of_two_runs_need_no_page(clone: Clone) -> None:
    plots = json.loads(clone("dvc", "plots", "diff", "hi", "lo", "--json"))
    (loss,) = plots["data"]["loss"]
    assert loss["revisions"] == ["hi", "lo"]
    assert "train_loss" in json.dumps(loss["content"])
    assert '"title": "loss, mean over the epoch"' in json.dumps(loss["content"])
    pictures = [plots["data"][name] for name in plots["data"] if name.endswith(".png")]
    revisions = [picture["revisions"] for of_both in pictures for picture in of_both]
    assert ["hi"] in revisions
    assert ["lo"] in revisions


def test_two_experiments_compare_by_name(clone: Clone) -> None:
    commits = [
        clone(
            "git", "for-each-ref", "--format=%(objectname:short=10)", f"refs/exps/*/*/{name}"
        ).strip()
        for name in ("hi", "lo")
    ]
    output = clone("steelcli", "compare", "hi", "lo")
    for name, commit in zip(("hi", "lo"), commits, strict=True):
        assert f"{name} (metrics/test_images.csv at {commit})" in output
    assert "images, " in output


def test_an_experiment_holds_no_image(clone: Clone) -> None:
    (commit,) = clone("git", "for-each-ref", "--format=%(refname)", "refs/exps/*/*/hi").split()
    names = clone("git", "ls-tree", "-r", "--name-only", commit).split()
    assert "metrics/test.json" in names
    assert not [name for name in names if name.startswith(("data/synthetic/project", "models"))]


def test_the_second_run_left_its_results(clone: Clone) -> None:
    settings = json.loads((clone.clone_dir / "models" / "args.json").read_text(encoding="utf-8"))
    assert settings["train"]["lr"] == 1e-4
    assert (clone.clone_dir / "reports" / "report.html").exists()
    assert "nothing" in clone("dvc", "status") or "up to date" in clone("dvc", "status")


def test_the_same_run_again_does_nothing(clone: Clone) -> None:
    before = (clone.clone_dir / "models" / "args.json").read_text(encoding="utf-8")
    output = clone("dvc", "repro")
    assert "didn't change, skipping" in output
    assert (clone.clone_dir / "models" / "args.json").read_text(encoding="utf-8") == before


def test_changing_the_report_writes_it_alone(clone: Clone) -> None:
    params_path = clone.clone_dir / "params.yaml"
    text = params_path.read_text(encoding="utf-8")
    assert "title: Steel defects" in text
    params_path.write_text(text.replace("title: Steel defects", "title: Another"), encoding="utf-8")
    stale = ["check-params", "report"]
    assert list(json.loads(clone("dvc", "status", "--json"))) == stale
    assert re.findall(r"Running stage '([^']+)'", clone("dvc", "repro")) == stale
    report = (clone.clone_dir / "reports" / "report.html").read_text(encoding="utf-8")
    assert "<title>Another" in report
