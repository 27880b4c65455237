"""Other models beside the run."""

from __future__ import annotations

import os

import pytest
from make_params import report_params
from make_run import OTHER, TEST, Run, by_title, images

from steelcli.common.errors import RunError
from steelcli.common.metrics_file import Metrics
from steelcli.reporting.other_models import build_others
from steelcli.reporting.table import show_tables


@pytest.mark.usefixtures("no_charts")
def test_other_models_stand_beside_the_run(run: Run) -> None:
    assert not [table for table in run.report().tables if table.title.startswith("Other")]
    run.write_metrics("yolo.v8", OTHER)
    run.write("yolo.v8_images.csv", images())
    run.write_metrics("<b>old", OTHER, data_key="other data")
    made = run.report()
    assert [row[:3] for row in by_title(made, "Other models: means").rows] == [
        ("this run", "0.5713", "0.7623"),
        ("this run", "0.5000", "0.7522"),
        ("yolo.v8", "0.5000", "0.3456"),
    ]
    assert by_title(made, "Other models: clean").rows[1:] == (
        ("this run", "0.5000", "0.2053", "121 of 591", "0.1742 to 0.2391"),
        ("yolo.v8", "0.5000", "0.2154", "–", "–"),
    )
    assert by_title(made, "Other models: images with a detection").rows[0] == (
        ("this run", "0.5713", "0.8288", "615 of 742", "0.8001 to 0.8542")
    )
    assert by_title(made, "Other models: images told").rows == (
        ("this run", "0.9512", "0.9423"),
        ("yolo.v8", "–", "–"),
    )
    assert by_title(made, "Other models: over all").rows == (
        ("this run", "0.7845", "0.8765", "877 of 1,001", "0.8543 to 0.8951"),
        ("yolo.v8", "0.4321", "–", "–", "–"),
    )
    page = run.report_path.read_text(encoding="utf-8")
    assert 'id="against"' in page
    assert not made.verdict  # there is no report.baseline
    params = report_params(baseline="yolo.v8")
    judged = run.report(params)
    assert (judged.baseline, judged.verdict[0].word) == ("yolo.v8", "the same")
    assert "<h2>Against yolo.v8</h2>" in run.report_path.read_text(encoding="utf-8")
    assert "judged on other data: &lt;b&gt;old; evaluate" in page
    (run.metrics_dir / "broken.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match=r"broken\.json"):
        run.report()


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("name", ["yolo.v8", "DeepLabV3plus_resnet101_augmented_seed.42-final"])
def test_the_tables_fit_eighty_columns(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    others = {name: Metrics(TEST, "key", None, {})}
    tables = build_others(TEST, others, "key")
    show_tables(tables)
    notes = {table.note for table in tables}
    lines = [line for line in capsys.readouterr().out.splitlines() if line not in notes]
    assert max(map(len, lines)) <= 80
    out = "".join(lines)
    for table in tables:
        for cell in table.rows[0]:
            assert cell in out


@pytest.mark.usefixtures("no_charts")
def test_a_name_that_is_no_text_is_left_out_with_a_word(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ended in a traceback."""
    name = os.fsdecode(b"\xff")
    try:
        run.write_metrics(name, OTHER)
    except OSError:
        pytest.skip("this file system takes no such name")
    run.write_metrics("yolo", OTHER)
    run.write("yolo_images.csv", images())
    rows = by_title(run.report(), "Other models: means").rows
    assert [row[0] for row in rows] == ["this run", "this run", "yolo"]
    assert capsys.readouterr().out == "note: \\udcff.json is left out: its name is no UTF-8\n"
