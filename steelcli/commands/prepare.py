"""Stage ``prepare``: raw data of any format → the prepared store and ``metrics/data.json``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from steelcli.common.errors import DataError
from steelcli.common.metrics_file import format_metrics
from steelcli.common.outputs import staged_dir
from steelcli.common.paths import DATA_METRICS_PATH, PROBLEMS_NAME, STORE_DIR
from steelcli.common.progress import say
from steelcli.common.small_splits import warn_of_small_splits
from steelcli.data.raw.image_size import report_size
from steelcli.data.raw.survey import format_problems, refuse_problems, survey, write_problems
from steelcli.data.raw.to_store import choose_images, count_images, draft_image, write_store
from steelcli.data.store.index import INDEX_NAME, count_kinds, read_index
from steelcli.data.types import SPLITS
from steelcli.params.data import DataParams


def prepare(
    params: DataParams, store_dir: Path = STORE_DIR, metrics_path: Path = DATA_METRICS_PATH
) -> dict[str, Any]:
    """Split the raw images, write the store, and return ``metrics/data.json``.

    Every image is read and decoded once, and drafted, for its split depends on all of them. Raw
    files of test images are read once more, to be copied. Beside the metrics ``data_problems.csv``
    lists every fault, whether it ends the run or not.

    Raises:
        ProblemsError: anything unreadable, contradictory or missing in the raw data, unless it may
            be skipped.
        DataError: the data set as a whole cannot be read, a split has no defect, or a test image
            changed before it was copied.
    """
    problems_path = metrics_path.with_name(PROBLEMS_NAME)
    files = {problems_path: "", metrics_path: ""}
    with staged_dir(store_dir, files) as partial_dir, TemporaryDirectory(dir=partial_dir) as drafts:
        found = survey(params, partial(draft_image, params, Path(drafts)))
        facts = [draft.facts for draft in found.results]
        try:
            refuse_problems(found, params, problems_path)
            chosen, left_out = choose_images(params, found.samples, facts)
        except DataError:
            write_problems(problems_path, found.problems)
            raise
        by_name = dict(zip([sample.image for sample in found.samples], found.results, strict=True))
        stored = write_store(partial_dir, found.source.class_titles, params, chosen, by_name)
        size = report_size(facts, params.image_size)
        metrics: dict[str, Any] = {"images_found": found.found, "skipped": found.left_out}
        metrics |= left_out | size.metrics | count_images(found.source.class_titles, stored)
        data_key = read_index(partial_dir / INDEX_NAME).fingerprint
        files[problems_path] = format_problems(found.problems)
        files[metrics_path] = format_metrics(metrics, data_key)
    warn_of_small_splits(count_kinds(stored, SPLITS))
    if size.warning:
        say(f"warning: {size.warning}")
    return metrics
