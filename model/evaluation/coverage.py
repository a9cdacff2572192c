"""Which proved set each measured event lies in, and how far outside it lies where it does not.

A proof says nothing of a signal outside its set, so the first question about a recording is whether any proof is about
it. Two measures, after the kind of set:

- ``signals``: the *factor*, how many times larger the event is than the set allows. It is the largest ratio of a sample
  to the amplitude, of a step to the slew, and of the swing of the running sum over any window to the velocity range.
  Each is homogeneous, so the event divided by its factor lies on the set's edge: at most 1 is inside. Where an offset
  (``step_g``) or corrupted samples belong to the set as well, the exact factor lies between two bounds.
- ``pulse`` and ``corridor``: the *deviation*, the least noise in g on every sample that has to be added to the set for
  the event to be in it, by linear programming over the set's latents; 0 is inside. Contact is time zero of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.errors import ModelError
from crumple.model.analysis import checker
from crumple.model.analysis.witness import voter_of

FACTOR, DEVIATION = "factor", "deviation in g"
WINDOWS_AT_ONCE = 1 << 16

COVERS = {"never_requests_fire": "no_fire", "never_arms": "no_fire", "fires_by": "must_fire", "arms_by": "must_fire"}
"""Claim to the label of the events that it is about; the claims about arming speak of the safing sensor."""


@dataclass(frozen=True, slots=True)
class Distance:
    """Where an event stands to one set.

    Attributes
    ----------
    measure : str
        ``factor`` or ``deviation in g``.
    at_least, at_most : float
        Bounds of the measure; equal where it is exact.
    edge : float
        The largest value that is inside: 1 for a factor, 0 for a deviation.
    """

    measure: str
    at_least: float
    at_most: float
    edge: float

    @property
    def is_inside(self) -> bool | None:
        """Whether the event lies in the set; None where the bounds do not say."""
        if self.at_most <= self.edge:
            return True
        return False if self.at_least > self.edge else None


def distance(model: checker.Model, row: dict[str, Any], counts: NDArray[Any], contact: int) -> Distance:
    """How an event stands to the set of a requirement.

    Parameters
    ----------
    model : checker.Model
    row : dict
        A requirement of ``proof.json``: ``claim`` and ``set``.
    counts : ndarray of int, shape (n_samples,)
        Counts of the sensor that the claim is about; rest before the first.
    contact : int
        The first sample after first contact.

    Raises
    ------
    ModelError
        The set is of no kind that describes signals.
    """
    voter = voter_of(model, row["claim"], int(row.get("stage", "1")))
    described = row["set"]
    if described["kind"] == "signals":
        return _factor(voter, described, np.clip(np.asarray(counts, dtype=np.int64), -voter.clamp, voter.clamp))
    if described["kind"] in ("pulse", "corridor"):
        deviation = _deviation(voter, row["claim"], described, np.asarray(counts, dtype=np.int64), contact)
        return Distance(DEVIATION, deviation, deviation, 0.0)
    raise ModelError(f"{row['id']}: a set of kind {described['kind']!r} holds no single signal")


def largest_swing(counts: NDArray[np.int64], window: int) -> int:
    """Largest swing of the running sum over any window, the empty sum included.

    Parameters
    ----------
    counts : ndarray of int64, shape (n_samples,)
        Rest before the first.
    window : int
        Samples.
    """
    sums = np.concatenate([np.zeros(window, dtype=np.int64), np.cumsum(counts)])
    views = np.lib.stride_tricks.sliding_window_view(sums, window + 1)
    parts = (views[k : k + WINDOWS_AT_ONCE] for k in range(0, len(views), WINDOWS_AT_ONCE))
    return max(int((part.max(axis=1) - part.min(axis=1)).max()) for part in parts)


def _factor(voter: checker.Voter, described: dict[str, Any], u: NDArray[np.int64]) -> Distance:
    """The factor of a set of signals; bounds on whole counts are rounded down as the checker does."""

    def counts(key: str, unit: Fraction | int = 1) -> int:
        return int(checker.rational(described[key], key) * unit / voter.lsb_g) if key in described else 0

    def ratio(value: int, bound: int, spare: int = 0) -> tuple[float, float]:
        """Of a value to its bound: at least, with what an offset can take off it, and at most."""
        most = value / bound if bound else (0.0 if value == 0 else np.inf)
        return (value / (bound + spare) if bound + spare else most), most

    window, step = voter.window, counts("step_g")
    budget = int(Fraction(described["corrupted_samples"])) if "corrupted_samples" in described else 0
    high = min(counts("amplitude_g"), voter.clamp)
    low = min(counts("below_g"), voter.clamp) if "below_g" in described else high
    # Samples anywhere may be corrupted, so of the ordered ones the largest do not count.
    above = np.sort(np.maximum(u, 0))[::-1]
    below = np.sort(np.maximum(-u, 0))[::-1]
    bounds = []
    for ordered, bound in ((above, high), (below, low)):
        without = int(ordered[budget]) if ordered.size > budget else 0
        least, _ = ratio(without, bound, step)
        _, most = ratio(int(ordered[0]), bound)
        bounds.append((least, most))
    if budget and not step and set(described) <= {"kind", "amplitude_g", "corrupted_samples"}:
        # One bound on the size of every sample: exactly the largest are left out.
        size = np.sort(np.abs(u))[::-1]
        bounds = [ratio(int(size[budget]) if size.size > budget else 0, high)]
    if "slew_g_per_ms" in described:
        slew = counts("slew_g_per_ms", Fraction(1000, voter.rate))
        # Of the first sample the set asks no slew: a proof lets its signal begin anywhere, as this recording may have.
        rise = int(np.abs(np.diff(u)).max(initial=0))
        bounds.append(_loosened(ratio(rise, slew, step), budget))
    if "velocity_range_kmh" in described:
        unit = Fraction(5, 18) * voter.rate / checker.GRAVITY
        swing = ratio(largest_swing(u, window), counts("velocity_range_kmh", unit), step * window)
        bounds.append(_loosened(swing, budget))
    at_least, at_most = (max(end) for end in zip(*bounds, strict=True))
    return Distance(FACTOR, float(at_least), float(at_most), 1.0)


def _loosened(bounds: tuple[float, float], budget: int) -> tuple[float, float]:
    """Corrupted samples may take any part off a slew or a swing."""
    return (0.0 if budget else bounds[0]), bounds[1]


def _deviation(
    voter: checker.Voter, claim: str, described: dict[str, Any], counts: NDArray[np.int64], contact: int
) -> float:
    """Least noise that puts the event into the set, in g, rounded to 1/1000."""
    from scipy.optimize import linprog
    from scipy.sparse import coo_matrix

    poly = checker.polytope(voter, claim, described, 0)
    start = 0
    if described["kind"] == "pulse":
        assert poly.zero is not None, "a pulse has a time zero"
        start = contact - poly.zero - 1  # the first sample after contact stands at zero + 1
    n, n_latents = len(poly.samples), len(poly.box)
    wanted = np.array([int(counts[start + k]) if 0 <= start + k < counts.size else 0 for k in range(n)], dtype=float)
    entries: list[tuple[int, int, float]] = []
    bound: list[float] = []
    for k, (constant, form) in enumerate(poly.samples):
        for sign in (1.0, -1.0):  # sign (form - wanted) <= t
            row = len(bound)
            entries += [(row, i, sign * float(a)) for i, a in form.items()] + [(row, n_latents, -1.0)]
            bound.append(sign * (wanted[k] - float(constant)))
    for form, limit in poly.rows:
        entries += [(len(bound), i, float(a)) for i, a in form.items()]
        bound.append(float(limit))
    rows, columns, values = zip(*entries, strict=True)
    matrix = coo_matrix((values, (rows, columns)), shape=(len(bound), n_latents + 1)).tocsr()
    cost = np.zeros(n_latents + 1)
    cost[-1] = 1.0
    found = linprog(cost, A_ub=matrix, b_ub=bound, bounds=[*poly.box, (0, None)], method="highs")
    if not found.success:
        raise ModelError(f"the distance to a set could not be computed: {found.message}")
    return round(float(found.fun) * float(voter.lsb_g), 3)
