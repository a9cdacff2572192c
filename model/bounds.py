"""Sets of requirements as training sees them: closed-form bounds of no-fire sets, drawn members of must-fire sets.

Both only steer. What holds is decided by the prover on the integers, over the sets themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.signals.sensor import SensorSpec
from crumple.units import G0_MPS2

from .analysis import checker
from .analysis.properties import Requirement
from .deployed import DeployedModel
from .penalty import SignalBound

CLOSED_FORM_KEYS = {"kind", "amplitude_g", "below_g", "velocity_range_kmh", "step_g", "corrupted_samples"}

MEMBERS_PER_SET = 48
"""Drawn from each must-fire set: enough for every corner of gain, offset and noise to be met often."""


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
    if not set(described) <= CLOSED_FORM_KEYS:
        return None

    def counts(key: str, default: str = "0") -> float:
        return min(float(Fraction(described.get(key, default)) / spec.lsb), float(spec.clamp_lsb))

    high = counts("amplitude_g")
    low = counts("below_g", described["amplitude_g"])
    count_mps = float(spec.lsb) * G0_MPS2 * float(spec.sample_period_s)
    band = (
        float(Fraction(described["velocity_range_kmh"])) / 3.6 / count_mps if "velocity_range_kmh" in described else 0
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
    )


@dataclass(frozen=True, slots=True)
class Member:
    """A sequence of a must-fire set.

    Attributes
    ----------
    counts_lsb : ndarray, shape (n_samples,)
    due : int
        Last sample that is in time.
    """

    counts_lsb: NDArray[np.signedinteger[Any]]
    due: int


def drawn_members(model: DeployedModel, requirement: Requirement, rng: np.random.Generator) -> list[Member]:
    """Sequences of a ``fires_by`` requirement's set, mostly its corners; none for other claims.

    Parameters
    ----------
    model : DeployedModel
        Gives sensor, window and confirmation; its weights do not matter.
    requirement : Requirement
    rng : Generator
    """
    if requirement.claim != "fires_by":
        return []
    subject = checker.Model(model.payload())
    poly = checker.polytope(subject.main, requirement.claim, requirement.payload()["set"], 0)
    due = (poly.zero or 0) + int(Fraction(requirement.by_ms) * subject.main.rate / 1000)
    middle = np.array([float(constant) for constant, _ in poly.samples])
    together = [i for i in range(len(poly.box)) if not 2 <= i < 2 + len(poly.samples)]  # gain, offset, phase, duration
    shared = np.array([[float(sample.get(i, 0)) for i in together] for _, sample in poly.samples])
    own = np.array([float(sample.get(2 + k, 0)) for k, (_, sample) in enumerate(poly.samples)])
    members = []
    for nth in range(MEMBERS_PER_SET):
        common = rng.uniform(-1, 1, len(together))
        common = np.sign(common) if nth % 2 else common
        # The weakest signal, the strongest, a rough one, or anything between.
        each = (-1.0, 1.0, np.sign(rng.uniform(-1, 1, middle.size)), rng.uniform(-1, 1, middle.size))[nth // 2 % 4]
        members.append(Member(np.rint(middle + shared @ common + own * each).astype(np.int64), due))
    return members
