"""The report: tables from metric files, the page, the terminal."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from closure import ROOT
from make_params import report_params

from steelcli.commands.report import report
from steelcli.common.errors import RunError
from steelcli.common.fingerprint import fingerprint
from steelcli.common.outputs import write_csv, write_json
from steelcli.params.report import ReportParams
from steelcli.reporting import metric_tables as tables
from steelcli.reporting.metric_tables import Report
from steelcli.reporting.table import Table, format_number

PARAMS = report_params(title="Steel <b>defects</b> & more")
GROUP = {
    "iou": 0.7012,
    "dice": 0.7623,
    "iou_defect": 0.4934,
    "dice_defect": 0.6145,
    "iou_pooled": 0.5356,
    "precision": 0.7167,
    "recall": 0.6878,
    "f1": 0.7019,
    "iou_50": 0.5521,
    "iou_75": 0.1932,
    "iou_90": 0.0243,
    "clean_false_alarm": 0.2154,
}
TEST = {
    "images": 1257,
    "defect_images": 666,
    "auprc": 0.78451,
    "auprc_low": 0.7845012,
    "auprc_high": 0.7845189,
    "recall_at_1_fp": 0.8765,
    "iou_prob_50": 0.4811,
    "iou_prob_75": 0.4422,
    "iou_prob_90": 0.3933,
    "threshold": 0.5713,
    "optimal": GROUP,
    "fixed": {key: round(value - 0.0101, 4) for key, value in GROUP.items()},
    "recall_class": {"scratch": 0.6611, "patch": 0.7722, "<i>pit</i>": 0.0033},
    "found_class": {"scratch": 0.8044, "patch": 0.9011, "<i>pit</i>": 0.0},
    "found_size": {"small": 0.4321, "medium": 0.6543, "large": 0.9876},
    "recall_size": {"small": 0.3211, "medium": 0.5433, "large": 0.8766},
    "size_bounds_px": {"small_max": 120, "medium_max": 3456},
    "brier": 0.0123,
    "ece": 0.0045,
    "ms_per_image": 5.4321,
    "ms_per_image_end_to_end": 17.654,
}
TRAINING = {
    "epochs": 24,
    "best_epoch": 19,
    "best_dice": 0.8234,
    "best_iou": 0.7891,
    "train_loss": 0.1512,
    "val_loss": 0.1823,
    "parameters": 14321937,
    "seconds_per_epoch": 81.26,
    "train_images_per_second": 104.5,
}
THRESHOLD = {
    "threshold": 0.5713,
    "dice_threshold": 0.5713,
    "dice_score": 0.8311,
    "dice_defect_threshold": 0.4102,
    "dice_defect_score": 0.6422,
    "f1_threshold": 0.3804,
    "f1_score": 0.7133,
}
SPLIT = {
    "images": 1257,
    "defect_images": 666,
    "clean_images": 591,
    "images_class.scratch": 501,
    "pixel_share_class.scratch": 0.023456,
    "images_class.patch": 144,
    "pixel_share_class.patch": 0.0123,
    "images_class.<i>pit</i>": 21,
    "pixel_share_class.<i>pit</i>": 0.0000001234,
    "images_class.crack": 0,
    "pixel_share_class.crack": 0.0,
}
DATA = {
    "images_found": 12568,
    "duplicates_dropped": 3,
    "duplicates_within_a_split": 11,
    "train": SPLIT | {"images": 10054},
    "val": SPLIT,
    "test": SPLIT,
}
SETTINGS = {
    "model": {"architecture": "unetplusplus", "encoder_name": "resnet34", "encoder_weights": None},
    "train": {
        "lr": 0.0001,
        "epochs": 100,
        "batch_size": 8,
        "patience": 7,
        "monitor": "dice",
        "seed": 42,
    },
    "run": {
        "store": "ab" * 32,
        "image_width": 1024,
        "image_height": 256,
        "precision": "bf16",
        "device": "NVIDIA H100",
        "code": "3f1e" * 10,
    },
    "versions": {"python": "3.11.9", "torch": "2.8.0"},
}


OTHER = {
    "images": 3,
    "auprc": 0.4321,
    "fixed": GROUP | {"dice": 0.3456},
    "data_fingerprint": fingerprint(["ab" * 32]),
}


class Run:
    """The files the other stages leave, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.metrics_dir, self.models_dir, self.reports_dir = (
            folder / "metrics",
            folder / "models",
            folder / "reports",
        )
        for name, values in (
            ("data", DATA),
            ("train", TRAINING),
            ("threshold", THRESHOLD),
            ("test", TEST),
        ):
            write_json(self.metrics_dir / f"{name}.json", values)
        write_json(self.models_dir / "args.json", SETTINGS)
        self.write("test_images.csv", images())
        self.write("threshold_curve.csv", threshold_curve())
        self.write(
            "pr_curve.csv",
            [
                {"threshold": 1 - x / 50, "precision": 1 - (x / 50) ** 3, "recall": x / 50}
                for x in range(50)
            ],
        )
        self.write("froc.csv", froc())
        self.write("reliability.csv", reliability())
        write_csv(self.models_dir / "metrics_seed42.csv", epochs(), list(epochs()[0]))

    def write(self, name: str, rows: list[dict[str, Any]]) -> None:
        write_csv(self.metrics_dir / name, rows, list(rows[0]))

    def report(self, params: ReportParams = PARAMS) -> Report:
        return report(params, self.metrics_dir, self.models_dir, self.reports_dir)

    def page(self) -> str:
        return self.report().path.read_text(encoding="utf-8")


