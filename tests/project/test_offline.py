"""The pipeline with ImageNet weights where there is no interface but loopback."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from clone import Clone
from test_pipeline import TINY

from steelcli.model.packaged_weights import PACKAGES

ENCODER = "tu-tf_efficientnet_lite0"
ALONE = ["unshare", "--map-root-user", "--net", "--"]
MAX_SECONDS = 300
"""It took 163 s beside other work; a client that waits for answers takes longer."""


def refusal() -> str:
    """Return why this machine lends no network of its own, or nothing."""
    if not shutil.which("unshare") or not shutil.which("ip"):
        return "there is no unshare or no ip"
    command = [*ALONE, "ip", "link", "set", "lo", "up"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr.strip()


@pytest.mark.slow
def test_the_pipeline_runs_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reason := refusal():
        pytest.skip(f"no network of its own: {reason}")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty-cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty-cache"))
    clone = Clone(tmp_path / "clone")
    clone.draw_fewer_images()
    changes = (*TINY, f"model.encoder_name={ENCODER}", "model.encoder_weights=imagenet")
    words = " ".join(f"-S '{change}'" for change in changes)
    script = "ip link set lo up && ! ip route get 1.1.1.1 2>/dev/null && python -m steelcli run"
    started = time.monotonic()
    output = clone(*ALONE, "bash", "-c", f"{script} -n alone {words} 2>&1")
    seconds = time.monotonic() - started
    assert seconds < MAX_SECONDS
    assert "Retrying" not in output  # what the hub's client says after each try
    assert "huggingface.co" not in output
    settings = json.loads((clone.clone_dir / "models/args.json").read_text(encoding="utf-8"))
    assert settings["run"]["encoder_digest"] == PACKAGES[ENCODER].digest
    assert settings["model"]["mean"] == [0.5, 0.5, 0.5]
    assert (clone.clone_dir / "reports" / "report.html").stat().st_size
