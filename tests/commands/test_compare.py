"""`compare` from names to the table: files, git revisions, experiments, refusals, the plot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest
import yaml
from closure import ROOT
from make_params import report_params
from typer.testing import CliRunner

from steelcli.cli import app
from steelcli.commands.compare import compare
from steelcli.common.errors import RunError
from steelcli.common.outputs import write_csv, write_json
from steelcli.reporting.comparison import build_comparison, load_images
from steelcli.reporting.table import Table
from steelcli.scores.bootstrap import METRICS
from steelcli.scores.columns import IMAGE_COLUMNS

PARAMS = report_params()


def rows(*counts: tuple[int, int, int]) -> list[dict[str, Any]]:
    return [
        {
            "image": f"img/{index}.jpg",
            "defect_pixels": tp + fn,
            "tp": tp,
            "fp": fp,
            "fn": fn,
            "iou": 0,
            "dice": 0,
            "detected": int(tp + fp > 0),
        }
        for index, (tp, fp, fn) in enumerate(counts)
    ]


ONE = rows((50, 10, 50), (30, 0, 10), (0, 0, 0), (0, 4, 0), (80, 5, 20))
OTHER = rows((70, 10, 30), (35, 0, 5), (0, 0, 0), (0, 0, 0), (85, 5, 15))


def write(work_dir: Path, name: str, table: list[dict[str, Any]]) -> None:
    write_csv(work_dir / "metrics" / f"{name}_images.csv", table, IMAGE_COLUMNS)
    write_json(work_dir / "metrics" / f"{name}.json", {"images": len(table)})


@pytest.fixture
def work_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with two scored models in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    write(tmp_path, "one", ONE)
    write(tmp_path, "other", OTHER)
    return tmp_path


def git(*arguments: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    return subprocess.run(
        ["git", *identity, *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture
def repository(work_dir: Path) -> Path:
    """A repository whose branch ``old`` has the table ONE, whose HEAD has OTHER, with the
    experiment ``lower``."""
    git("init", "-q")
    for branch, table in (("old", ONE), ("new", OTHER)):
        git("checkout", "-qb", branch)
        write(work_dir, "test", table)
        git("add", "metrics/test_images.csv", "metrics/test.json")
        git("commit", "-qm", branch)
    add_experiment("lower", base="new", commit="old")
    (work_dir / "metrics" / "test_images.csv").unlink()
    return work_dir


def add_experiment(name: str, base: str, commit: str) -> None:
    """Make the reference that DVC gives to an experiment which started from ``base``."""
    start = git("rev-parse", base)
    git("update-ref", f"refs/exps/{start[:2]}/{start[2:]}/{name}", commit)


def values(a: str, b: str) -> dict[str, tuple[float | None, float | None]]:
    return {row.metric: (row.a, row.b) for row in compare(a, b, PARAMS).differences}


@pytest.mark.usefixtures("work_dir")
def test_two_files() -> None:
    comparison = compare("one", "other", PARAMS)
    assert (len(comparison.a.images), comparison.defect_images) == (5, 3)
    by_metric = {row.metric: row for row in comparison.differences}
    assert tuple(by_metric) == METRICS
    recall, dice = by_metric["recall"], by_metric["dice"]
    assert (recall.a, recall.b) == (160 / 240, 190 / 240)
    assert dice.b is not None
    assert dice.b == pytest.approx((140 / 180 + 70 / 75 + 1 + 1 + 170 / 190) / 5)
    assert (by_metric["clean_false_alarm"].a, by_metric["clean_false_alarm"].b) == (1 / 2, 0)
    assert (by_metric["image_precision"].a, by_metric["image_precision"].b) == (3 / 4, 1)
    shares = {row[0]: row[1:] for row in build_comparison(comparison, 4)[1].rows}
    assert shares["image_precision"][0::2] == ("3 of 4", "3 of 3")  # each model its own
    assert shares["image_recall"][0::2] == ("3 of 3", "3 of 3")


def test_few_images_give_the_difference_alone_and_many_an_interval(work_dir: Path) -> None:
    """Two defect images, both better, were p = 0.0002."""
    truth = [(50, 0, 50)] * 2 + [(0, 0, 0)] * 30
    better = [(90, 0, 10)] * 2 + [(0, 0, 0)] * 30
    write(work_dir, "a", rows(*truth))
    write(work_dir, "b", rows(*better))
    comparison = compare("a", "b", PARAMS)
    by_metric = {row.metric: row for row in comparison.differences}
    assert by_metric["dice_defect"].difference == pytest.approx(18 / 19 - 2 / 3)
    assert (by_metric["dice_defect"].images, by_metric["dice_defect"].p_value) == (2, None)
    assert by_metric["dice"].low is not None
    table, shares = build_comparison(comparison, 4)
    cells = {row[0]: row[1:] for row in table.rows}
    assert cells["dice_defect"] == ("2", "0.6667", "0.9474", "+0.2807", "–", "–", "–")
    assert "What rests on under 20 images has no interval and no p" in table.note
    assert {row[0]: row[1:] for row in shares.rows}["iou_75"] == (
        "0 of 2",
        "0.0000 to 0.6576",
        "2 of 2",
        "0.3424 to 1.0000",
    )
    many = compare_many(work_dir)
    assert all(row[-1] != "–" for row in many.rows)
    assert "What rests on under" not in many.note


def compare_many(work_dir: Path) -> Table:
    for name, table in (("a", ONE), ("b", OTHER)):
        counts = [(row["tp"], row["fp"], row["fn"]) for row in table]
        write(work_dir, name, rows(*counts * 10))
    return build_comparison(compare("a", "b", PARAMS), 4)[0]


def test_a_table_from_before_the_column_has_no_false_alarms(work_dir: Path) -> None:
    path = work_dir / "metrics" / "other_images.csv"
    write_csv(path, OTHER, IMAGE_COLUMNS[:-1])
    comparison = compare("one", "other", PARAMS)
    found = {row.metric: (row.a, row.b) for row in comparison.differences[-3:]}
    assert found == {
        "clean_false_alarm": (1 / 2, None),
        "image_recall": (1, None),
        "image_precision": (3 / 4, None),
    }
    assert "The table of other lacks the column detected" in build_comparison(comparison, 4)[0].note
    write_csv(path, [row | {"detected": 2} for row in OTHER], IMAGE_COLUMNS)
    with pytest.raises(RunError, match="no table of images"):
        compare("one", "other", PARAMS)


@pytest.mark.usefixtures("repository")
def test_revisions_and_experiments_give_what_the_files_give(
    capsys: pytest.CaptureFixture[str],
) -> None:
    expected = values("one", "other")
    for a in (
        "old",
        "new~1",
        git("rev-parse", "old"),
        git("rev-parse", "--short", "old"),
        "lower",
        "one",
    ):
        for b in ("new", "HEAD", "other"):
            assert values(a, b) == expected
    assert "at " + git("rev-parse", "old")[:10] in compare("lower", "new", PARAMS).a.source
    assert capsys.readouterr().out == ""


def test_an_experiment_of_this_commit_goes_before_one_of_another(repository: Path) -> None:
    expected = values("one", "other")
    add_experiment("twice", base="new", commit="old")
    add_experiment("twice", base="old", commit="new")
    assert values("twice", "new") == expected
    git("checkout", "-qfb", "third")
    git("commit", "-q", "--allow-empty", "-m", "third")
    with pytest.raises(
        RunError, match=rf"several experiments.*twice.*{git('rev-parse', 'old')[:10]}"
    ):
        compare("twice", "new", PARAMS)
    assert repository.is_dir()


def test_real_experiments_compare_by_name(work_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A DVC stage that copies one of the two tables, run as two experiments."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    stage = {
        "cmd": "cp tables/${which}.csv metrics/test_images.csv && cp params.yaml metrics/test.json",
        "deps": ["tables"],
        "params": ["which"],
        "outs": [
            {f"metrics/{name}": {"cache": False}} for name in ("test_images.csv", "test.json")
        ],
    }
    (work_dir / "dvc.yaml").write_text(
        yaml.safe_dump({"stages": {"evaluate": stage}}), encoding="utf-8"
    )
    (work_dir / "params.yaml").write_text("which: none\n", encoding="utf-8")
    (work_dir / "tables").mkdir()
    for name in ("one", "other"):
        (work_dir / "metrics" / f"{name}_images.csv").replace(work_dir / "tables" / f"{name}.csv")
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"], ["git", "add", "-A"]):
        subprocess.run(command, check=True, capture_output=True)
    git("commit", "-qm", "start")
    for name, which in (("first", "one"), ("second", "other")):
        subprocess.run(
            ["dvc", "exp", "run", "-n", name, "-S", f"which={which}"],
            check=True,
            capture_output=True,
        )
    by_name = values("first", "second")
    write(work_dir, "one", ONE)
    write(work_dir, "other", OTHER)
    assert by_name == values("one", "other")


def test_a_file_goes_before_a_revision_and_says_so(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(repository, "new", ONE)
    assert values("old", "new") == values("one", "one")
    assert capsys.readouterr().out.startswith(
        "note: new is a file and a git revision; taking the file metrics/new"
    )


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("name", ["nothing", "lowe", "refs/exps", "--help", "*", "", "old:metrics"])
def test_a_name_that_is_nothing_is_refused(name: str) -> None:
    with pytest.raises(RunError, match=r"neither metrics/.*_images.csv nor"):
        compare("one", name, PARAMS)


@pytest.mark.usefixtures("work_dir")
def test_without_git_only_files_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert values("one", "other")["recall"]
    with pytest.raises(RunError, match="git is not installed"):
        compare("one", "new", PARAMS)


@pytest.mark.usefixtures("work_dir")
def test_outside_a_repository_the_sentence_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(RunError, match="there is no git repository"):
        compare("one", "new", PARAMS)
    git("init", "-q")
    with pytest.raises(RunError, match="the git repository has no commit yet"):
        compare("one", "new", PARAMS)


def test_a_revision_without_the_table_is_refused(repository: Path) -> None:
    git("rm", "-q", "--cached", "metrics/test_images.csv")
    git("commit", "-qm", "Drop the table")
    with pytest.raises(RunError, match=r"holds no metrics/test_images.csv: HEAD"):
        compare("one", "HEAD", PARAMS)
    assert repository.is_dir()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (OTHER[::-1], r"number 1 is img/0.jpg and img/4.jpg: one, x"),
        (OTHER[:3], r"only one has img/3.jpg"),
        ([*OTHER, OTHER[0] | {"image": "img/5.jpg"}], r"only x has img/5.jpg"),
        (
            [*OTHER[:3], *rows(*[(0, 0, 0)] * 3, (0, 1, 1))[3:], OTHER[4]],
            r"the truth differs for img/3.jpg",
        ),
        (
            [OTHER[0] | {"defect_pixels": 7}, *OTHER[1:]],
            r"defect_pixels is not tp \+ fn for img/0.jpg",
        ),
        ([OTHER[0] | {"tp": "many"}], r"no table of images"),
        ([OTHER[0] | {"tp": -1, "fn": 101}], r"tp \+ fn"),
        ([], r"holds no image"),
    ],
)
def test_tables_that_do_not_fit_are_refused(
    work_dir: Path, table: list[dict[str, Any]], words: str
) -> None:
    write(work_dir, "x", table)
    with pytest.raises(RunError, match=words):
        compare("one", "x", PARAMS)


@pytest.mark.parametrize(
    "content", [b"", b"image,tp\n1,2\n", b"\xff\xfe", b"image,defect_pixels,tp,fp,fn\na,1\n"]
)
def test_a_file_that_is_no_table_is_refused(work_dir: Path, content: bytes) -> None:
    write(work_dir, "x", ONE)
    (work_dir / "metrics" / "x_images.csv").write_bytes(content)
    with pytest.raises(RunError, match=r"no table of images|no image"):
        compare("one", "x", PARAMS)


def test_the_plot_is_drawn_and_the_same_every_time(work_dir: Path) -> None:
    compare("one", "other", PARAMS, plot_path=work_dir / "dice.png")
    assert cv2.imread(str(work_dir / "dice.png")).shape[0] > 500
    pages = []
    for name in ("a.svg", "b.SVG"):
        compare("one", "other", PARAMS, plot_path=work_dir / "plots" / name)
        pages.append((work_dir / "plots" / name).read_bytes())
    assert pages[0].startswith(b"<?xml")
    assert pages[0] == pages[1]
    with pytest.raises(RunError, match="png or svg"):
        compare("one", "other", PARAMS, plot_path=work_dir / "dice.pdf")


@pytest.mark.usefixtures("work_dir")
def test_the_table_states_images_and_draws() -> None:
    table, _ = build_comparison(compare("one", "other", PARAMS), 3)
    assert "5 images, 3 with a defect" in table.note
    assert "1,000 resamples, seed 42" in table.note
    assert "metrics/one_images.csv" in table.title
    cells = {row[0]: row[1:] for row in table.rows}
    assert cells["recall"][:4] == ("3", "0.667", "0.792", "+0.125")
    same, _ = build_comparison(compare("one", "one", PARAMS), 4)
    assert {row[4:] for row in same.rows} == {("0.0000", "–", "–", "–")}


@pytest.mark.usefixtures("repository")
def test_a_table_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steelcli.reporting.comparison.MAX_CSV_BYTES", 100)
    for name in ("one", "HEAD"):
        with pytest.raises(RunError, match=r"larger than 100 bytes.*_images\.csv"):
            load_images(name, Path("metrics"), Path("models"))


def test_a_name_that_is_no_text_is_compared_and_shown_escaped(work_dir: Path) -> None:
    try:
        name = os.fsdecode(b"\xff")
        write(work_dir, name, OTHER)
    except OSError:
        pytest.skip("this file system takes no such name")
    (work_dir / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "steelcli", "compare", "one", name, "--plot", "dice.svg"],
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert b"B = \\udcff (metrics/\\udcff_images.csv)" in done.stdout


def test_the_command_prints_the_table_and_draws(work_dir: Path) -> None:
    raw = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    raw["report"] |= {"decimals": 3, "bootstrap_resamples": 100, "bootstrap_seed": 5}
    (work_dir / "params.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
    result = CliRunner().invoke(app, ["compare", "one", "other", "--plot", "dice.svg"])
    assert result.exit_code == 0, result.output
    assert "+0.125" in result.output
    assert "100 resamples, seed 5" in result.output
    assert (work_dir / "dice.svg").stat().st_size


def test_a_table_without_its_json_file_is_refused(work_dir: Path) -> None:
    (work_dir / "metrics" / "other.json").unlink()
    with pytest.raises(RunError, match=r"interrupted evaluation left, for metrics/other\.json"):
        compare("one", "other", PARAMS)
