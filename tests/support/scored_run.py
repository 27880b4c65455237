"""A run whose test split is scored from the maps at hand, however odd."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from make_run import DATA, DATA_KEY, RUN_KEY, SPLIT, TEST, THRESHOLD, Run

from steelcli.commands.evaluate import list_tables
from steelcli.common.metrics_file import format_metrics
from steelcli.common.outputs import format_csv, write_together
from steelcli.scores.counts import FIXED, OperatingPoint
from steelcli.scores.parallel import Scored, score_images
from steelcli.scores.scorer import SplitScorer
from steelcli.scores.summary import summarise

POINT = OperatingPoint(0.5703125, 4)


def score_run(folder: Path, images: Sequence[Scored], titles: Sequence[str]) -> Run:
    """Make a run whose test split is these images, with the tables that ``evaluate`` writes."""
    run = Run(folder)
    options = {"min_overlap": 0.1, "min_areas_px": [0, 16]}
    scorer = score_images(partial(SplitScorer, titles, (POINT, FIXED), **options), images)
    split = {"images": len(images), "defect_images": scorer.truth()["defect_images"]}
    split["clean_images"] = split["images"] - split["defect_images"]
    for title in titles:
        split |= {f"images_class.{title}": 0, f"pixel_share_class.{title}": 0.0}
    run.write_metrics("data", DATA | {"train": SPLIT, "val": SPLIT, "test": split})
    run.write_metrics("threshold", THRESHOLD | POINT._asdict())
    files = {
        run.metrics_dir / name: format_csv(rows, columns)
        for name, (rows, columns) in list_tables(scorer, POINT).items()
    }
    speed = {key: TEST[key] for key in ("ms_per_image", "ms_per_image_end_to_end")}
    metrics = summarise(scorer, POINT) | speed
    files[run.metrics_dir / "test.json"] = format_metrics(metrics, DATA_KEY, RUN_KEY)
    write_together(files)
    return run
