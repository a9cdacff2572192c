"""A physical acceleration signal, before any sensor.

Sign convention, stated once: ``accel_g`` follows SAE J211 vehicle axes, positive x forward. The
occupant compartment of a car in a frontal crash therefore reads NEGATIVE. ``decel_g`` is its
negative, positive while the car slows down; that is what sensor counts and algorithms use.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crumple.errors import SignalError

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trace:
    """One channel of acceleration at a fixed rate.

    Attributes
    ----------
    name : str
        Channel name, for messages and plots.
    accel_g : ndarray, shape (n_samples,)
        Acceleration in g, SAE J211 sign (see the module's docstring). Read-only.
    rate_hz : float
        Samples per second.
    t0_s : float
        Time of the first sample in seconds from first contact; negative before it.
    """

    name: str
    accel_g: Float
    rate_hz: float
    t0_s: float

    def __post_init__(self) -> None:
        accel_g = np.array(self.accel_g, dtype=np.float64)
        if accel_g.ndim != 1 or accel_g.size < 2:
            raise SignalError(f"{self.name}: needs a row of at least 2 samples, has shape {accel_g.shape}")
        if not np.isfinite(accel_g).all():
            first = int(np.flatnonzero(~np.isfinite(accel_g))[0])
            raise SignalError(f"{self.name}: sample {first} is {accel_g[first]}, expected a finite number of g")
        if not (np.isfinite(self.rate_hz) and self.rate_hz > 0 and np.isfinite(self.t0_s)):
            raise SignalError(f"{self.name}: rate {self.rate_hz} Hz from {self.t0_s} s makes no time axis")
        accel_g.flags.writeable = False
        object.__setattr__(self, "accel_g", accel_g)

    @property
    def decel_g(self) -> Float:
        """Deceleration in g, positive while a forward-moving car slows down; shape (n_samples,)."""
        return -self.accel_g

    @property
    def time_s(self) -> Float:
        """Time of every sample in seconds from first contact; shape (n_samples,)."""
        return self.t0_s + np.arange(self.accel_g.size) / self.rate_hz

    def without_pretrigger_offset(self) -> Trace:
        """The same trace with the mean of its samples before contact taken off.

        Raises
        ------
        SignalError
            If there are fewer than 10 samples before contact: an offset from the crash itself would
            understate severity.
        """
        before = self.time_s < 0
        if before.sum() < 10:
            raise SignalError(
                f"{self.name}: only {int(before.sum())} samples before contact, 10 are needed to find the offset"
            )
        return Trace(self.name, self.accel_g - self.accel_g[before].mean(), self.rate_hz, self.t0_s)
