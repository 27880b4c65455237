"""Stage ``report``: the other stages' files → tables and ``reports/report.html``, one page with
curves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jinja2

from steelcli.reporting.charts import Chart, Line, draw
from steelcli.reporting.metric_tables import (
    build_data,
    build_settings,
    build_test,
    build_threshold,
    build_training,
    pick_group,
)
from steelcli.reporting.other_models import build_others
from steelcli.reporting.stage_files import Columns, Results
from steelcli.reporting.table import Table, format_number
from steelcli.scores.columns import COUNT_COLUMNS, NUMBER_COLUMNS, RELIABILITY_COLUMNS

RUN_SETTINGS = (
    "model.architecture",
    "model.encoder_name",
    "model.encoder_weights",
    "run.image_width",
    "run.image_height",
    "train.lr",
    "train.batch_size",
    "train.epochs",
    "train.patience",
    "train.monitor",
    "train.seed",
    "run.precision",
    "run.device",
    "run.code",
    "run.started",
)
WORST_IMAGES = 8


class Section(NamedTuple):
    """A part of the page."""

    title: str
    tables: list[Table]
    charts: list[Chart]
    folded: Table | None = None


def _arrange(results: Results, decimals: int) -> list[Section]:
    """Put tables and charts in the order of the stages."""
    split, prefix = pick_group(results.data, "test"), "images_class."
    classes = [key.removeprefix(prefix) for key in split if key.startswith(prefix)]
    pairs, whole, by_class, by_size, speed = build_test(results.test, decimals, classes)
    everything = build_settings(
        "Settings and versions of the training", results.settings, results.settings
    )
    run = build_settings("The run", results.settings, RUN_SETTINGS)
    others = build_others(results.test, results.others, results.settings.get("run.store"), decimals)
    comparison = [Section("Comparison", [others], [])] if results.others else []
    return [
        Section("Settings", [run], [], folded=everything),
        Section("Data", build_data(results.data, decimals), []),
        Section(
            "Training", [build_training(results.training, decimals)], _training_charts(results)
        ),
        Section(
            "Threshold", [build_threshold(results.threshold, decimals)], [_threshold_chart(results)]
        ),
        Section(
            "Test",
            [pairs, whole, by_class, by_size, _build_froc(results.froc, decimals)],
            _test_charts(results),
        ),
        *comparison,
        Section(
            "Calibration",
            [_build_reliability(results.reliability, decimals)],
            [_reliability_chart(results)],
        ),
        Section("Images", [_build_worst(results, decimals)], []),
        Section("Speed", [speed], []),
    ]


def _build_froc(froc: Columns, decimals: int) -> Table:
    names = ("max_fp_per_image", "recall", "fp_per_image", "threshold")
    rows = [
        (f"{limit:g}", *(format_number(_known(value), decimals) for value in values))
        for limit, *values in zip(*(froc[name] for name in names), strict=True)
    ]
    return Table(
        "Share of defects found by false components allowed",
        ("allowed per image", "recall", "false per image", "threshold"),
        tuple(rows),
        "The highest recall over thresholds 0.01 to 0.99; components are 8-connected, clean images count too.",
    )


def _build_reliability(curve: Columns, decimals: int) -> Table:
    rows = [
        (
            f"{low:.3f} to {high:.3f}",
            *(format_number(_known(value), decimals) for value in values),
            f"{pixels:,.0f}",
        )
        for low, high, *values, pixels in zip(
            *(curve[name] for name in RELIABILITY_COLUMNS), strict=True
        )
    ]
    return Table(
        "Probability and truth",
        ("probability", "mean", "share of defect", "pixels"),
        tuple(rows),
        "Where the network means what it says, both columns agree; `ece` is their mean distance over all pixels.",
    )


def _build_worst(results: Results, decimals: int) -> Table:
    """List the images with the lowest Dice, those with the most wrong pixels first where it is
    equal."""
    columns = results.images
    order = sorted(
        range(len(results.image_names)),
        key=lambda index: (columns["dice"][index], -columns["fp"][index] - columns["fn"][index]),
    )
    rows = [
        (
            results.image_names[index],
            *(f"{results.images[name][index]:,.0f}" for name in COUNT_COLUMNS),
            *(format_number(results.images[name][index], decimals) for name in ("iou", "dice")),
        )
        for index in order[:WORST_IMAGES]
    ]
    note = "Pixels: true defect, rightly predicted (tp), wrongly predicted (fp), missed (fn); at the learned threshold."
    return Table(
        "Test images with the lowest Dice",
        ("image", "defect pixels", *NUMBER_COLUMNS[1:]),
        tuple(rows),
        note,
    )


def _training_charts(results: Results) -> list[Chart]:
    epochs = results.epochs
    mark = ("best epoch", float(results.training.get("best_epoch", math.nan)))

    def lines(*columns: tuple[str, str, int, str]) -> tuple[Line, ...]:
        return tuple(
            Line(label, epochs["epoch"], epochs[name], color, look)
            for name, label, color, look in columns
        )

    losses = lines(("train_loss", "training", 1, "-"), ("val_loss", "validation", 2, "-"))
    scores = lines(
        ("val_dice_opt", "Dice, best threshold", 1, "-"),
        ("val_iou_opt", "IoU, best threshold", 2, "-"),
        ("val_dice_fixed", "Dice at 0.5", 1, "--"),
        ("val_iou_fixed", "IoU at 0.5", 2, "--"),
    )
    return [
        Chart(
            "Loss", "Mean over the epoch.", "epoch", "loss", losses, mark, "whole", y_is_share=False
        ),
        Chart(
            "Validation scores",
            "Means over validation images.",
            "epoch",
            "score",
            scores,
            mark,
            "whole",
        ),
    ]


def _threshold_chart(results: Results) -> Chart:
    names = {
        "dice": "Dice",
        "dice_defect": "Dice of defect images",
        "f1": "F1 of all pixels",
        "iou": "IoU",
    }
    x = results.thresholds["threshold"]
    lines = [
        Line(label, x, results.thresholds[name], color)
        for color, (name, label) in enumerate(names.items(), 1)
    ]
    mark = ("learned threshold", float(results.threshold.get("threshold", math.nan)))
    note = "Scores of the validation split at every threshold."
    return Chart(
        "Scores by threshold", note, "threshold (probability)", "score", tuple(lines), mark
    )


def _test_charts(results: Results) -> list[Chart]:
    curve, froc = results.pr_curve, results.froc
    lines = [Line("all thresholds", curve["recall"], curve["precision"], 1)]
    for group, label, color, look in (
        ("optimal", "learned threshold", 2, "o"),
        ("fixed", "threshold 0.5", 3, "s"),
    ):
        values = pick_group(results.test, group)
        if "precision" in values and "recall" in values:
            lines.append(Line(label, [values["recall"]], [values["precision"]], color, look))
    found = Line("defects found", froc["max_fp_per_image"], froc["recall"], 1)
    return [
        Chart(
            "Precision and recall",
            "All pixels of the test split.",
            "recall",
            "precision",
            tuple(lines),
            steps=True,
        ),
        Chart(
            "FROC",
            "Share of the test split's defects found by the false components allowed.",
            "false components per image, at most",
            "recall",
            (found,),
            x_scale="doubling",
        ),
    ]


def _reliability_chart(results: Results) -> Chart:
    curve = results.reliability
    lines = (
        Line("test pixels", curve["mean_probability"], curve["defect_share"], 1),
        Line("perfect", [0.0, 1.0], [0.0, 1.0], 2, "--"),
    )
    note = "Share of defect pixels by the probability given to them, in 15 equal bins."
    return Chart("Reliability", note, "mean probability", "share of defect pixels", lines)


def _headline(test: Mapping[str, Any], decimals: int) -> Iterable[tuple[str, str]]:
    """Yield label and value of the few numbers to read first."""
    optimal = pick_group(test, "optimal")
    yield "Dice", format_number(optimal.get("dice"), decimals)
    yield "Dice of defect images", format_number(optimal.get("dice_defect"), decimals)
    yield "average precision", format_number(test.get("auprc"), decimals)
    yield "defect pixels found", format_number(optimal.get("recall"), decimals)
    yield (
        "clean images with a false alarm",
        format_number(optimal.get("clean_false_alarm"), decimals),
    )


def _page(title: str, sections: Sequence[Section], headline: Iterable[tuple[str, str]]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("steelcli.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html").render(
        title=title, sections=sections, headline=headline, draw=draw
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