def images() -> list[dict[str, Any]]:
    return [
        {
            "image": f"ds/img/{i:04d}.jpg",
            "defect_pixels": 1000 * i,
            "tp": 900 * i,
            "fp": 7,
            "fn": 100 * i,
        }
        | {"iou": abs(math.sin(i)), "dice": abs(math.sin(i + 0.1))}
        for i in range(1, 40)
    ]


def threshold_curve() -> list[dict[str, Any]]:
    names = ("dice", "dice_defect", "f1", "iou", "iou_defect", "precision", "recall")
    rows = []
    for step in range(1, 1024):
        x = step / 1024
        rows.append(
            {"threshold": x}
            | {
                name: (0.85 - 0.06 * i) * math.sin(math.pi * x ** (0.5 + 0.05 * i)) ** 0.2
                for i, name in enumerate(names)
            }
        )
    return rows


def froc() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"max_fp_per_image": 0.125, "recall": 0.0, "threshold": None, "fp_per_image": 0.0}
    ]
    for step, limit in enumerate((0.25, 0.5, 1, 2, 4, 8)):
        rows.append(
            {
                "max_fp_per_image": limit,
                "recall": 0.7654 + 0.0311 * step,
                "threshold": 0.9 - 0.11 * step,
                "fp_per_image": 0.97 * limit,
            }
        )
    return rows


def reliability() -> list[dict[str, Any]]:
    rows = []
    for step in range(15):
        low, high = step / 15, (step + 1) / 15
        means = {} if step == 3 else {"mean_probability": low + 0.02, "defect_share": low**1.5}
        row = {
            "probability_low": low,
            "probability_high": high,
            "mean_probability": None,
            "defect_share": None,
        }
        rows.append(row | means | {"pixels": 0 if step == 3 else 12345})
    return rows


