"""Units and exact integers against what the standards and arithmetic say."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from crumple.integers import INT8_MAX, INT16_MAX, INT32_MAX, INT64_MAX, clamp, fits
from crumple.units import (
    G0_MPS2,
    G0_MPS2_EXACT,
    KMH_PER_MPS,
    KMH_PER_MPS_EXACT,
    ceil_fraction,
    count_mps,
)


def test_standard_gravity_is_the_defined_number_exactly() -> None:
    assert Fraction("9.80665") == G0_MPS2_EXACT
    assert float(G0_MPS2_EXACT) == G0_MPS2


def test_a_metre_per_second_is_3600_metres_an_hour() -> None:
    assert Fraction(3600, 1000) == KMH_PER_MPS_EXACT
    assert float(KMH_PER_MPS_EXACT) == KMH_PER_MPS


def test_one_count_is_worth_its_g_for_one_sample() -> None:
    # 16 counts of 1/16 g are 1 g; held for 2000 samples of 0.5 ms, a second, they are 9.80665 m/s.
    assert 16 * 2000 * count_mps(Fraction(1, 16), Fraction(1, 2000)) == Fraction("9.80665")


@given(st.fractions())
def test_the_ceiling_of_a_fraction_is_that_of_mathematics(value: Fraction) -> None:
    assert ceil_fraction(value) == math.ceil(value)
    assert value <= ceil_fraction(value) < value + 1


def test_word_lengths_are_the_largest_values_of_their_types() -> None:
    import numpy as np

    for limit, kind in ((INT8_MAX, np.int8), (INT16_MAX, np.int16), (INT32_MAX, np.int32), (INT64_MAX, np.int64)):
        assert limit == np.iinfo(kind).max


@given(st.integers(), st.integers(min_value=0))
def test_a_clamped_value_lies_within_and_only_outliers_move(value: int, limit: int) -> None:
    clamped = clamp(value, limit)
    assert fits(clamped, limit)
    assert clamped == value if fits(value, limit) else abs(clamped) == limit
    assert clamp(-value, limit) == -clamped


def test_the_asymmetric_minimum_does_not_fit() -> None:
    assert fits(-INT16_MAX, INT16_MAX)
    assert not fits(-INT16_MAX - 1, INT16_MAX)
