"""Speed and memory at the size of a steel works' archive; `python -m pytest -m scale -s`."""

from __future__ import annotations

import resource
import subprocess
import sys
import time

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from steelcli.scores.curves import average_precision
from steelcli.scores.histogram import PixelHistogram

MIB = 2**20
HEIGHT, WIDTH = 256, 1600
PIXELS = 10**8


def draw_image(rng: np.random.Generator, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities float32 [256, 1600], every other image in 16-bit levels, and class masks bool [2, ...]."""
    masks = rng.random((2, HEIGHT, WIDTH), np.float32) < 0.02
    logits = rng.standard_normal((HEIGHT, WIDTH), np.float32) * 3
    logits += np.where(masks[0] | masks[1], np.float32(2), np.float32(-4))
    probs = 1 / (1 + np.exp(-logits))
    if index % 2:
        probs = np.rint(probs * np.float32(65535)) / np.float32(65535)
    return probs, masks


def peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def score_many(images: int) -> None:
    """Score images one after the other in flight and print what it took; run in a process of its own."""
    from steelcli.scores.parallel import IN_FLIGHT, score_images
    from steelcli.scores.scorer import SplitScorer

    def new_scorer() -> SplitScorer:
        return SplitScorer(["a", "b"], [0.5], 0.1, 0, froc=False)

    def iter_images():
        rng = np.random.default_rng(0)
        for index in range(images):
            yield str(index), *draw_image(rng, index)

    warm = new_scorer()
    warm.update("warm", *draw_image(np.random.default_rng(1), 0))
    warm.summary()
    before, start = peak_memory(), time.perf_counter()
    scorer = score_images(new_scorer, iter_images())
    summary, curve, rows = scorer.summary(), scorer.threshold_curve(), scorer.reliability()
    seconds, growth = time.perf_counter() - start, peak_memory() - before
    assert summary["images"] == images
    assert summary["auprc_low"] <= summary["auprc"] <= summary["auprc_high"]
    assert summary["auprc_high"] - summary["auprc_low"] < 1e-4
    assert len(curve) == 1023
    assert sum(row["pixels"] for row in rows) == images * HEIGHT * WIDTH
    assert np.isfinite([summary["brier"], summary["ece"]]).all()
    in_flight = IN_FLIGHT * HEIGHT * WIDTH * (4 + 2)  # probabilities and two class masks
    print(f"{images * HEIGHT * WIDTH} {growth / MIB:.1f} {in_flight / MIB:.1f} {seconds:.1f}")


@pytest.mark.scale
def test_memory_stays_bounded_over_1e8_pixels() -> None:
    images = -(-PIXELS // (HEIGHT * WIDTH))
    code = f"import test_scale; test_scale.score_many({images})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pixels, growth, in_flight, seconds = map(float, done.stdout.split())
    print(f"\n{pixels:.0f} pixels: peak memory +{growth} MiB, of it {in_flight} MiB pixels in flight; {seconds} s")
    assert pixels >= PIXELS
    assert growth - in_flight <= 64


@pytest.mark.scale
def test_fifty_times_as_fast_as_scikit_learn() -> None:
    """Ten million pixels of a saved map, scores already in memory; the best of three for each."""
    rng = np.random.default_rng(0)
    shape = (25, 400_000)
    truth = np.repeat(rng.random((25, 4000), np.float32) < 0.04, 100, axis=1)  # runs, as defects have them
    probs = 1 / (
        1 + np.exp(np.where(truth, np.float32(-2), np.float32(4)) - 3 * rng.standard_normal(shape, np.float32))
    )
    probs = np.rint(probs * np.float32(65535)) / np.float32(65535)

    def as_one() -> float:
        found = average_precision(PixelHistogram.of_image(probs, truth))
        assert found
        return found.value

    def by_image() -> float:
        total = PixelHistogram()
        for image, mask in zip(probs, truth, strict=True):
            total.merge(PixelHistogram.of_image(image[None], mask[None]))
        found = average_precision(total)
        assert found
        return found.value

    expected, reference = best_of(1, lambda: float(average_precision_score(truth.ravel(), probs.ravel())))
    whole, whole_seconds = best_of(3, as_one)
    parts, parts_seconds = best_of(3, by_image)
    assert whole == parts == pytest.approx(expected, abs=1e-9)
    print(f"\n10^7 pixels: scikit-learn {reference:.2f} s")
    print(f"one map {whole_seconds:.3f} s, {reference / whole_seconds:.0f} times as fast")
    print(f"25 images {parts_seconds:.3f} s, {reference / parts_seconds:.0f} times as fast")
    assert reference >= 50 * whole_seconds


def best_of(times: int, function) -> tuple[float, float]:
    """Return the result and the least seconds of processor time."""
    spent = []
    for _ in range(times):
        start = time.process_time()
        result = function()
        spent.append(time.process_time() - start)
    return result, min(spent)
