"""Superposition and sequences: what happens at once, and what happens just before.

Physics adds: the tunnel feels the sum. A required time counts from first contact of the crash that demands firing,
not from the misuse before it.

A mode draws ``n_events`` events from ``rng``; ``rule`` gives the crash among them its required time.
"""

from __future__ import annotations

import numpy as np

from .batch import DT_S, N_PRETRIGGER, PHYSICAL_RATE_HZ, PRETRIGGER_S, Batch, n_physical, quiet
from .crashes import OFFSET_DEFORMABLE, RIGID, CrashMode, crash
from .criteria import RttfRule
from .misuse import MISUSE, blows, braking_g
from .trace import Float

LONGEST_GAP_S = 0.500
"""Usual sequence tests: misuse, then a crash after 0 to 500 ms; assumed."""

CRASH_S = 0.220
"""How much of the crash is kept: until its rebound is over; assumed."""

SEQUENCE_S = PRETRIGGER_S + LONGEST_GAP_S + CRASH_S
BEFORE_CRASH = ("underbody_hit", "pothole", "kerb_straight", "hammer")


def braking_pothole(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """Pothole under panic braking: the usual superposition test; must not fire."""
    hole = blows(MISUSE["pothole"], n_events, rng)
    return quiet(hole.decel_g + braking_g(n_events, rng, hole.decel_g.shape[1]), hole.speed_kmh, hole.cross_g)


def braking_kerb(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """Kerb under panic braking; must not fire."""
    kerb = blows(MISUSE["kerb_straight"], n_events, rng)
    return quiet(kerb.decel_g + braking_g(n_events, rng, kerb.decel_g.shape[1]), kerb.speed_kmh, kerb.cross_g)


def misuse_then_crash(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """Underbody hit, pothole, kerb or hammer, and a rigid or offset crash 0 to 500 ms later: must fire."""
    per_kind = -(-n_events // len(BEFORE_CRASH))
    before = np.zeros((n_events, n_physical(SEQUENCE_S)))
    for kind, name in enumerate(BEFORE_CRASH):
        rows = before[kind :: len(BEFORE_CRASH)]
        drawn = blows(MISUSE[name], per_kind, rng).decel_g[: rows.shape[0]]
        rows[:, : drawn.shape[1]] = drawn[:, : rows.shape[1]]
    return _followed(before, _must_fire(n_events, rng, rule), rng)


def double_impact(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """A bump at 5 km/h to the 8 mph wall, and a rigid or offset crash 0 to 500 ms later: must fire on the second."""
    bump = crash(RIGID, (5.0, RIGID.no_fire_kmh), n_events, rng, rule)
    before = np.zeros((n_events, n_physical(SEQUENCE_S)))
    before[:, : bump.decel_g.shape[1]] = bump.decel_g
    return _followed(before, _must_fire(n_events, rng, rule), rng)


def misuse_twice(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """An underbody hit, and a kerb 0 to 500 ms later: must not fire."""
    first = blows(MISUSE["underbody_hit"], n_events, rng).decel_g
    second = blows(MISUSE["kerb_straight"], n_events, rng)
    total = np.zeros((n_events, n_physical(SEQUENCE_S)))
    total[:, : first.shape[1]] = first
    added, _ = _add_later(total, second.decel_g[:, N_PRETRIGGER:], rng)
    return quiet(added, second.speed_kmh)


def _must_fire(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """Rigid and offset crashes in turn, each above its own must-fire speed."""

    def half(mode: CrashMode) -> Batch:
        return crash(mode, (mode.must_fire_kmh + 0.3, 64.0), (n_events + 1) // 2, rng, rule, PRETRIGGER_S + CRASH_S)

    halves = (half(RIGID), half(OFFSET_DEFORMABLE))

    def merged(name: str) -> Float:
        rows = np.stack([np.asarray(getattr(one, name)) for one in halves], axis=1)
        result: Float = rows.reshape(-1, *rows.shape[2:])[:n_events]
        return result

    return Batch(
        decel_g=merged("decel_g"),
        labels=tuple(str(one) for one in merged("labels")),
        rttf_s=merged("rttf_s"),
        speed_kmh=merged("speed_kmh"),
        severities=tuple(str(one) for one in merged("severities")),
        contact_s=merged("contact_s"),
    )


def _followed(before: Float, crashes: Batch, rng: np.random.Generator) -> Batch:
    """A signal followed by a crash; label and required time are the crash's, from its own contact."""
    total, gap_s = _add_later(before, crashes.decel_g[:, N_PRETRIGGER:], rng)
    return Batch(
        decel_g=total,
        labels=crashes.labels,
        rttf_s=crashes.rttf_s,
        speed_kmh=crashes.speed_kmh,
        severities=crashes.severities,
        contact_s=PRETRIGGER_S + gap_s,
    )


def _add_later(before: Float, later: Float, rng: np.random.Generator) -> tuple[Float, Float]:
    """Add signals after a gap of 0 to 500 ms that is a whole number of samples; also the gaps in seconds."""
    total = before.copy()
    longest = round(LONGEST_GAP_S * PHYSICAL_RATE_HZ)
    gap = np.array([rng.integers(0, longest, endpoint=True) for _ in range(before.shape[0])], dtype=np.float64)
    for row in range(before.shape[0]):
        start = N_PRETRIGGER + int(gap[row])
        n = min(later.shape[1], before.shape[1] - start)
        total[row, start : start + n] += later[row, :n]
    return total, gap * DT_S
