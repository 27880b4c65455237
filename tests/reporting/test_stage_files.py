"""Missing and damaged files of the other stages."""

from __future__ import annotations

from pathlib import Path

import pytest
from make_run import DATA, SETTINGS, TEST, THRESHOLD, TRAINING, Run

from steelcli.common.errors import RunError
from steelcli.common.outputs import write_json


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("metrics/data.json", "prepare"),
        ("metrics/train.json", "train"),
        ("metrics/threshold.json", "tune-threshold"),
        ("metrics/test.json", "evaluate"),
        ("metrics/test_images.csv", "evaluate"),
        ("metrics/test_defects.csv", "evaluate"),
        ("metrics/test_points.csv", "evaluate"),
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
    assert not run.report_path.parent.exists()


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
        ("metrics/test_points.csv", "threshold,min_area_px\n0.5,0\n", "lacks the column tp"),
        ("metrics/test_defects.csv", "image,class,area_px,found\na,b,c,1\n", "no number where"),
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


@pytest.mark.parametrize("name", ["data", "train", "threshold", "test"])
def test_a_file_of_other_data_is_refused(run: Run, name: str) -> None:
    values = {"data": DATA, "train": TRAINING, "threshold": THRESHOLD, "test": TEST}[name]
    run.write_metrics(name, values, data_key="other data")
    with pytest.raises(RunError, match="belongs to other data than") as caught:
        run.report()
    assert f"{name}.json; run `dvc repro`" in str(caught.value)
    assert not run.report_path.exists()


@pytest.mark.parametrize("name", ["train", "threshold", "test"])
def test_a_file_of_another_training_is_refused(run: Run, name: str) -> None:
    values = {"train": TRAINING, "threshold": THRESHOLD, "test": TEST}[name]
    run.write_metrics(name, values, run_key="another run")
    with pytest.raises(RunError, match="belongs to another training than") as caught:
        run.report()
    assert f"{name}.json; run `dvc repro`" in str(caught.value)


def test_scores_at_a_former_threshold_are_refused(run: Run) -> None:
    run.write_metrics("threshold", THRESHOLD | {"threshold": 0.25})
    with pytest.raises(RunError, match=r"at another threshold.*test\.json; run `dvc repro eval"):
        run.report()


def test_models_that_state_no_key_are_refused(run: Run) -> None:
    write_json(run.models_dir / "args.json", SETTINGS | {"run": {"store": "ab"}})
    with pytest.raises(RunError, match=r"no run\.run_key: .*args\.json; run `dvc repro train`"):
        run.report()


@pytest.mark.parametrize("name", ["froc", "reliability"])
def test_a_table_of_endless_rows_is_refused(run: Run, name: str) -> None:
    """Every row would stand on the page."""
    path = run.metrics_dir / f"{name}.csv"
    head, first, *_ = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([head] + [first] * 101), encoding="utf-8")
    with pytest.raises(RunError, match=rf"101 rows where 100 are the most: .*{name}\.csv"):
        run.report()
