"""Several processes under torchrun leave what one leaves."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from make_params import data_params

from steelcli.commands.predict import predict
from steelcli.commands.predict_image import KINDS
from steelcli.data.raw.survey import ProblemsError

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
pytestmark = pytest.mark.slow


def predict_alone(work_dir: Path, out_dir: Path) -> None:
    places = work_dir / "models", work_dir / "metrics" / "threshold.json"
    with pytest.raises(ProblemsError):
        predict([str(work_dir / "in")], out_dir, KINDS, 8, data_params(), None, None, *places)


def start(work_dir: Path) -> subprocess.Popen[str]:
    arguments = ["-m", "steelcli", "predict", str(work_dir / "in"), "--write", ",".join(KINDS)]
    return subprocess.Popen(
        [*TORCHRUN, *arguments, "--out", "out"],
        cwd=work_dir,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def contents(folder: Path) -> dict[str, bytes]:
    """All files; of the journal, whose lines come in the order of the work, the sorted lines."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            raw = path.read_bytes()
            is_journal = path.suffix == ".jsonl"
            found[str(path.relative_to(folder))] = (
                b"".join(sorted(raw.splitlines(keepends=True))) if is_journal else raw
            )
    return found


@pytest.fixture(scope="module")
def work_dir(predict_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 144 images and two bad ones, and what one process makes of them."""
    work_dir = tmp_path_factory.mktemp("ranks") / "work"
    shutil.copytree(predict_dir, work_dir)
    for copy in range(5):
        shutil.copytree(predict_dir / "in", work_dir / "in" / f"{copy}")
    (work_dir / "in" / "0" / "aa.jpg").touch()  # in the first batch, that of the first process
    (work_dir / "in" / "0" / "zz.jpg").touch()  # the 26th image: in the share of the second one
    predict_alone(work_dir, work_dir / "alone")
    return work_dir


def test_two_processes_write_what_one_writes(work_dir: Path) -> None:
    process = start(work_dir)
    stdout, stderr = process.communicate(timeout=180)
    assert process.returncode == 1
    assert stderr.count("exitcode  : 1 ") == 2
    assert stderr.count("Error: 2 problems with the images, the first in ") == 1
    assert stdout.startswith("2 problems in .:\n")
    assert stdout.count("the image file is empty") == 1
    assert contents(work_dir / "out") == contents(work_dir / "alone")
    shutil.rmtree(work_dir / "out")


def test_killed_under_torchrun_it_is_finished_by_one_process(work_dir: Path) -> None:
    process = start(work_dir)
    part_path = work_dir / "out" / "images.1.jsonl"
    deadline = time.monotonic() + 120
    while not part_path.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    children = psutil.Process(process.pid).children(recursive=True)
    for child in [process, *children]:
        child.send_signal(signal.SIGKILL)
    process.communicate()
    psutil.wait_procs(children, timeout=20)
    assert part_path.exists()
    assert not (work_dir / "out" / "summary.csv").exists()
    predict_alone(work_dir, work_dir / "out")
    assert contents(work_dir / "out") == contents(work_dir / "alone")
