"""Channel frequency class filters: for labels, plots and reports, never inside the algorithm.

They run forward and backward and so look into the future. Formulae: SAE J211-1 (design frequency
``2.0775 CFC``) and ISO 6487 (``CFC * 1.25 / 0.6``), two-pole Butterworth by bilinear transform.
"""

from __future__ import annotations

import math

import numpy as np

from crumple.errors import SignalError

from .trace import Float, Trace

CLASSES = (60, 180, 600, 1000)
J211_DESIGN_HZ_PER_CFC = 2.0775
ISO6487_DESIGN_HZ_PER_CFC = 1.25 / 0.6


def cfc(trace: Trace, channel_class: int, *, design_hz_per_cfc: float = J211_DESIGN_HZ_PER_CFC) -> Trace:
    """Phaseless CFC filter.

    Parameters
    ----------
    trace : Trace
    channel_class : int
        60, 180, 600 or 1000.
    design_hz_per_cfc : float
        2.0775 (SAE J211) or 1.25/0.6 (ISO 6487); tools differ by 0.3 % over it.

    Raises
    ------
    SignalError
        Unknown class, or the trace is sampled below 10 times the class (SAE J211's own rule is a
        recommendation; below it the bilinear filter no longer has the stated corner).
    """
    if channel_class not in CLASSES:
        raise SignalError(f"{trace.name}: CFC {channel_class} does not exist, choose one of {CLASSES}")
    if trace.rate_hz < 10 * channel_class:
        raise SignalError(
            f"{trace.name}: {trace.rate_hz:g} Hz is too slow for CFC {channel_class}, which needs"
            f" {10 * channel_class} Hz"
        )
    from scipy.signal import lfilter, lfiltic

    wa = math.tan(math.pi * channel_class * design_hz_per_cfc / trace.rate_hz)
    norm = 1 + math.sqrt(2) * wa + wa * wa
    b = np.array([wa * wa, 2 * wa * wa, wa * wa]) / norm
    a = np.array([1.0, 2 * (wa * wa - 1) / norm, (1 - math.sqrt(2) * wa + wa * wa) / norm])

    # ISO 6487 start-up: extend both ends point-symmetrically by 10 ms or 100 samples, and start each
    # pass from the mean of its first 10 values; a start from zero leaves a transient.
    n_pad = min(max(100, round(0.010 * trace.rate_hz)), trace.accel_g.size - 1)
    y = trace.accel_g
    padded: Float = np.concatenate(
        [2 * y[0] - y[n_pad:0:-1], y, 2 * y[-1] - y[-2 : -n_pad - 2 : -1]],
    )
    for _ in range(2):
        start = padded[:10].mean()
        zi = lfiltic(b, a, y=[start, start], x=[start, start])
        padded = lfilter(b, a, padded, zi=zi)[0][::-1]
    return Trace(trace.name, padded[n_pad : n_pad + y.size], trace.rate_hz, trace.t0_s)
