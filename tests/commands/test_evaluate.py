"""What keeps a score from being learned by heart: thresholds, checkpoints and pictures of other
runs are refused."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from make_params import data_params, evaluate_params, threshold_params

from steelcli.commands.evaluate import evaluate
from steelcli.commands.judge import evaluate_foreign
from steelcli.commands.tune_threshold import tune_threshold
from steelcli.common.errors import DataError, ModelError, RunError
from steelcli.common.fingerprint import fingerprint
from steelcli.common.metrics_file import read_metrics
from steelcli.common.paths import overlay_name
from steelcli.data.images.level_png import load_levels, load_mask
from steelcli.data.store.reader import open_store
from steelcli.model.checkpoint import find_best, load_checkpoint, make_checkpoint, save_checkpoint
from steelcli.model.trained_model import load_trained
from steelcli.params.evaluate import SaveMaps
from steelcli.scores.counts import OperatingPoint, cut


class Run:
    """A copy of the trained run that may be spoilt, with its threshold."""

    def __init__(self, run_dir: Path, store_dir: Path, work_dir: Path) -> None:
        self.store_dir, self.models_dir, self.metrics_dir = (
            store_dir,
            work_dir / "models",
            work_dir / "metrics",
        )
        self.val_dir, self.predictions_dir = work_dir / "val", work_dir / "test"
        self.save_maps: SaveMaps = "all"
        self.overlays = 1
        self.areas = [0, 40]
        self.flip_tta = False
        shutil.copytree(run_dir / "models", self.models_dir)

    def tune(self) -> dict[str, Any]:
        params = threshold_params(objective="f1", min_areas_px=self.areas, flip_tta=self.flip_tta)
        paths = (self.metrics_dir / "threshold.json", self.metrics_dir / "threshold_curve.csv")
        folders = (self.store_dir, self.models_dir, *paths, self.val_dir)
        return tune_threshold(params, self.save_maps, *folders)

    def evaluate(self) -> dict[str, Any]:
        threshold_path = self.metrics_dir / "threshold.json"
        folders = (
            self.store_dir,
            self.models_dir,
            threshold_path,
            self.metrics_dir,
            self.predictions_dir,
        )
        changes = {"overlays": self.overlays, "save_maps": self.save_maps}
        params = evaluate_params(timing_images=1, **changes)
        return evaluate(params, [0, 4], *folders)

    def change_checkpoint(self, change: Callable[[dict[str, Any]], None]) -> None:
        path = find_best(self.models_dir, "dice")
        checkpoint = load_checkpoint(path)
        values = {
            "weights": checkpoint.weights,
            "params": checkpoint.params.model_dump(mode="json"),
        }
        change(values)
        header = checkpoint.model_dump(mode="json", exclude={"weights"})
        header["params"] = values["params"]
        save_checkpoint(path, make_checkpoint(header, values["weights"]))


@pytest.fixture
def run(run_dir: Path, store_dir: Path, tmp_path: Path) -> Run:
    return Run(run_dir, store_dir, tmp_path)


def nudge(values: dict[str, Any]) -> None:
    name = next(key for key in values["weights"] if key.endswith("weight"))
    values["weights"][name].view(-1)[0] += 1e-3


def test_the_threshold_says_what_it_was_learned_for(run: Run) -> None:
    learned = run.tune()
    trained = load_trained(run.models_dir, run.store_dir)
    metrics = read_metrics(run.metrics_dir / "threshold.json", "")
    assert (metrics.data_key, metrics.run_key) == (trained.store.fingerprint, trained.run_key)
    assert run.evaluate()["threshold"] == learned["threshold"]
    metrics = read_metrics(run.metrics_dir / "test.json", "", ("threshold",))
    assert (metrics.data_key, metrics.run_key) == (trained.store.fingerprint, trained.run_key)


def test_a_threshold_learned_for_another_checkpoint_is_refused(run: Run) -> None:
    run.tune()
    run.change_checkpoint(nudge)
    with pytest.raises(RunError, match="for another checkpoint") as caught:
        run.evaluate()
    assert "threshold.json" in str(caught.value)
    assert "tune-threshold" in str(caught.value)
    assert not run.predictions_dir.exists()


@pytest.mark.parametrize("foreign", [None, 0, "1", ["another"], [1], ["1", "2"]])
def test_a_threshold_that_does_not_say_is_refused(run: Run, foreign: object) -> None:
    path = run.metrics_dir / "threshold.json"
    path.parent.mkdir()
    values = {"threshold": 0.5, "min_area_px": 0, "flip_tta": 0} | (
        {} if foreign is None else {"run_key": foreign}
    )
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(RunError, match=r"for another checkpoint|no list of one text"):
        run.evaluate()


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        *(("min_area_px", area, "no min_area_px in whole pixels") for area in (None, -1, 1.5)),
        *(("flip_tta", number, "flip_tta") for number in (None, 2, [1])),
    ],
)
def test_a_threshold_without_all_that_is_frozen_is_refused(
    run: Run, key: str, value: object, told: str
) -> None:
    """None: it is not there, as earlier versions wrote it."""
    run.tune()
    path = run.metrics_dir / "threshold.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    del values[key]
    values |= {} if value is None else {key: value}
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(RunError, match=rf"{told}.*steelcli tune-threshold"):
        run.evaluate()


def test_maps_are_made_as_the_threshold_was_learned(run: Run) -> None:
    trained = load_trained(run.models_dir, run.store_dir)
    first: list[Any] = []
    for run.flip_tta in (True, False):
        run.tune()
        run.evaluate()
        for split, folder in (("val", run.val_dir), ("test", run.predictions_dir)):
            for position, levels in trained.iter_levels(split, 8, run.flip_tta):
                name = Path(trained.store.records[position].image).with_suffix(".png").name
                (path,) = folder.glob(f"maps/**/{name}")
                assert abs(load_levels(path).astype(int) - levels).max() <= 1  # other batches
        first.append(levels)
    assert abs(first[0].astype(int) - first[1]).max() > 1


def test_the_learned_area_is_in_force_in_every_output(run: Run) -> None:
    """An area that removes all: nothing is predicted at the learned point, all as before at 0.5."""
    run.tune()
    whole = run.evaluate()
    run.areas = [10**9]
    learned = run.tune()
    assert (learned["min_area_px"], learned["f1_score"]) == (10**9, 0)
    assert not any(load_mask(path).any() for path in (run.val_dir / "masks").rglob("*.png"))
    metrics = run.evaluate()
    assert metrics["min_area_px"] == 10**9
    assert metrics["optimal"]["recall"] == metrics["optimal"]["image_recall"] == 0
    assert metrics["fixed"] == whole["fixed"]
    assert metrics["auprc"] == whole["auprc"]
    assert metrics["image_auroc"] == 0.5
    for path in (run.predictions_dir / "masks").rglob("*.png"):
        assert not load_mask(path).any()
    with (run.metrics_dir / "test_images.csv").open(newline="", encoding="utf-8") as file:
        assert {(row["tp"], row["detected"]) for row in csv.DictReader(file)} == {("0", "0")}


def test_parts_of_a_fingerprint_do_not_run_together() -> None:
    assert fingerprint(["ab", b"c"]) == fingerprint([b"ab", "c"])
    assert (
        len({fingerprint(parts) for parts in (["ab", "c"], ["a", "bc"], ["abc"], ["c", "ab"])}) == 4
    )


@pytest.mark.parametrize(
    ("section", "key", "value"), [("train", "lr", 0.5), ("model", "architecture", "unetplusplus")]
)
def test_a_checkpoint_with_other_parameters_is_refused(
    run: Run, section: str, key: str, value: object
) -> None:
    run.change_checkpoint(lambda values: values["params"][section].update({key: value}))
    with pytest.raises(ModelError, match=f"other {section} parameters") as caught:
        run.tune()
    assert "args.json" in str(caught.value)


@pytest.mark.parametrize("other", ["train", "val"])
def test_a_test_picture_in_another_split_is_refused(run: Run, tmp_path: Path, other: str) -> None:
    shutil.copytree(run.store_dir, tmp_path / "prepared")
    index_path = tmp_path / "prepared" / "index.json"
    index = json.loads(index_path.read_text(encoding="utf-8"))
    one, seen = (
        next(row for row in index["records"] if row["split"] == split) for split in ("test", other)
    )
    one["content"] = seen["content"]
    index_path.write_text(json.dumps(index), encoding="utf-8")
    run.tune()
    run.store_dir = tmp_path / "prepared"
    with pytest.raises(DataError, match="the same picture") as caught:
        run.evaluate()
    assert one["image"] in str(caught.value)
    assert seen["image"] in str(caught.value)


def test_a_picture_twice_in_one_split_is_no_leak(store_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(store_dir, tmp_path / "prepared")
    index_path = tmp_path / "prepared" / "index.json"
    index = json.loads(index_path.read_text(encoding="utf-8"))
    one, other = [row for row in index["records"] if row["split"] == "test"][:2]
    one["content"] = other["content"]
    index_path.write_text(json.dumps(index), encoding="utf-8")
    assert len(open_store(tmp_path / "prepared").records) == len(index["records"])


def test_masks_are_what_is_cut_from_the_maps_in_one_bit_a_pixel(run: Run) -> None:
    learned = run.tune()
    point = OperatingPoint(learned["threshold"], learned["min_area_px"])
    run.evaluate()
    store = open_store(run.store_dir)
    for split, folder in (("val", run.val_dir), ("test", run.predictions_dir)):
        records = [record for record in store.records if record.split == split]
        names = {f"{Path(record.image).with_suffix('')}.png" for record in records}
        for kind in ("maps", "masks"):
            assert list_files(folder / kind) == names
        predicted = 0
        for name in names:
            raw = (folder / "masks" / name).read_bytes()
            assert raw[12:16] == b"IHDR"
            assert (raw[24], raw[25]) == (1, 0)  # one bit, grey
            mask = load_mask(folder / "masks" / name)
            assert np.array_equal(mask, cut(load_levels(folder / "maps" / name), point))
            predicted += np.count_nonzero(mask)
        assert predicted


def test_the_tables_of_points_and_defects_say_what_test_json_says(run: Run) -> None:
    run.tune()
    metrics = run.evaluate()
    tables = {}
    for name in ("test_points", "test_defects"):
        text = (run.metrics_dir / f"{name}.csv").read_text(encoding="utf-8")
        tables[name] = list(csv.DictReader(text.splitlines()))
    clean = metrics["images"] - metrics["defect_images"]
    for name, point in (
        ("optimal", (metrics["threshold"], metrics["min_area_px"])),
        ("fixed", (0.5, 0)),
    ):
        row = next(
            row
            for row in tables["test_points"]
            if (float(row["threshold"]), int(row["min_area_px"])) == point
        )
        group, tp = metrics[name], int(row["tp"])
        assert float(row["dice_defect"]) == pytest.approx(group["dice_defect"], abs=1e-12)
        assert tp / (tp + int(row["fn"])) == group["recall"]
        assert int(row["false_alarms"]) == round(clean * group["clean_false_alarm"])
        assert int(row["detected"]) == round(metrics["defect_images"] * group["image_recall"])
    assert (
        len(tables["test_points"]) % len({row["min_area_px"] for row in tables["test_points"]}) == 0
    )
    for title, whole in metrics["defects_class"].items():
        own = [int(row["found"]) for row in tables["test_defects"] if row["class"] == title]
        assert len(own) == whole
        assert sum(own) / whole == metrics["found_class"][title]


@pytest.mark.parametrize("kept", ["shown", "none"])
def test_fewer_maps_change_no_score_and_no_mask(run: Run, kept: SaveMaps) -> None:
    run.tune()
    run.evaluate()
    whole = digests(run.metrics_dir, run.val_dir, run.predictions_dir)
    run.save_maps = kept
    run.tune()
    run.evaluate()
    found = digests(run.metrics_dir, run.val_dir, run.predictions_dir)
    gone = whole.keys() - found.keys()
    assert all("/maps/" in name for name in gone)
    assert not (run.val_dir / "maps").exists()
    if kept == "none":
        assert not (run.predictions_dir / "maps").exists()
    different = {Path(name).name for name in found if found[name] != whole[name]}
    assert different <= {"test.json"}  # holds the times


@pytest.mark.parametrize(("overlays", "lowest", "cards"), [(1, 0, 0), (0, 2, 0), (0, 0, 1)])
def test_the_maps_kept_are_those_that_overlays_and_the_report_show(
    run: Run, monkeypatch: pytest.MonkeyPatch, overlays: int, lowest: int, cards: int
) -> None:
    monkeypatch.setattr("steelcli.reporting.lowest.LOWEST_IMAGES", lowest)
    monkeypatch.setattr("steelcli.commands.evaluate.CARDS", cards)
    run.tune()
    run.save_maps, run.overlays = "shown", overlays
    run.evaluate()
    with (run.metrics_dir / "test_images.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    rows.sort(key=lambda row: (float(row["dice"]), -int(row["fp"]) - int(row["fn"])))
    listed = {row["image"] for row in rows[:lowest]}
    pictures = [path.name for path in (run.predictions_dir / "overlays").glob("*")]
    drawn = {
        row["image"]
        for row in rows
        for name in pictures
        if name in {overlay_name(row["image"], kind, 1) for kind in ("worst", "median", "best")}
    }
    assert bool(drawn) == bool(overlays)
    defect = [row for row in rows if int(row["defect_pixels"])]
    shown = {min(defect, key=lambda row: (float(row["dice"]), row["image"]))["image"]}
    shown = shown if cards else set()
    kept = list_files(run.predictions_dir / "maps")
    assert kept == {Path(name).with_suffix(".png").as_posix() for name in drawn | listed | shown}
    assert len(kept) < len(list_files(run.predictions_dir / "masks")) == len(rows)


@pytest.mark.parametrize("kind", ["maps", "masks"])
def test_what_is_saved_reads_as_another_models(run: Run, kind: str) -> None:
    run.tune()
    own = run.evaluate()
    folders = [run.predictions_dir / kind, run.val_dir / kind]
    learning = threshold_params(objective="f1", min_areas_px=run.areas)
    params = (data_params(), learning, evaluate_params())
    twin = evaluate_foreign(folders[0], "twin", folders[1], *params, run.store_dir, run.metrics_dir)
    if kind == "maps":
        assert twin["optimal"] == own["optimal"]
        assert twin["threshold"] == own["threshold"]
        assert twin["auprc"] == own["auprc"]
    else:
        assert twin["fixed"] == own["optimal"]


def test_a_tuning_killed_while_it_cuts_masks_leaves_the_old_one_whole(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.tune()
    before = digests(run.metrics_dir, run.val_dir)
    assert len(before) > 4
    run.save_maps = "none"
    monkeypatch.setattr("steelcli.commands.tune_threshold.SavedPredictions.keep_maps", die)
    watch_die(run.tune)
    assert digests(run.metrics_dir, run.val_dir) == before


def test_an_evaluation_killed_while_it_is_timed_leaves_the_old_one_whole(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.tune()
    run.evaluate()
    before = digests(run.metrics_dir, run.predictions_dir)
    assert len(before) > 8

    monkeypatch.setattr("steelcli.commands.evaluate.measure_speed", die)
    monkeypatch.setattr("steelcli.commands.evaluate.FIXED", OperatingPoint(0.25))
    watch_die(run.evaluate)
    assert digests(run.metrics_dir, run.predictions_dir) == before


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def watch_die(work: Callable[[], object]) -> None:
    """Do the work in a process of its own, which is killed at `die`."""
    child = os.fork()
    if not child:
        work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


def list_files(folder: Path) -> set[str]:
    """Return the names of the files below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def digests(*folders: Path) -> dict[str, bytes]:
    """Return the content of all files that are not temporary."""
    found = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and ".partial" not in str(path):
                found[str(path)] = path.read_bytes()
    return found
