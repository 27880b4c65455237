"""Tables of the csv files."""

from __future__ import annotations

import pytest
from make_run import Run, by_title, images


@pytest.mark.usefixtures("no_charts")
def test_images_with_the_lowest_dice_come_first_and_of_equals_the_most_wrong(run: Run) -> None:
    rows = images()
    rows[30]["dice"] = rows[4]["dice"] = 0.0
    run.write("test_images.csv", rows)
    worst = by_title(run.report(), "Test images")
    assert len(worst.rows) == 8
    assert worst.rows[0][0] == "ds/img/0031.jpg"
    assert worst.rows[1] == ("ds/img/0005.jpg", "5,000", "4,500", "7", "500", "0.9589", "0.0000")
