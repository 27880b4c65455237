"""The real pipeline: two `dvc exp run` of one epoch on a handful of images, in a temporary
clone."""

from __future__ import annotations

import json

import pytest
from clone import Clone

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


def test_the_second_run_left_its_results(clone: Clone) -> None:
    settings = json.loads((clone.clone_dir / "models" / "args.json").read_text(encoding="utf-8"))
    assert settings["train"]["lr"] == 1e-4
    assert (clone.clone_dir / "reports" / "report.html").exists()
    assert "nothing" in clone("dvc", "status") or "up to date" in clone("dvc", "status")


def test_changing_the_report_does_not_train_again(clone: Clone) -> None:
    params_path = clone.clone_dir / "params.yaml"
    text = params_path.read_text(encoding="utf-8")
    assert "title: Steel defects" in text
    params_path.write_text(text.replace("title: Steel defects", "title: Another"), encoding="utf-8")
    stale = json.loads(clone("dvc", "status", "--json"))
    params_path.write_text(text, encoding="utf-8")
    assert list(stale) == ["report"]


def test_the_same_run_again_does_nothing(clone: Clone) -> None:
    before = (clone.clone_dir / "models" / "args.json").read_text(encoding="utf-8")
    output = clone("dvc", "repro")
    assert "didn't change, skipping" in output
    assert (clone.clone_dir / "models" / "args.json").read_text(encoding="utf-8") == before
