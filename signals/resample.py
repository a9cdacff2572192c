"""Another sampling rate without aliases, and uniform samples from irregular ones.

Both look into the future (no delay) and so serve recordings, plots and augmentation, never the algorithm; the
sensor chain has its own causal filter.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from crumple.errors import SignalError

from .trace import Float, Trace

PASS_FRACTION = 0.8
"""Flat up to this fraction of the lower Nyquist frequency; beyond that frequency nothing is left."""

STOP_DB = 80.0
LARGEST_FACTOR = 2000


def resample(trace: Trace, rate_hz: float) -> Trace:
    """The same signal at another rate, band-limited to what both rates can carry.

    A linear-phase FIR low-pass (Kaiser window, 80 dB), evaluated polyphase. Both ends are continued
    point-symmetrically, as ISO 6487 does for its filters, so that an end does not ring.

    Parameters
    ----------
    trace : Trace
    rate_hz : float
        New samples per second.

    Returns
    -------
    Trace
        Starts at the same time; ends at the last new sample that the old ones cover.

    Raises
    ------
    SignalError
        The rate is not positive, the ratio of rates is no fraction of whole numbers up to 2000, or fewer
        than 2 samples would be left.
    """
    if not (np.isfinite(rate_hz) and rate_hz > 0):
        raise SignalError(f"{trace.name}: cannot resample to {rate_hz} Hz")
    ratio = Fraction(rate_hz / trace.rate_hz).limit_denominator(LARGEST_FACTOR)
    up, down = ratio.numerator, ratio.denominator
    if not 0 < up <= LARGEST_FACTOR or abs(up / down * trace.rate_hz - rate_hz) > 1e-9 * rate_hz:
        raise SignalError(
            f"{trace.name}: {trace.rate_hz:g} Hz to {rate_hz:g} Hz is no ratio of whole numbers up to {LARGEST_FACTOR}"
        )
    if up == down:
        return trace
    n_out = (trace.accel_g.size - 1) * up // down + 1
    if n_out < 2:
        raise SignalError(f"{trace.name}: {trace.accel_g.size} samples leave fewer than 2 at {rate_hz:g} Hz")
    from scipy.signal import firwin, kaiserord, resample_poly

    nyquist = 1.0 / max(up, down)  # the lower one, in units of the Nyquist frequency of the common grid
    n_taps, beta = kaiserord(STOP_DB, (1 - PASS_FRACTION) * nyquist)
    taps = firwin(n_taps | 1, 0.5 * (1 + PASS_FRACTION) * nyquist, window=("kaiser", beta))
    n_pad = -(-(taps.size // 2) // up) + 1
    n_pad += -n_pad % down  # a whole number of new samples
    padded = np.pad(trace.accel_g, n_pad, mode="reflect", reflect_type="odd")
    fine = resample_poly(padded, up, down, window=taps)
    skip = n_pad * up // down
    return Trace(trace.name, fine[skip : skip + n_out], rate_hz, trace.t0_s)


def from_irregular(name: str, time_s: Float, accel_g: Float, *, rate_hz: float, longest_gap_s: float) -> Trace:
    """A trace at a fixed rate from samples at irregular times, joined by straight lines.

    Parameters
    ----------
    name : str
        For messages and plots.
    time_s : ndarray, shape (n_samples,)
        Seconds from first contact, strictly increasing.
    accel_g : ndarray, shape (n_samples,)
        Acceleration in g, SAE J211 sign.
    rate_hz : float
        Rate wanted; at least that of the densest stretch keeps every peak.
    longest_gap_s : float
        A longer gap between samples is refused: what happened in it is not known.

    Raises
    ------
    SignalError
        Times repeat, go backwards, are not finite or leave too long a gap; rows differ in length. Repeated
        times are never merged: which of the values was true is not for us to say.
    """
    if time_s.shape != accel_g.shape or time_s.ndim != 1 or time_s.size < 2:
        raise SignalError(f"{name}: expected two rows of one length, got {time_s.shape} and {accel_g.shape}")
    if not (np.isfinite(time_s).all() and np.isfinite(accel_g).all()):
        raise SignalError(f"{name}: a time or a value is not finite")
    if not (np.isfinite(rate_hz) and rate_hz > 0):
        raise SignalError(f"{name}: cannot resample to {rate_hz} Hz")
    steps = np.diff(time_s)
    if (steps <= 0).any():
        k = int(np.argmax(steps <= 0))
        word = "repeats" if steps[k] == 0 else "goes backwards"
        raise SignalError(f"{name}: time {word} at sample {k + 1} ({time_s[k + 1]:g} s after {time_s[k]:g} s)")
    if steps.max() > longest_gap_s:
        k = int(np.argmax(steps))
        raise SignalError(
            f"{name}: nothing between {time_s[k]:g} s and {time_s[k + 1]:g} s, allowed {longest_gap_s:g} s"
        )
    n = int((time_s[-1] - time_s[0]) * rate_hz * (1 + 1e-12)) + 1
    grid = time_s[0] + np.arange(n) / rate_hz
    return Trace(name, np.interp(grid, time_s, accel_g), rate_hz, float(time_s[0]))