def epochs() -> list[dict[str, Any]]:
    rows = []
    for epoch in range(1, 25):
        rise = 1 - math.exp(-epoch / 5)
        wave = 0.02 * math.sin(3 * epoch)
        rows.append(
            {
                "epoch": epoch,
                "train_loss": 0.9 - 0.75 * rise,
                "val_loss": 0.95 - 0.72 * rise + wave,
                "val_iou_fixed": 0.7 * rise - wave,
                "val_dice_fixed": 0.78 * rise - wave,
                "val_iou_opt": 0.79 * rise,
                "val_dice_opt": 0.82 * rise,
                "auprc": None,
            }
        )
    return rows


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of the run above, drawn once."""
    return Run(tmp_path_factory.mktemp("run")).report()


@pytest.fixture(scope="module")
def text(made: Report) -> str:
    return made.path.read_text(encoding="utf-8")


@pytest.fixture
def no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what takes the time."""
    monkeypatch.setattr("steelcli.reporting.page.draw", lambda _: "")


class Page(HTMLParser):
    """What a browser would take from the page: text, ids, tags and what they point to."""

    VOID = frozenset({"meta", "link", "br", "img"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.tags = "", []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        self.ids += [value or "" for key, value in attrs if key == "id"]
        self.links += [
            value or ""
            for key, value in attrs
            if key in {"href", "src", "xlink:href", "srcset", "data"}
        ]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def by_title(made: Report, start: str) -> Table:
    return next(table for table in made.tables if table.title.startswith(start))


def cells(table: Table) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in table.rows}


def test_order_and_shape_of_the_tables(made: Report) -> None:
    assert [table.title for table in made.tables] == [
        "The run",
        "Images and pixels by split",
        "Raw data",
        "Result of training",
        "Threshold 0.5713, learned on the validation split",
        "Test split at threshold 0.5 and at the learned 0.5713",
        "Test split as a whole",
        "Recall by class at 0.5713",
        "Recall by size at 0.5713",
        "Share of defects found by false components allowed",
        "Probability and truth",
        "Test images with the lowest Dice",
        "Speed, one image at a time",
    ]
    for table in made.tables:
        assert {len(row) for row in table.rows} == {len(table.columns)}
    assert made.path.parts[-2:] == ("reports", "report.html")


def test_contents_of_the_tables(made: Report) -> None:
    settings = cells(by_title(made, "The run"))
    assert settings["train.lr"] == ("0.0001",)
    assert settings["model.encoder_weights"] == ("null",)
    assert settings["run.started"] == ("–",)
    data = cells(by_title(made, "Images and pixels"))
    assert data["images"] == ("10,054", "1,257", "1,257")
    assert data["pixels of scratch, %"] == ("2.3456",) * 3
    assert data["pixels of <i>pit</i>, %"] == ("1.2e-05",) * 3
    training = cells(by_title(made, "Result of training"))
    assert training["parameters"][0] == "14,321,937"
    assert training["seconds_per_epoch"][0] == "81.26"
    assert cells(by_title(made, "Threshold"))["dice_defect"][:2] == ("0.4102", "0.6422")
    pairs = by_title(made, "Test split at")
    assert pairs.columns == ("metric", "0.5", "0.5713", "meaning")
    assert list(cells(pairs)) == list(GROUP)
    assert cells(pairs)["dice"][:2] == ("0.7522", "0.7623")
    assert all(row[-1] for row in pairs.rows)
    whole = cells(by_title(made, "Test split as"))
    assert "auprc_low" not in whole
    assert whole["auprc"] == (
        "0.7845",
        "average precision over all pixels; certified within 0.784501 and 0.784519",
    )
    assert cells(by_title(made, "Recall by class")) == {
        "scratch": ("0.6611", "0.8044"),
        "patch": ("0.7722", "0.9011"),
        "<i>pit</i>": ("0.0033", "0.0000"),
        "crack": ("–", "–"),
    }
    assert cells(by_title(made, "Recall by size")) == {
        "small, up to 120": ("0.3211", "0.4321"),
        "medium, up to 3,456": ("0.5433", "0.6543"),
        "large, over 3,456": ("0.8766", "0.9876"),
    }
    assert by_title(made, "Probability").rows[2:4] == (
        ("0.133 to 0.200", "0.1533", "0.0487", "12,345"),
        ("0.200 to 0.267", "–", "–", "0"),
    )
    assert by_title(made, "Share of defects").rows[:2] == (
        ("0.125", "0.0000", "0.0000", "–"),
        ("0.25", "0.7654", "0.2425", "0.9000"),
    )
    assert cells(by_title(made, "Speed"))["ms_per_image_end_to_end"][0] == "17.65"


@pytest.mark.usefixtures("no_charts")
def test_images_with_the_lowest_dice_come_first_and_of_equals_the_most_wrong(run: Run) -> None:
    rows = images()
    rows[30]["dice"] = rows[4]["dice"] = 0.0
    run.write("test_images.csv", rows)
    worst = by_title(run.report(), "Test images")
    assert len(worst.rows) == 8
    assert worst.rows[0][0] == "ds/img/0031.jpg"
    assert worst.rows[1] == ("ds/img/0005.jpg", "5,000", "4,500", "7", "500", "0.9589", "0.0000")


@pytest.mark.usefixtures("no_charts")
def test_decimals_come_from_the_parameters(run: Run) -> None:
    made = run.report(report_params(decimals=2))
    assert cells(by_title(made, "Test split at"))["dice"][:2] == ("0.75", "0.76")


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (None, 4, "–"),
        (1234567, 4, "1,234,567"),
        (0.0, 4, "0.0000"),
        (0.00005, 4, "0.0001"),
        (0.00004, 4, "4.0e-05"),
        (-1e-9, 2, "-1.0e-09"),
        (9.99995, 4, "10.0000"),
        (1234.5678, 4, "1,234.57"),
        (1234.5678, 1, "1,234.6"),
        (True, 4, "True"),
        ("text", 4, "text"),
    ],
)
def test_numbers(value: object, decimals: int, text: str) -> None:
    assert format_number(value, decimals) == text


