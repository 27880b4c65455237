"""Tables of the metrics of each stage."""

from __future__ import annotations

import pytest
from make_params import report_params
from make_run import DATA, GROUP, OTHER, TEST, THRESHOLD, TRAINING, Run, by_title, cells

from steelcli.common.outputs import write_csv
from steelcli.reporting.metric_meanings import SHARE_MEANINGS
from steelcli.reporting.metric_tables import (
    build_data,
    build_scores,
    build_threshold,
    build_training,
    build_whole,
)
from steelcli.reporting.page import Page
from steelcli.reporting.table import Table, show_tables


def test_contents_of_the_tables(made: Page) -> None:
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
    assert cells(by_title(made, "Threshold"))["dice_defect"][:3] == (
        "0.4102",
        "64",
        "0.6422",
    )
    note = by_title(made, "Threshold").note
    flipped = "Every map is the mean of those of the image and of its mirror image."
    assert note == f"{flipped} There 18.8 % of the clean images have a detection."
    pairs = by_title(made, "Test split at")
    assert pairs.columns == ("metric", "0.5", "0.5713", "meaning")
    assert [*cells(pairs), *SHARE_MEANINGS] == list(GROUP)
    assert cells(pairs)["dice"][:2] == ("0.7522", "0.7623")
    assert all(row[-1] for row in pairs.rows)
    whole = cells(by_title(made, "Test split as"))
    assert "auprc_low" not in whole
    assert whole["auprc"] == (
        "0.7845",
        "average precision over all pixels; certified within 0.784501 and 0.784519",
    )
    assert by_title(made, "Shares of test images").rows[-6:] == (
        ("clean_false_alarm", "0.5713", "0.2154", "127 of 591", "0.1837 to 0.2498"),
        ("clean_false_alarm", "0.5000", "0.2053", "121 of 591", "0.1742 to 0.2391"),
        ("image_recall", "0.5713", "0.9234", "615 of 666", "0.9007 to 0.9413"),
        ("image_recall", "0.5000", "0.9133", "608 of 666", "0.8891 to 0.9320"),
        ("image_precision", "0.5713", "0.8288", "615 of 742", "0.8001 to 0.8542"),
        ("image_precision", "0.5000", "0.8187", "597 of 729", "0.7893 to 0.8452"),
    )
    assert whole["image_auroc"][0] == "0.9512"
    assert whole["min_area_px"][0] == "0"
    assert whole["recall_at_1_fp"][1].endswith(": 877 of 1,001, interval 0.8543 to 0.8951")
    assert cells(by_title(made, "Recall by class")) == {
        "scratch": ("0.6611", "0.8044", "563 of 700", "0.7733 to 0.8320"),
        "patch": ("0.7722", "0.9011", "245 of 272", "0.8594 to 0.9309"),
        "<i>pit</i>": ("0.0033", "0.0000", "0 of 30", "0.0000 to 0.1135"),
        "crack": ("–", "–", "–", "–"),
    }
    assert cells(by_title(made, "Recall by size")) == {
        "small, up to 120": ("0.3211", "0.4321", "144 of 334", "0.3791 to 0.4847"),
        "medium, up to 3,456": ("0.5433", "0.6543", "219 of 334", "0.6032 to 0.7046"),
        "large, over 3,456": ("0.8766", "0.9876", "329 of 333", "0.9695 to 0.9953"),
    }
    assert by_title(made, "Probability").rows[2:4] == (
        ("0.133 to 0.200", "0.1533", "0.0487", "12,345"),
        ("0.200 to 0.267", "–", "–", "0"),
    )
    assert by_title(made, "Share of defects").rows[:2] == (
        ("0.125", "0.0000", "0.0000", "–", "0 of 1,001", "0.0000 to 0.0038"),
        ("0.25", "0.7654", "0.2425", "0.9000", "766 of 1,001", "0.7380 to 0.7904"),
    )
    assert cells(by_title(made, "Speed"))["ms_per_image_end_to_end"][0] == "17.65"


@pytest.mark.usefixtures("no_charts")
def test_decimals_come_from_the_parameters(run: Run) -> None:
    made = run.report(report_params(decimals=2))
    assert cells(by_title(made, "Test split at"))["dice"][:2] == ("0.75", "0.76")


def test_bracket_is_rounded_outwards() -> None:
    metrics = {"auprc": 0.5, "auprc_low": 0.12345678, "auprc_high": 0.87654321}
    whole = build_whole(metrics, 2)
    assert cells(whole)["auprc"][1].endswith("certified within 0.1234 and 0.8766")


def test_absent_metrics_are_dashes(run: Run) -> None:
    run.write_metrics(
        "test",
        {"images": 3, "threshold": 0.25, "optimal": {"iou": 1.0}, "fixed": {}},
    )
    run.write_metrics("threshold", {"threshold": 0.25})
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
    assert cells(by_title(made, "Recall by class"))["scratch"] == ("–",) * 4
    assert by_title(made, "Recall by size").rows == ()
    assert by_title(made, "Share of defects").rows == ()
    assert run.report_path.read_text(encoding="utf-8").count("no value") == 2


@pytest.mark.usefixtures("no_charts")
def test_unknown_metrics_are_shown_without_a_meaning(run: Run) -> None:
    run.write_metrics("test", TEST | {"new": 0.125, "optimal": GROUP | {"newer": 0.375}})
    made = run.report()
    assert cells(by_title(made, "Test split as"))["new"] == ("0.1250", "")
    assert cells(by_title(made, "Test split at"))["newer"] == ("–", "0.3750", "")


def test_without_a_learned_threshold_nothing_that_needs_one_is_shown() -> None:
    groups, _, whole = build_scores(OTHER)
    assert groups.title == "Test split at threshold 0.5"
    assert groups.columns == ("metric", "0.5", "meaning")
    assert cells(groups)["dice"][0] == "0.3456"
    assert "threshold" not in cells(whole)
    titles = [table.title for table in build_scores(OTHER | {"threshold": 0.3, "optimal": GROUP})]
    assert titles[0] == "Test split at threshold 0.5 and at the learned 0.3000"
    assert titles[3:] == ["Recall by class at 0.3000", "Recall by size at 0.3000"]


@pytest.mark.parametrize(
    ("tables", "numbers"),
    [
        (build_data(DATA), ["12,568", "10,054", "2.3456"]),
        ([build_training(TRAINING)], ["14,321,937", "0.8234"]),
        ([build_threshold(THRESHOLD)], ["0.5713", "0.6422"]),
        (build_scores(TEST), ["0.7522", "0.7623", "0.8765", "0.6611"]),
    ],
)
@pytest.mark.usefixtures("terminal")
def test_stages_print_their_metrics(
    tables: list[Table], numbers: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    show_tables(tables)
    words = capsys.readouterr().out.split()
    assert set(numbers) <= set(words)


def test_the_best_by_a_monitor_is_listed_where_it_was_watched():
    rows = {row[0] for row in build_training(TRAINING | {"best_f1": 0.8}).rows}
    assert "best_f1" in rows
    assert "best_dice_defect" not in rows
