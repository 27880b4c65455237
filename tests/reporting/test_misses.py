"""Which defects are missed."""

from __future__ import annotations

from dataclasses import replace

from make_run import Run

from steelcli.reporting.misses import MAX_NAMES, count_misses
from steelcli.reporting.stage_files import Results, read_results


def with_defects(run: Run, rows: list[tuple[str, str, int, int]]) -> Results:
    results = read_results(run.metrics_dir, run.models_dir)
    images, classes, areas, found = (list(column) for column in zip(*rows, strict=True))
    numbers = {"area_px": [float(area) for area in areas], "found": [float(x) for x in found]}
    return replace(results, defect_images=images, defect_classes=classes, defects=numbers)


def test_defects_are_counted_by_class_and_size(run: Run) -> None:
    rows = [
        ("a", "pit", 120, 1),
        ("a", "pit", 121, 0),
        ("a", "pit", 3456, 0),
        ("b", "pit", 3457, 0),
        ("b", "crack", 1, 1),
    ]
    crack, pit, both = count_misses(with_defects(run, rows), 2)
    assert [cell.class_title for cell in (crack[0], pit[0], both[0])] == ["crack", "pit", ""]
    assert [cell.size for cell in pit] == ["small", "medium", "large", ""]
    assert [(cell.found, cell.defects) for cell in pit] == [(1, 1), (0, 2), (0, 1), (1, 4)]
    assert [cell.recall for cell in pit] == ["1.00", "0.00", "0.00", "0.25"]
    assert pit[1].images == ("a",)
    assert pit[3].images == ("a", "b")
    assert (both[3].found, both[3].missed) == (2, 3)
    assert [cell.recall for cell in crack] == ["1.00", "–", "–", "1.00"]


def test_long_lists_of_names_are_cut(run: Run) -> None:
    rows = [(f"{number}", "pit", 1, 0) for number in range(MAX_NAMES + 3)]
    (pit,) = count_misses(with_defects(run, rows), 2)
    assert len(pit[0].listed) == MAX_NAMES
    assert len(pit[0].images) == MAX_NAMES + 3  # the gallery shows the cards of all
    assert pit[0].left_out == 3
    assert pit[0].missed == MAX_NAMES + 3


def test_no_defects_are_no_rows(run: Run) -> None:
    results = read_results(run.metrics_dir, run.models_dir)
    none = {"area_px": [], "found": []}
    assert not count_misses(replace(results, defect_images=[], defect_classes=[], defects=none), 2)