def test_bracket_is_rounded_outwards() -> None:
    whole = tables.build_test({"auprc": 0.5, "auprc_low": 0.12345678, "auprc_high": 0.87654321}, 2)[
        1
    ]
    assert cells(whole)["auprc"][1].endswith("certified within 0.1234 and 0.8766")


def test_absent_metrics_are_dashes(run: Run) -> None:
    write_json(
        run.metrics_dir / "test.json",
        {"images": 3, "threshold": 0.25, "optimal": {"iou": 1.0}, "fixed": {}},
    )
    write_json(run.metrics_dir / "threshold.json", {"threshold": 0.25})
    write_csv(run.metrics_dir / "pr_curve.csv", [], ("threshold", "precision", "recall"))
    write_csv(
        run.metrics_dir / "froc.csv",
        [],
        ("max_fp_per_image", "recall", "threshold", "fp_per_image"),
    )
    made = run.report()
    assert cells(by_title(made, "Test split at"))["iou"][:2] == ("–", "1.0000")
    assert cells(by_title(made, "Test split at"))["recall"][:2] == ("–", "–")
    assert cells(by_title(made, "Test split as"))["auprc"][0] == "–"
    assert cells(by_title(made, "Recall by class"))["scratch"] == ("–", "–")
    assert by_title(made, "Recall by size").rows == ()
    assert by_title(made, "Share of defects").rows == ()
    assert made.path.read_text(encoding="utf-8").count("no value") == 2


