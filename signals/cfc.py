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
    filtered = phaseless(trace.accel_g, trace.rate_hz, design_hz=channel_class * design_hz_per_cfc)
    return Trace(trace.name, filtered, trace.rate_hz, trace.t0_s)


def phaseless(values: Float, rate_hz: float, *, design_hz: float) -> Float:
    """Two-pole Butterworth run forward and backward: four poles, no delay.

    Parameters
    ----------
    values : ndarray, shape (n_samples,)
        At least 2 samples, of any unit.
    rate_hz : float
        Samples per second.
    design_hz : float
        Corner of a single pass. Both passes together are 3 dB down at 0.802 times it.

    Returns
    -------
    ndarray, shape (n_samples,)

    Raises
    ------
    SignalError
        Fewer than 2 samples, or a corner that is not below half the rate.
    """
    if values.ndim != 1 or values.size < 2:
        raise SignalError(f"a filter needs a row of at least 2 samples, got shape {values.shape}")
    if not 0 < design_hz < rate_hz / 2:
        raise SignalError(
            f"a filter corner of {design_hz:g} Hz does not fit {rate_hz:g} Hz: expected 0 to half the rate"
        )
    from scipy.signal import lfilter, lfiltic

    wa = math.tan(math.pi * design_hz / rate_hz)
    norm = 1 + math.sqrt(2) * wa + wa * wa
    b = np.array([wa * wa, 2 * wa * wa, wa * wa]) / norm
    a = np.array([1.0, 2 * (wa * wa - 1) / norm, (1 - math.sqrt(2) * wa + wa * wa) / norm])

    # ISO 6487 start-up: extend both ends point-symmetrically by 10 ms or 100 samples, and start each
    # pass from the mean of its first 10 values; a start from zero leaves a transient.
    n_pad = min(max(100, round(0.010 * rate_hz)), values.size - 1)
    y = values
    padded: Float = np.concatenate(
        [2 * y[0] - y[n_pad:0:-1], y, 2 * y[-1] - y[-2 : -n_pad - 2 : -1]],
    )
    for _ in range(2):
        start = padded[:10].mean()
        zi = lfiltic(b, a, y=[start, start], x=[start, start])
        padded = lfilter(b, a, padded, zi=zi)[0][::-1]
    return padded[n_pad : n_pad + y.size]
