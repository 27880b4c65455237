"""The run in one line, and whether it beats the baseline."""

from __future__ import annotations

from typing import Any

import numpy as np
from make_run import TEST

from steelcli.reporting.comparison import Comparison, ScoredImages
from steelcli.reporting.verdict import describe_run, judge
from steelcli.scores.bootstrap import Difference, ImageCounts

NO_COUNTS = np.zeros(1, np.int64)
IMAGES = ScoredImages("x", "x.csv", ("a",), ImageCounts(NO_COUNTS, NO_COUNTS, NO_COUNTS))


def compare(**differences: tuple[Any, Any, Any]) -> Comparison:
    rows = []
    for metric, (difference, low, high) in differences.items():
        rows.append(Difference(metric, 40, 0.5, 0.5, difference, low, high, None))
    return Comparison(IMAGES, IMAGES, 1, 100, 0, tuple(rows))


def test_better_means_fewer_false_alarms_but_more_of_the_others() -> None:
    judged = judge(
        compare(
            dice_defect=(0.02, 0.01, 0.03),
            image_recall=(-0.02, -0.03, -0.01),
            clean_false_alarm=(-0.02, -0.03, -0.01),
            precision=(0.5, 0.4, 0.6),
        ),
        2,
    )
    assert [each.word for each in judged] == ["better", "worse", "better"]
    assert judged[0].detail == "+0.02, 95 % interval +0.01 to +0.03"


def test_what_is_not_sure_is_not_claimed() -> None:
    judged = judge(
        compare(
            dice_defect=(0.02, -0.01, 0.03),
            image_recall=(0.0, 0.0, 0.0),
            clean_false_alarm=(0.5, None, None),
        ),
        2,
    )
    words = ["no clear difference", "the same", "too few images to tell"]
    assert [each.word for each in judged] == words
    assert judge(compare(dice_defect=(None, None, None)), 2) == []


def test_the_run_is_one_line() -> None:
    settings = {"model.architecture": "unet", "run.code": "3f1e" * 10, "run.device": "cpu"}
    line = describe_run(settings, TEST | {"min_area_px": 64}, 4)
    assert line == (
        "unet with – · – × – px · seed – · cpu · commit 3f1e3f1e3f · "
        "threshold 0.5713 without components under 64 px"
    )
