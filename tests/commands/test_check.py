"""`steelcli check` with and without parameters."""

from __future__ import annotations

from pathlib import Path

import pytest
from walk import steelcli, write_params

from steelcli.commands.check import WITHOUT_PARAMS, check


def test_it_needs_no_parameters_and_says_how_it_read(project_dir: Path, tmp_path: Path) -> None:
    done = steelcli(tmp_path, "check", str(project_dir))
    assert (done.returncode, done.stderr) == (0, "")
    first, rest = done.stdout.split("\n", 1)
    assert first.startswith("no params.yaml here, so the data is read with data.format=auto ")
    assert "data.classes=[] " in first
    assert "data.mask_threshold=null" in first
    assert "24 images found, 24 read, 0 problems." in rest
    assert not list(tmp_path.iterdir())
    write_params(tmp_path, {})
    with_parameters = steelcli(tmp_path, "check", str(project_dir)).stdout
    assert with_parameters.startswith(rest)
    assert "At data.image_size" in with_parameters.removeprefix(rest)  # which none names before


@pytest.mark.parametrize("spoil", ["broken", "nowhere", "named"])
def test_parameters_that_are_there_count(spoil: str, project_dir: Path, tmp_path: Path) -> None:
    arguments = ["--params", "other.yaml"] if spoil == "named" else []
    if spoil == "broken":
        (tmp_path / "params.yaml").write_text("data: {}", encoding="utf-8")
    if spoil == "nowhere":
        (tmp_path / "params.yaml").symlink_to("gone")
    done = steelcli(tmp_path, "check", str(project_dir), *arguments)
    assert done.returncode == 1
    assert done.stdout == ""


def test_no_class_and_no_thin_image_is_left_out(project_dir: Path) -> None:
    update = {"root": str(project_dir)}
    found = check(WITHOUT_PARAMS.model_copy(update=update))
    assert len(found.source.class_titles) > 1
    assert not found.problems
