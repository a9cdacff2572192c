"""Sets of requirements as training sees them: closed-form bounds, and drawn members of sets with an end.

Both only steer. What holds is decided by the prover on the integers, over the sets themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.signals.sensor import SensorSpec
from crumple.units import G0_MPS2

from .analysis import checker, many
from .analysis.properties import ADDED_KEYS, FINITE_KINDS, Requirement
from .deployed import DeployedModel
from .penalty import BandBound, SignalBound

MEMBERS_PER_SET = 48
"""Drawn from each set with an end: enough for every corner of gain, offset and noise to be met often."""


def signal_bound(requirement: Requirement, spec: SensorSpec, block_samples: int, unit_lsb: float) -> SignalBound | None:
    """The set of a ``never_requests_fire`` requirement in the net's input units; None if it has no closed form.

    Parameters
    ----------
    requirement : Requirement
    spec : SensorSpec
        Of the main sensor.
    block_samples : int
    unit_lsb : float
        Block sum that is input 1.0.
    """
    described: dict[str, Any] = requirement.set
    if requirement.claim != "never_requests_fire" or described["kind"] != "signals":
        return None

    def counts(key: str, default: str = "0") -> float:
        return min(float(Fraction(described.get(key, default)) / spec.lsb), float(spec.clamp_lsb))

    high = counts("amplitude_g")
    low = counts("below_g", described["amplitude_g"])
    count_mps = float(spec.lsb) * G0_MPS2 * float(spec.sample_period_s)
    band = (
        float(Fraction(described["velocity_range_kmh"])) / 3.6 / count_mps if "velocity_range_kmh" in described else 0
    )
    sample_ms = 1e3 * float(spec.sample_period_s)
    slew = (
        float(Fraction(described["slew_g_per_ms"]) / spec.lsb) * sample_ms
        if "slew_g_per_ms" in described
        else float("inf")
    )
    n_corrupted = int(described.get("corrupted_samples", 0))
    full, rest = divmod(n_corrupted, block_samples)
    gain = (spec.clamp_lsb - min(high, low)) / unit_lsb
    return SignalBound(
        high=high * block_samples / unit_lsb,
        low=low * block_samples / unit_lsb,
        velocity_range=band / unit_lsb if band else float("inf"),
        step=counts("step_g") * block_samples / unit_lsb,
        corrupted_blocks=(gain * block_samples,) * full + ((gain * rest,) if rest else ()),
        # Each sample of a block differs from the one a block earlier by so many steps.
        slew=slew * block_samples**2 / unit_lsb,
    )


def band_of(model: DeployedModel, requirement: Requirement) -> many.Band | None:
    """The set of a ``never_requests_fire`` or ``fires_by`` requirement, in counts, if it has an end; else None.

    Steps and corrupted samples, which are no band, are left out: what is left lies in the set, and steers as well.

    Parameters
    ----------
    model : DeployedModel
        Gives sensor, window and confirmation; its weights do not matter.
    requirement : Requirement
    """
    if requirement.claim not in ("never_requests_fire", "fires_by") or requirement.set["kind"] not in FINITE_KINDS:
        return None
    voter = checker.Model(model.payload()).main
    described = {key: value for key, value in requirement.payload()["set"].items() if key not in ADDED_KEYS}
    return many.band_of(checker.polytope(voter, requirement.claim, described, 0))


def band_bound(model: DeployedModel, band: many.Band, unit_lsb: float, ends: Sequence[int] | None = None) -> BandBound:
    """Windows of a set with an end in the net's input units.

    Parameters
    ----------
    model : DeployedModel
    band : Band
        In counts.
    unit_lsb : float
        Block sum that is input 1.0.
    ends : sequence of int, optional
        Last samples of the windows; all if left out.
    """
    ends = range(band.middle.size) if ends is None else ends
    middle, shared, half = band.windows(model.window_samples, ends)
    blocks = (len(ends), model.n_blocks, model.block_samples)
    parts = np.array([part.reshape(blocks).sum(axis=2) for part in shared]).reshape(len(shared), *blocks[:2])
    return BandBound(
        middle.reshape(blocks).sum(axis=2) / unit_lsb, parts / unit_lsb, half.reshape(blocks).sum(axis=2) / unit_lsb
    )


@dataclass(frozen=True, slots=True)
class Member:
    """A sequence of a set.

    Attributes
    ----------
    counts_lsb : ndarray, shape (n_samples,)
    due : int
        Last sample that is in time; -1 where the sequence must not fire.
    """

    counts_lsb: NDArray[np.signedinteger[Any]]
    due: int


def drawn_members(model: DeployedModel, requirement: Requirement, rng: np.random.Generator) -> list[Member]:
    """Sequences of a set with an end, mostly its corners; none of other sets.

    Parameters
    ----------
    model : DeployedModel
        Gives sensor, window and confirmation; its weights do not matter.
    requirement : Requirement
    rng : Generator
    """
    band = band_of(model, requirement)
    if band is None:
        return []
    due = last_in_time(model, requirement)
    members = []
    for nth in range(MEMBERS_PER_SET):
        common = rng.uniform(-1, 1, len(band.shared))
        common = np.sign(common) if nth % 2 else common
        # The weakest signal, the strongest, a rough one, or anything between.
        size = band.middle.size
        each = (-1.0, 1.0, np.sign(rng.uniform(-1, 1, size)), rng.uniform(-1, 1, size))[nth // 2 % 4]
        counts = np.rint(band.middle + band.shared.T @ common + band.half * each).astype(np.int64)
        members.append(Member(counts, due))
    return members


def last_in_time(model: DeployedModel, requirement: Requirement) -> int:
    """The last sample of a ``fires_by`` requirement's sequences that is in time; -1 for other claims.

    Parameters
    ----------
    model : DeployedModel
    requirement : Requirement
    """
    if requirement.claim != "fires_by":
        return -1
    voter = checker.Model(model.payload()).main
    poly = checker.polytope(voter, requirement.claim, requirement.payload()["set"], 0)
    return int((poly.zero or 0) + int(Fraction(requirement.by_ms) * voter.rate / 1000))
