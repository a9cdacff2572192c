"""Word lengths and exact integer arithmetic.

Word lengths are theorems here, not hopes: a range is computed with Python's unbounded integers and
compared with the type that has to hold it.
"""

from __future__ import annotations

INT8_MAX = 2**7 - 1
INT16_MAX = 2**15 - 1
INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1


def fits(magnitude: int, limit: int) -> bool:
    """Whether every value in ``[-magnitude, magnitude]`` is representable when ``limit`` is the maximum.

    The asymmetric minimum of two's complement is left unused, so that negation is safe too.
    """
    return abs(magnitude) <= limit


def clamp(value: int, limit: int) -> int:
    """``value`` limited to ``[-limit, limit]``, as the sensor input of the deployed function does."""
    return max(-limit, min(limit, value))
