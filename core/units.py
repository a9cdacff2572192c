"""Units of the field, in one place.

Quantities carry their unit in their names: ``accel_g``, ``delta_v_mps``, ``window_ms``; raw sensor
counts end in ``_lsb``. Exact rationals are used wherever a conversion reaches a proof.
"""

from __future__ import annotations

from fractions import Fraction

G0_MPS2 = 9.80665
"""Standard gravity in m/s^2 (ISO 80000-3, exact by definition)."""

G0_MPS2_EXACT = Fraction(980665, 100000)
KMH_PER_MPS = 3.6
KMH_PER_MPS_EXACT = Fraction(18, 5)


def count_mps(lsb_g: Fraction, sample_period_s: Fraction) -> Fraction:
    """Velocity change worth one count held for one sample, in m/s, exactly.

    Parameters
    ----------
    lsb_g : Fraction
        Acceleration of one count in g.
    sample_period_s : Fraction
        Time between two samples in seconds.
    """
    return lsb_g * G0_MPS2_EXACT * sample_period_s


def ceil_fraction(value: Fraction) -> int:
    """Smallest integer that is not below ``value``."""
    return -((-value.numerator) // value.denominator)
