"""The vectors that mutants of the event data recorder are tried on: what it is told, and the image by the reference."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from crumple.firmware_sim.edr_reference import ReferenceRecorder
from crumple.firmware_sim.recorder import TICK_DTYPE

RATE_HZ, COUNT_G = 2000, Fraction(1, 16)
COUNT_KMH = float(COUNT_G) * 9.80665 * 3.6 / RATE_HZ
N_RANDOM = 60
S, Q = int(np.ceil(8.0 / COUNT_KMH)), int(0.8 / COUNT_KMH)
"""Counts that make 8 km/h, and the most that are no more than 0.8."""


def ticks(counts: Any) -> np.ndarray:
    """A controller that runs and reads counts, in a car that says nothing else."""
    told: np.ndarray = np.zeros(len(counts), TICK_DTYPE)
    told["sample_lsb"], told["is_running"] = np.asarray(counts).astype(np.int16), True
    for name in ("speed_kmh", "throttle_percent", "brake", "belt"):
        told["vehicle"][name] = 255
    return told


def blow(decel_g: float, n: int, *, before: int = 200, after: int = 900) -> np.ndarray:
    return np.r_[np.zeros(before), np.full(n, decel_g * 16), np.zeros(after)]


def _sum_of(counts: int, n: int) -> np.ndarray:
    """A blow of ``n`` samples that changes velocity by so many counts, and rest before and after."""
    each, more = divmod(counts, n)
    return np.r_[np.zeros(200), np.full(n - more, each), np.full(more, each + 1), np.zeros(900)]


def recorder_vectors(folder: Path, library: ctypes.CDLL) -> list[dict[str, Any]]:
    """Segments for ``run_mutants.py``, and a look at limits that no drive of this length reaches."""
    reference = ReferenceRecorder(COUNT_G, RATE_HZ)
    told = [*_random(), *_stated()]
    return [{"ticks": one, "image": reference.image_of(one)} for one in told] + [{"limits": True}]


def _random() -> Iterator[np.ndarray]:
    """Blows of any size on top of noise, with deployments, resets, lost samples and a talkative car."""
    rng = np.random.default_rng(7)
    for k in range(N_RANDOM):
        n = int(rng.integers(50, 2500))
        counts = rng.normal(0, rng.choice([0, 5, 60, 600]), n) + rng.choice([0, 0, 17, -26])
        for at in rng.integers(0, n, int(rng.integers(0, 4))):
            counts[at : at + int(rng.integers(1, 400))] += rng.normal(0, 400)
        told = ticks(np.clip(counts, -30000, 30000))
        for name in ("speed_kmh", "throttle_percent", "brake", "belt"):
            told["vehicle"][name] = rng.integers(0, 256, n)
        told["lamp"], told["is_lost"] = rng.random(n) < 0.5, rng.random(n) < 0.1
        told["trouble"], told["mode"] = rng.integers(0, 2**32, n), rng.integers(0, 256, n)
        for at in rng.integers(0, n, int(rng.integers(0, 3))):
            told["current"][at : at + 4, int(rng.integers(0, 2))] = True
            told["is_firing"][at : at + int(rng.integers(1, 500))] = True
            told["has_fired"][at:] = k % 2 == 0
        for at in rng.integers(0, n, int(rng.integers(0, 3))):
            told["is_running"][at : at + int(rng.integers(1, 3))] = False
        yield told


def _stated() -> Iterator[np.ndarray]:
    """What chance does not bring about: limits of size, time and number, one count or sample to either side."""
    severe = int(np.ceil(8.0 / COUNT_KMH / 160))
    for n in (severe - 1, severe, severe + 1):
        for sign in (1, -1):
            yield ticks(sign * blow(10.0, n))
    onset = int(np.ceil(0.8 / COUNT_KMH))
    for width in (1, 2, 39, 40, 41):
        for more in (-1, 0, 1):
            counts = np.zeros(1200)
            counts[200 : 200 + width] = (onset + more) // width
            counts[200] += (onset + more) % width
            counts[500:560] = 320
            yield ticks(counts)
    for level, n in ((20, 120), (-20, 120), (5, 1400), (120, 200), (-120, 200), (5, 600), (3.2, 900)):
        yield ticks(blow(level, n))
    for held in (False, True):
        for n in (560, 561, 568, 569, 570, 571):  # quiet at the last sample that can be the end, and one to either side
            told = ticks(blow(5.0, n))
            told["is_firing"][200:1200] = held
            yield told
        told = ticks(np.r_[blow(5.0, 540, after=0), np.full(300, 10), np.zeros(600)])  # ends late, and goes on a little
        told["is_firing"][200:1200] = held
        yield told
    for kmh in (126, 127, 128, 129):
        yield ticks(_sum_of(round(kmh / COUNT_KMH), 300))
    for counts in (76_592, 113_755, 50_306, 87_469):  # where a rounding turns on the last digit of a count's km/h
        yield ticks(_sum_of(counts, 100))
    for counts in (S - 1, S, S + 1):
        for sign in (1, -1):
            yield ticks(sign * _sum_of(counts, 60))
    for level in (Q - 1, Q, Q + 1):  # after a blow, the change in 20 ms that still is rest
        for sign in (1, -1):
            tail = np.tile([level // 40] * (40 - level % 40) + [level // 40 + 1] * (level % 40), 25)
            yield ticks(np.r_[blow(20.0, 60, after=0), sign * tail, np.zeros(200)])
    for first, second in itertools.product((236, 300), (4, 20, 140, 196, 197, 198, 199, 200, 201, 240)):
        for lead in (0, 1):
            told = ticks(blow(20.0, 300))
            at = (first, first + second)
            told["current"][at[lead] : at[lead] + 4, 0] = told["current"][at[1 - lead] : at[1 - lead] + 4, 1] = True
            told["is_firing"][first : first + 245] = True
            told["has_fired"][first:] = True
            yield told
    for counts in (0, 1, -1):  # a deployment with next to no change of velocity, alone and after a blow
        for before in (np.zeros(0), blow(20.0, 60)):
            told = ticks(np.r_[before, np.zeros(1000)])
            start = before.size + 300
            told["sample_lsb"][start + 10] = counts
            told["current"][start : start + 4, 0] = told["is_firing"][start : start + 245] = True
            told["has_fired"][start:] = True
            yield told
    third = ticks(np.r_[blow(10.0, 80), blow(20.0, 80), np.zeros(64_000)])  # at tick 65 536, of which 16 bits are 0
    third["current"][65_536:65_540, 0] = third["is_firing"][65_536:65_781] = third["has_fired"][65_536:] = True
    yield third
    alone = ticks(np.zeros(1000))
    alone["current"][300:304, 0] = alone["current"][320:324, 1] = alone["is_firing"][300:545] = True
    alone["has_fired"][300:] = True
    yield alone
    several = [blow(10.0 * k, 80) for k in (1, 2, 3, 4)]
    yield ticks(np.concatenate(several[:3]))
    locked = ticks(np.concatenate(several))
    locked["current"][240:244, 0] = locked["is_firing"][240:485] = locked["has_fired"][240:] = True
    yield locked
    for rest in (0, 8819, 8820, 8821, 9100):
        yield ticks(np.concatenate([blow(10.0, 80), np.zeros(rest), blow(10.0, 80)]))
    for at in (230, 260, 430, 500):
        told = ticks(blow(20.0, 120))
        told["is_running"][at : at + 2] = False
        told["mode"], told["trouble"] = np.arange(told.size) % 251, np.arange(told.size) * 65537
        yield told
    talk = ticks(np.concatenate([np.zeros(11_000), blow(20.0, 120)]))
    talk["vehicle"]["speed_kmh"] = np.arange(talk.size) // 997 % 256
    talk["vehicle"]["throttle_percent"] = np.arange(talk.size) // 499 % 256
    talk["vehicle"]["brake"], talk["vehicle"]["belt"] = (
        np.arange(talk.size) // 1501 % 2,
        np.arange(talk.size) // 2003 % 2,
    )
    talk["lamp"] = np.arange(talk.size) // 1009 % 2 == 0
    yield talk
    first, slow = 6.1 / (40 * COUNT_KMH), 0.7 / (40 * COUNT_KMH)
    wave = np.r_[np.zeros(200), np.full(40, first), np.full(160, slow), np.zeros(900)]
    yield ticks(np.diff(np.floor(np.r_[0.0, np.cumsum(wave)])))
    for n, last_blow in (
        (900, 300),
        (900, 450),
        (900, 600),
        (9000, 300),
        (131_076, 300),
        (131_078, 300),
        (131_080, 300),
    ):
        told = ticks(np.r_[blow(20.0, 60, after=last_blow), blow(20.0, 40, before=0, after=n)])
        told["current"][200:204, 0] = told["current"][200 + n - 8, 1] = True  # for one sample, at the limit of its time
        told["is_firing"][200 : 200 + n] = told["has_fired"][200:] = True
        yield told