@pytest.mark.usefixtures("no_charts")
def test_other_models_stand_beside_the_run(run: Run) -> None:
    assert "Other models" not in {table.title for table in run.report().tables}
    write_json(run.metrics_dir / "yolo.v8.json", OTHER)
    write_json(run.metrics_dir / "<b>old.json", OTHER | {"data_fingerprint": 7})
    made = run.report()
    rows = by_title(made, "Other models").rows
    assert [row[:4] for row in rows] == [
        ("this run", "0.5713", "0.7845", "0.8765"),
        ("this run", "0.5000", "0.7845", "0.8765"),
        ("yolo.v8", "0.5000", "0.4321", "–"),
    ]
    assert rows[2][4] == "0.3456"
    page = made.path.read_text(encoding="utf-8")
    assert 'id="comparison"' in page
    assert "judged on other data: &lt;b&gt;old; evaluate" in page
    (run.metrics_dir / "broken.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match=r"broken\.json"):
        run.report()


@pytest.mark.usefixtures("no_charts")
def test_unknown_metrics_are_shown_without_a_meaning(run: Run) -> None:
    write_json(
        run.metrics_dir / "test.json", TEST | {"new": 0.125, "optimal": GROUP | {"newer": 0.375}}
    )
    made = run.report()
    assert cells(by_title(made, "Test split as"))["new"] == ("0.1250", "")
    assert cells(by_title(made, "Test split at"))["newer"] == ("–", "0.3750", "")


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("metrics/data.json", "prepare"),
        ("metrics/train.json", "train"),
        ("metrics/threshold.json", "tune-threshold"),
        ("metrics/test.json", "evaluate"),
        ("metrics/test_images.csv", "evaluate"),
        ("metrics/threshold_curve.csv", "tune-threshold"),
        ("metrics/pr_curve.csv", "evaluate"),
        ("metrics/froc.csv", "evaluate"),
        ("metrics/reliability.csv", "evaluate"),
        ("models/args.json", "train"),
        ("models/metrics_seed42.csv", "train"),
    ],
)
def test_missing_file_is_named_with_its_remedy(
    run: Run, tmp_path: Path, name: str, stage: str
) -> None:
    (tmp_path / name).unlink()
    with pytest.raises(RunError) as caught:
        run.report()
    remedy = f"run `dvc repro {stage}` or `steelcli {stage}`"
    assert str(caught.value) == f"a stage's input is missing: {tmp_path / name}; {remedy}."
    assert not run.reports_dir.exists()


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("metrics/froc.csv", "max_fp_per_image,recall\n1,1\n", "lacks the column threshold"),
        (
            "metrics/pr_curve.csv",
            "threshold,precision,recall\n0.5,high,1\n",
            "no number where one belongs",
        ),
        ("metrics/pr_curve.csv", "threshold,precision,recall\n0.5,1,\xff\n", "cannot be read"),
        ("metrics/test.json", "{", "cannot be read"),
        ("metrics/test.json", '{"auprc": NaN}', "NaN is no number"),
        ("metrics/test.json", '{"auprc": [1]}', "auprc, which is no number"),
        ("metrics/test.json", '{"auprc": 1e999}', "1e999 is too large"),
        ("metrics/train.json", '{"best_epoch": "one"}', "best_epoch, which is no number"),
        ("metrics/pr_curve.csv", "threshold,precision,recall\n0.5,inf,1\n", "inf under precision"),
        ("models/args.json", '{"train": {"seed": "../7"}}', "no train.seed"),
        ("models/args.json", "{}", "no train.seed"),
    ],
)
def test_damaged_file_is_refused(
    run: Run, tmp_path: Path, name: str, content: str, what: str
) -> None:
    (tmp_path / name).write_bytes(content.encode("latin-1"))
    with pytest.raises(RunError, match=what) as caught:
        run.report()
    assert name in str(caught.value)


def test_page_is_well_formed_and_asks_for_nothing(text: str) -> None:
    page = Page(text)
    assert not {"script", "img", "iframe", "object", "image"} & set(page.tags)
    assert "http://" not in text
    assert "https://" not in text
    assert "@import" not in text
    assert all(link.startswith("#") or link == "data:," for link in page.links)
    targets = {link[1:] for link in page.links if link.startswith("#")} | set(
        re.findall(r"url\(#([^)]*)\)", text)
    )
    assert targets <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert page.tags.count("svg") == 6
    assert text.count("<style") == 1
    assert not re.search(r"#0000\d\d", text)


