"""Speed and memory at the size of a steel works' archive; `python -m pytest -m scale -s`."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from steelcli.data.levels import from_levels, to_levels
from steelcli.scores.curves import AveragePrecision, average_precision
from steelcli.scores.histogram import PixelHistogram

MIB = 2**20
HEIGHT, WIDTH = 256, 1600
PIXELS = 10**8


def draw_image(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return levels uint16 [256, 1600] and class masks bool [2, ...]."""
    masks = rng.random((2, HEIGHT, WIDTH), np.float32) < 0.02
    logits = rng.standard_normal((HEIGHT, WIDTH), np.float32) * 3
    logits += np.where(masks[0] | masks[1], np.float32(2), np.float32(-4))
    probs = 1 / (1 + np.exp(-logits))
    return to_levels(probs), masks


def peak_memory() -> int:
    """Return the most bytes this process has held; Linux's `ru_maxrss` would be the parent's, from
    before `exec`."""
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def score_many(images: int) -> None:
    """Score images one after the other in flight and print what it took; run in a process of its
    own."""
    from steelcli.scores.counts import FIXED
    from steelcli.scores.parallel import IN_FLIGHT, Scored, score_images
    from steelcli.scores.scorer import SplitScorer

    def new_scorer() -> SplitScorer:
        return SplitScorer(["a", "b"], [FIXED], 0.1, froc=False)

    def iter_images():
        rng = np.random.default_rng(0)
        for index in range(images):
            yield Scored(str(index), *draw_image(rng))

    warm = new_scorer()
    warm.update("warm", *draw_image(np.random.default_rng(1)))
    warm.summary()
    before, start = peak_memory(), time.perf_counter()
    scorer = score_images(new_scorer, iter_images())
    summary, curve, rows = scorer.summary(), scorer.threshold_curve(), scorer.reliability()
    seconds, growth = time.perf_counter() - start, peak_memory() - before
    assert summary["images"] == images
    assert summary["auprc_low"] <= summary["auprc"] <= summary["auprc_high"]
    assert summary["auprc_high"] == summary["auprc_low"]
    assert len(curve) == 1023
    assert sum(row["pixels"] for row in rows) == images * HEIGHT * WIDTH
    assert np.isfinite([summary["brier"], summary["ece"]]).all()
    in_flight = IN_FLIGHT * HEIGHT * WIDTH * (2 + 2)  # levels and two class masks
    print(f"{images * HEIGHT * WIDTH} {growth / MIB:.1f} {in_flight / MIB:.1f} {seconds:.1f}")


@pytest.mark.scale
def test_memory_stays_bounded_over_1e8_pixels() -> None:
    images = -(-PIXELS // (HEIGHT * WIDTH))
    code = f"import test_scale; test_scale.score_many({images})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    pixels, growth, in_flight, seconds = map(float, done.stdout.split())
    print(
        f"\n{pixels:.0f} pixels: peak memory +{growth} MiB, "
        f"of it {in_flight} MiB pixels in flight; {seconds} s"
    )
    assert pixels >= PIXELS
    assert growth - in_flight <= 64


@pytest.mark.scale
def test_fifty_times_as_fast_as_scikit_learn() -> None:
    """Ten million pixels of a saved map, scores already in memory; seconds of processor time, the
    least of three."""
    rng = np.random.default_rng(0)
    shape = (25, 400_000)
    truth = np.repeat(
        rng.random((25, 4000), np.float32) < 0.04, 100, axis=1
    )  # runs, as defects have them
    floats = 1 / (
        1
        + np.exp(
            np.where(truth, np.float32(-2), np.float32(4))
            - 3 * rng.standard_normal(shape, np.float32)
        )
    )
    saved = to_levels(floats)

    def score(parts: int, rounded: bool = False) -> AveragePrecision:
        total = PixelHistogram()
        for image, mask in zip(np.split(saved, parts), np.split(truth, parts), strict=True):
            total.merge(PixelHistogram.of_image(image, mask, rounded))
        found = average_precision(total)
        assert found
        return found

    ways = {
        "scikit-learn": lambda: average_precision_score(truth.ravel(), from_levels(saved).ravel()),
        "one saved map": lambda: score(1),
        "25 saved maps": lambda: score(25),
        "one rounded map": lambda: score(1, rounded=True),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    results = {}
    for _ in range(3):  # in turns, because the machine may be slower for a while
        for name, function in ways.items():
            for _ in range(1 if name == "scikit-learn" else 5):
                start = time.process_time()
                results[name] = function()
                seconds[name].append(time.process_time() - start)
    expected = results.pop("scikit-learn")
    reference = min(seconds.pop("scikit-learn"))
    print(f"\n10^7 pixels: scikit-learn {reference:.2f} s")
    for name, spent in seconds.items():
        print(f"{name} {min(spent):.3f} s, {reference / min(spent):.0f} times as fast")
    assert (
        results["one saved map"].value
        == results["25 saved maps"].value
        == pytest.approx(expected, abs=1e-9)
    )
    exact, certified = (
        average_precision_score(truth.ravel(), floats.ravel()),
        results["one rounded map"],
    )
    assert certified.low - 1e-9 <= exact <= certified.high + 1e-9
    assert reference >= 50 * min(seconds["one saved map"])
