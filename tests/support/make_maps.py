"""Hypothesis strategies of probability maps that hit thresholds, ties and saturation."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from steelcli.data.levels import to_levels

ODD = [0.0, 1e-45, 1e-30, 2**-41, 2**-24, 0.5, 0.9999, 1 - 2**-24, 1.0]
PROBS = st.one_of(
    st.sampled_from([float(np.float32(odd)) for odd in ODD]),
    st.integers(0, 65535).map(lambda level: float(np.float32(level) / np.float32(65535))),
    st.integers(1, 1023).map(lambda step: step / 1024),
    st.integers(1, 1023).map(
        lambda step: float(np.nextafter(np.float32(step / 1024), np.float32(0)))
    ),
    st.integers(0, 2**30).map(lambda bits: float(np.int32(min(bits, 0x3F800000)).view(np.float32))),
    st.floats(0, 1, width=32),
)


@st.composite
def maps(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Draw probabilities float32 [1, N] with many ties, and truth bool [1, N]."""
    palette = draw(st.lists(PROBS, min_size=1, max_size=12))
    size = draw(st.integers(1, 60))
    probs = draw(st.lists(st.sampled_from(palette), min_size=size, max_size=size))
    truth = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    return np.array([probs], np.float32), np.array([truth], bool)


@st.composite
def level_maps(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Draw levels uint16 [1, N] with many ties, and truth bool [1, N]."""
    probs, truth = draw(maps())
    return to_levels(probs), truth