def test_page_escapes_what_users_name(text: str) -> None:
    assert "<title>Steel &lt;b&gt;defects&lt;/b&gt; &amp; more</title>" in text
    assert "<i>pit" not in text
    assert "Steel <b>defects</b> & more" in Page(text).text


def test_page_shows_every_number_and_setting(made: Report, text: str) -> None:
    shown = Page(text).text
    for table in made.tables:
        assert all(cell in shown for row in table.rows for cell in row)
    assert "train.batch_size" in shown
    assert "versions.torch" in shown


def test_page_is_the_same_for_the_same_numbers(
    run: Run, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(matplotlib.rcParams, "axes.labelsize", 20)
    assert run.page() == text


@pytest.mark.parametrize("lengths", [1, 200])
def test_any_number_of_epochs_draws(run: Run, lengths: int) -> None:
    rows = [epochs()[0] | {"epoch": epoch} for epoch in range(1, lengths + 1)]
    write_csv(run.models_dir / "metrics_seed42.csv", rows, list(rows[0]))
    assert Page(run.page()).tags.count("svg") == 6


@pytest.mark.parametrize("columns", [30, 80, 200])
def test_terminal_shows_all_numbers_and_names(
    made: Report, columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    as_terminal(monkeypatch, columns)
    tables.show_report(made)
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert "…" not in out
    for table in made.tables:
        assert table.title in lines
        for row in table.rows:
            shown = [
                cell
                for cell, heading in zip(row, table.columns, strict=True)
                if heading != "meaning"
            ]
            pattern = " +".join(map(re.escape, shown)) + "( |$)"
            assert any(re.match(pattern, line) for line in lines), row
    assert lines[-1].endswith("report.html")
    if columns == 80:
        sentences = {table.note for table in made.tables} | {lines[-1]}
        assert max(len(line) for line in lines if line not in sentences) <= 80


@pytest.mark.parametrize(
    ("show", "metrics", "numbers"),
    [
        (tables.show_data, DATA, ["12,568", "10,054", "2.3456"]),
        (tables.show_training, TRAINING, ["14,321,937", "0.8234"]),
        (tables.show_threshold, THRESHOLD, ["0.5713", "0.6422"]),
        (tables.show_test, TEST, ["0.7522", "0.7623", "0.8765", "0.6611", "5.4321"]),
    ],
)
def test_stages_print_their_metrics(
    show: Callable[[dict[str, Any]], None],
    metrics: dict[str, Any],
    numbers: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    as_terminal(monkeypatch, 80)
    show(metrics)
    words = capsys.readouterr().out.split()
    assert set(numbers) <= set(words)


def test_markup_in_names_is_printed_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    as_terminal(monkeypatch, 80)
    tables.show_test({"recall_class": {"[bold]rust[/x] :boom:": 0.5}})
    assert "[bold]rust[/x] :boom:" in capsys.readouterr().out


def as_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def test_report_needs_no_torch(run: Run) -> None:
    code = """
import json, sys
from pathlib import Path
import steelcli.reporting.table
light = set(sys.modules)
from steelcli.params.section import parse_section
from steelcli.params.report import ReportParams
from steelcli.commands.report import report
raw = {"title": "x", "decimals": 3, "bootstrap_resamples": 100, "bootstrap_seed": 0}
params = parse_section(raw, "report", ReportParams)
steelcli.reporting.metric_tables.show_report(report(params, *map(Path, sys.argv[1:])))
heavy = {"torch", "cv2", "pandas", "sklearn", "matplotlib.pyplot"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
assert not {"numpy", "matplotlib", "jinja2"} & light
"""
    folders = [str(folder) for folder in (run.metrics_dir, run.models_dir, run.reports_dir)]
    subprocess.run([sys.executable, "-c", code, *folders], check=True, cwd=ROOT)
