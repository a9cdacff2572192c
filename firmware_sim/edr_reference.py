"""The event data recorder over whole recordings in exact fractions, written from its rules and not from the C."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate
from typing import Any

from numpy.typing import NDArray

from crumple.units import G0_MPS2_EXACT, KMH_PER_MPS_EXACT

NONE_8, NONE_16 = 0xFF, 0xFFFF
KEPT_KMH = 8
ONSET_KMH = Fraction(8, 10)
Tick = dict[str, Any]


@dataclass
class _Event:
    zero: int
    seen: int  # tick that recognised it
    last: int  # last tick told to it
    closing: int  # tick that closed it
    complete: bool
    by_deployment: bool
    end: int | None  # samples from zero to the end
    severe: bool
    cumulative: list[int] = field(default_factory=list)  # counts from zero; entry 0 is 0

    def stage(self, ticks: list[Tick], k: int) -> int | None:
        """Samples from zero to the first current of stage k."""
        return next((t - self.zero for t in range(self.seen, self.last + 1) if ticks[t]["current"][k]), None)


class ReferenceRecorder:
    """A recorder of counts of ``count_g`` g each, ``sample_rate_hz`` a second."""

    def __init__(self, count_g: Fraction, sample_rate_hz: int) -> None:
        self.rate = sample_rate_hz
        self.count_kmh: Fraction = count_g * G0_MPS2_EXACT * KMH_PER_MPS_EXACT / sample_rate_hz

    def image_of(self, ticks: NDArray[Any]) -> bytes:
        """What is downloaded from a blank recorder after ``ticks``: an array of ``TICK_DTYPE``, shape (n_samples,)."""
        told = [dict(zip(ticks.dtype.names or (), row, strict=True)) for row in ticks.tolist()]
        order = lost_events = 0
        previous: int | None = None
        places: list[tuple[int, bool, bytes] | None] = [None, None]
        for event in self._events(told):
            fired = any(event.stage(told, k) is not None for k in (0, 1))
            if not (fired or event.severe):
                continue
            gap = None if previous is None or event.zero - previous > self._n(5000) else event.zero - previous
            previous = event.zero
            locked = fired or told[event.closing]["has_fired"]
            free = [k for k, place in enumerate(places) if place is None]
            loose = sorted((place[0], k) for k, place in enumerate(places) if place is not None and not place[1])
            if not free and not loose:
                lost_events += 1
                continue
            order += 1
            place = free[0] if free else loose[0][1]
            places[place] = (order, locked, self._slot(event, told, order, locked, gap))
        body = struct.pack("<4sBBHHHHH", b"CRED", 1, 2, 92, 1, self.rate, lost_events, order)
        body += b"".join(bytes(92) if place is None else place[2] for place in places)
        return body + struct.pack("<I", zlib.crc32(body))

    def _n(self, ms: int) -> int:
        return ms * self.rate // 1000

    def _round(self, value: Fraction) -> int:
        return math.floor(value + Fraction(1, 2))

    def _kmh(self, counts: int) -> int:
        size = min(127, self._round(abs(counts) * self.count_kmh))
        return -size if counts > 0 else size

    def _events(self, told: list[Tick]) -> Iterator[_Event]:
        begin = 0
        while begin < len(told):
            if not told[begin]["is_running"]:
                begin += 1
                continue
            stop = begin
            while stop < len(told) and told[stop]["is_running"]:
                stop += 1
            yield from self._between_resets(told, begin, stop)
            begin = stop

    def _between_resets(self, told: list[Tick], begin: int, stop: int) -> Iterator[_Event]:
        total: list[int] = [0, *accumulate(tick["sample_lsb"] for tick in told)]

        def change(first: int, last: int) -> int:
            """Over samples first to last, both included, in counts."""
            return abs(total[last + 1] - total[first])

        floor, far, holding, now = begin, begin, False, begin
        kept = False
        short, long = self._n(20), self._n(150)
        # Exact: the fewest counts that reach a limit, the most that do not exceed it.
        onset, severe = math.ceil(ONSET_KMH / self.count_kmh), math.ceil(KEPT_KMH / self.count_kmh)
        rest = math.floor(ONSET_KMH / self.count_kmh)
        while now < stop:
            reach = range(now, max(floor, now - short + 1) - 1, -1)
            zero = None if holding else next((z for z in reach if change(z, now) >= onset), None)
            by_deployment = zero is None and any(told[now]["current"])
            is_severe = not holding and change(max(far, now - long + 1), now) >= severe
            if by_deployment or (zero is None and is_severe):
                zero = now
            if zero is None:
                if holding and change(max(floor, now - short + 1), now) <= rest:
                    holding, floor = False, now + 1
                    far = now + 1 if kept else far
                now += 1
                continue
            ends = (
                t - zero + 1
                for t in range(now, min(stop, zero + self._n(300)))
                if t - zero + 1 >= short and change(max(floor, t - short + 1), t) <= rest
            )
            end = next(ends, None)
            span = self._n(300) if end is None else min(self._n(300), end + self._n(30))
            over = range(max(now, zero + span - 1), stop)
            closing = next((t for t in over if not told[t]["is_firing"]), None)
            if closing is None and stop == len(told):
                return  # still under way
            last = stop - 1 if closing is None else closing
            if end is not None and zero + end - 1 > last:
                end = None
            event = _Event(
                zero=zero,
                seen=now,
                last=last,
                closing=stop if closing is None else closing,
                complete=closing is not None,
                by_deployment=by_deployment,
                end=end,
                severe=any(change(max(far, t - long + 1), t) >= severe for t in range(now, last + 1)),
                cumulative=[total[zero + k] - total[zero] for k in range(min(span, last - zero + 1) + 1)],
            )
            yield event
            kept = event.severe or any(event.stage(told, k) is not None for k in (0, 1))
            now = last + 1
            holding = end is None
            floor = floor if holding else now
            far = now if kept and not holding else far

    def _slot(self, event: _Event, told: list[Tick], order: int, locked: bool, gap: int | None) -> bytes:
        rate, first, closing = self.rate, told[event.seen], told[event.closing]
        stages = [event.stage(told, k) for k in (0, 1)]
        most = NONE_16 - 1  # what lasts longer reads as this
        ms = [NONE_16 if at is None else min(most, self._round(Fraction(at * 1000, rate))) for at in stages]
        disposal = None not in stages and ms[1] - ms[0] >= 100
        flags = (
            1
            | 2 * locked
            | 4 * event.complete
            | 8 * (stages != [None, None])
            | 16 * disposal
            | 32 * event.by_deployment
            | 64 * (event.end is not None)
        )
        sums = event.cumulative
        peak = max(range(len(sums)), key=lambda k: (abs(sums[k]), -k))
        series = [self._kmh(sums[k]) for k in range(0, min(len(sums) - 1, self._n(250)) + 1, self._n(10))]
        half = self._n(500)
        moments = list(range(0, event.seen + 1, half))[-11:]
        past = [told[t]["vehicle"] for t in moments]
        lamps = [int(told[t]["lamp"]) for t in moments]
        missing = 11 - len(past)
        past = [(NONE_8,) * 4] * missing + past
        lamps = [NONE_8] * missing + lamps
        span = len(sums) - 1
        head = struct.pack(
            "<BBHIHHHHIHBBBBBbBB",
            flags,
            1 if gap is None else 2,
            order,
            event.zero,
            1,
            *ms,
            NONE_16 if event.end is None else self._round(Fraction(event.end * 1000, rate)),
            first["trouble"],
            sum(told[t]["is_lost"] for t in range(event.zero, event.zero + span)),
            NONE_8 if gap is None else self._round(Fraction(gap * 10, rate)),
            lamps[8],
            past[8][3],
            int(first["lamp"]),
            closing["mode"],
            self._kmh(sums[peak]),
            self._round(Fraction(peak * 400, rate)),
            len(series),
        )
        tail = struct.pack("<26b", *(series + [-128] * (26 - len(series))))
        return head + tail + bytes(row[k] for k in (0, 1, 2) for row in past) + bytes(3)
