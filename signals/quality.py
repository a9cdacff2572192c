"""What a recorded channel shows about its own health: values that stand still and values that hit a ceiling.

Findings are notes for a person, carried along with the channel; nothing is repaired or left out here.
"""

from __future__ import annotations

import numpy as np

from .trace import Float

CLIP_RUN = 4
"""Equal samples in a row at the extreme of a channel that count as clipping; assumed."""

FROZEN_S = 0.005
"""Time without any change that counts as a dropout; assumed: crash structures ring well above 200 Hz."""


def quality_notes(values: Float, rate_hz: float, t0_s: float) -> tuple[str, ...]:
    """Signs of clipping and of a frozen signal.

    Parameters
    ----------
    values : ndarray, shape (n_samples,)
        Samples in any unit.
    rate_hz : float
    t0_s : float
        Time of the first sample in seconds; findings give times on this axis.

    Returns
    -------
    tuple of str
        One line a finding; empty where nothing was found. A channel of one single value throughout is
        reported as frozen.
    """
    if values.size < 2:
        return ()
    starts = np.concatenate([[0], np.flatnonzero(np.diff(values) != 0) + 1])
    lengths = np.diff(np.concatenate([starts, [values.size]]))
    levels = values[starts]
    notes = []
    n_frozen = max(CLIP_RUN, round(FROZEN_S * rate_hz))
    for extreme, word in ((values.max(), "maximum"), (values.min(), "minimum")):
        clipped = (levels == extreme) & (lengths >= CLIP_RUN) & (lengths < n_frozen)
        if clipped.any():
            first = int(np.flatnonzero(clipped)[0])
            notes.append(
                f"possibly clipped: {int(lengths[clipped].sum())} samples stand at the {word} {extreme:g},"
                f" first at {1e3 * (t0_s + starts[first] / rate_hz):.1f} ms"
            )
    frozen = lengths >= n_frozen
    if frozen.any():
        longest = int(np.argmax(lengths))
        notes.append(
            f"frozen: {int(frozen.sum())} stretch(es) without change, the longest"
            f" {1e3 * lengths[longest] / rate_hz:.1f} ms"
            f" from {1e3 * (t0_s + starts[longest] / rate_hz):.1f} ms at {levels[longest]:g}"
        )
    return tuple(notes)
