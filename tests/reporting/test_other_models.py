"""Other models beside the run."""

from __future__ import annotations

import pytest
from make_run import OTHER, Run, by_title

from steelcli.common.errors import RunError


@pytest.mark.usefixtures("no_charts")
def test_other_models_stand_beside_the_run(run: Run) -> None:
    assert "Other models" not in {table.title for table in run.report().tables}
    run.write_metrics("yolo.v8", OTHER)
    run.write_metrics("<b>old", OTHER, data_key="other data")
    made = run.report()
    rows = by_title(made, "Other models").rows
    assert [row[:4] for row in rows] == [
        ("this run", "0.5713", "0.7845", "0.8765"),
        ("this run", "0.5000", "0.7845", "0.8765"),
        ("yolo.v8", "0.5000", "0.4321", "–"),
    ]
    assert rows[2][4] == "0.3456"
    page = run.report_path.read_text(encoding="utf-8")
    assert 'id="comparison"' in page
    assert "judged on other data: &lt;b&gt;old; evaluate" in page
    (run.metrics_dir / "broken.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match=r"broken\.json"):
        run.report()
