"""Two models, image by image."""

from __future__ import annotations

import numpy as np

from steelcli.reporting.charts import MAX_POINTS, draw_chart
from steelcli.reporting.comparison import ScoredImages, compare_images
from steelcli.reporting.scatter import build_scatter
from steelcli.scores.bootstrap import ImageCounts


def scored(name: str, tp: list[int], fp: list[int], fn: list[int]) -> ScoredImages:
    counts = ImageCounts(*(np.array(column, np.int64) for column in (tp, fp, fn)))
    return ScoredImages(name, "x.csv", tuple(map(str, range(len(tp)))), counts)


def test_every_image_is_a_point_at_its_two_dice() -> None:
    a = scored("a$b$", [2, 0, 0], [0, 0, 1], [2, 0, 0])
    b = scored("test", [4, 0, 0], [0, 0, 0], [0, 0, 0])
    chart = build_scatter(compare_images(a, b, 100, 0))
    _, defect, clean = chart.lines
    assert (defect.x, defect.y) == ([2 * 2 / 6], [1.0])
    assert (clean.x, clean.y) == ([1.0, 0.0], [1.0, 1.0])
    assert chart.x_label == r"Dice of a\$b\$"
    assert chart.y_label == "Dice of this run"
    assert "drawn" not in chart.note


def test_many_images_are_thinned_and_it_is_said() -> None:
    count = MAX_POINTS + 500
    a = scored("a" * 90, [1] * count, [0] * count, [1] * count)
    chart = build_scatter(compare_images(a, a, 100, 0))
    assert sum(len(line.x) for line in chart.lines[1:]) == MAX_POINTS
    assert chart.note.endswith("2,000 of 2,500 images are drawn, evenly picked.")
    assert len(chart.x_label) < 40


def test_a_name_that_no_font_has_is_drawn_as_text() -> None:
    a = scored("عيب缺陷 <b>&", [1], [0], [1])
    svg = draw_chart(build_scatter(compare_images(a, a, 100, 0)))
    assert "Dice of عيب缺陷 &lt;b&gt;&amp;</text>" in svg
