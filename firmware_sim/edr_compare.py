"""An event data recorder's image against the counts that its sensor sent."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import Any

from crumple.errors import SignalError
from crumple.signals.corpus import Event
from crumple.signals.sensor import SensorSpec
from crumple.units import KMH_PER_MPS_EXACT, count_mps

from .edr import MOST_KMH, STEP_KMH, STEP_MS, EdrEvent, EdrImage

OFFSET_PERIOD, OFFSET_SHARE = 1024, 120
"""The controller's offset moves by at most one count in so many samples, and stays within this share of the range."""

KEPT_KMH, KEPT_MS = 8, 150


@dataclass(frozen=True, slots=True)
class Compared:
    """One recorded event beside its input.

    Attributes
    ----------
    order : int
        Of the recorded event; 0 where nothing was recorded.
    input_kmh : tuple of float
        Velocity change of the input at the times of the recorded values, positive forward.
    difference_kmh : float
        The largest one between the two, maximum included.
    tolerance_kmh : float
        What rounding to whole km/h and the followed offset may cost at most at that value.
    agrees : bool
        Whether every value is within its own tolerance, decided exactly.
    """

    order: int
    input_kmh: tuple[float, ...]
    difference_kmh: float
    tolerance_kmh: float
    agrees: bool

    def document(self) -> dict[str, Any]:
        """As plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


def compare(image: EdrImage, event: Event, sensor: SensorSpec) -> tuple[Compared, ...]:
    """Hold every event of an ``image`` against the main sensor's counts of ``event``, rest before and after it.

    Parameters
    ----------
    image : EdrImage
    event : Event
        Its first count is the first tick after power-on.
    sensor : SensorSpec
        The main sensor that sent the counts.

    Raises
    ------
    SignalError
        Another sample rate, or an event that begins after the recording's last sample.
    """
    if image.sample_rate_hz != sensor.sample_rate_hz:
        raise SignalError(
            f"{event.name}: {sensor.sample_rate_hz} samples a second, the recorder took {image.sample_rate_hz}"
        )
    counts = [int(count) for count in event.main_lsb]
    kmh = count_mps(sensor.lsb, sensor.sample_period_s) * KMH_PER_MPS_EXACT
    if not image.events:
        return (_nothing(counts, kmh, KEPT_MS * sensor.sample_rate_hz // 1000),)
    found = []
    for one in image.events:
        if one.zero_tick >= len(counts):
            raise SignalError(
                f"{event.name}: {len(counts)} samples, but the recorder's event begins at sample {one.zero_tick};"
                " it is of another recording"
            )
        found.append(_compare(one, counts, kmh, sensor))
    return tuple(found)


def _compare(one: EdrEvent, counts: list[int], kmh: Fraction, sensor: SensorSpec) -> Compared:
    rate = sensor.sample_rate_hz
    step = STEP_MS * rate // 1000
    followed = min(one.zero_tick // OFFSET_PERIOD, sensor.clamp_lsb // OFFSET_SHARE)

    def change(n: int) -> Fraction:
        return -sum(counts[one.zero_tick : one.zero_tick + n]) * kmh

    pairs = [(value, k * step) for k, value in enumerate(one.delta_v_kmh)]
    # The maximum is read at its own time, which is rounded to 2.5 ms: whatever lies within half of that will do.
    peak = round(one.max_time_ms * rate / 1000)
    half = -(-rate // 800)
    near = [change(n) for n in range(max(0, peak - half), peak + half + 1)]
    best = min(near, key=lambda value: _apart(one.max_delta_v_kmh, value))
    rows = [(_apart(value, change(n)), _half_step() + followed * n * kmh) for value, n in pairs]
    rows.append((_apart(one.max_delta_v_kmh, best), _half_step() + followed * (peak + half) * kmh))
    worst = max(rows, key=lambda row: row[0] - row[1])
    return Compared(
        order=one.order,
        input_kmh=tuple(float(change(n)) for _, n in pairs),
        difference_kmh=float(max(row[0] for row in rows)),
        tolerance_kmh=float(worst[1]),
        agrees=all(difference <= tolerance for difference, tolerance in rows),
    )


def _half_step() -> Fraction:
    return Fraction(STEP_KMH) / 2


def _apart(recorded: int, value: Fraction) -> Fraction:
    """A recorded limit means that or more."""
    if abs(recorded) == MOST_KMH and value * recorded > 0:
        return max(Fraction(0), MOST_KMH - abs(value))
    return abs(recorded - value)


def _nothing(counts: list[int], kmh: Fraction, window: int) -> Compared:
    """Nothing was recorded: right if velocity never changed by 8 km/h within 150 ms."""
    total = [0, *accumulate(counts)]
    most = max(abs(total[k] - total[max(0, k - window)]) for k in range(len(total))) * kmh
    return Compared(0, (), float(most), float(KEPT_KMH), most < KEPT_KMH)
