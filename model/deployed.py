"""The integers that ship, and the one definition of what they compute.

With sensor counts ``u`` (deceleration positive, clamped), the sums of blocks of samples of the last
window ``x``, oldest block first::

    z = W x + b          int32
    h = max(0, z)        int32
    y = v . h + c        int64
    vote = y > 0
    fire request = at least K votes in the last M samples

A second stage of the bag has an output of its own on the same hidden layer, with the same confirmation; nothing of the
first stage depends on it.

There is no rounding, no shift and no saturation after the input clamp, so an analysis over the reals is
an analysis of these integers. Every sample gives one decision. Before the first sample the window holds
zeros and there are no votes.

The arming path is separate: another sensor, a sliding sum of its counts against a threshold, held for
a while. Fire needs both. Prover, exporters, simulators and report all read this one file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.artefact import Artefact, read_artefact
from crumple.errors import ArtefactError, ModelError
from crumple.integers import INT16_MAX, INT32_MAX, INT64_MAX, clamp, fits

SCHEMA = "crumple.model/1"
FILE = "model.json"

Int64 = NDArray[np.int64]

FINEST_LSB_G, COARSEST_LSB_G = Fraction(1, 10**6), Fraction(1000)
"""Counts of sensors are between a thousandth and a whole g; what is far outside is a slip of the unit, or hostile."""

MOST_DENOMINATOR = 10**12
LONGEST_NUMBER = 40


def _is_scale(lsb_g: Fraction) -> bool:
    """Whether a count may stand for so many g."""
    return FINEST_LSB_G <= lsb_g <= COARSEST_LSB_G and lsb_g.denominator <= MOST_DENOMINATOR


def _exact(text: Any) -> Fraction:
    """A decimal or fraction in text. Raises ModelError for all else: an exponent can ask for gigabytes of digits."""
    if not isinstance(text, str) or len(text) > LONGEST_NUMBER or "e" in text.lower():
        raise ModelError("lsb_g is no decimal or fraction in text, such as 1/16")
    return Fraction(text)


@dataclass(frozen=True, slots=True)
class Arming:
    """The safing rule: a sliding sum of the safing sensor's counts reaches a threshold; then it holds.

    Attributes
    ----------
    lsb_g : Fraction
        g per count of the safing sensor.
    clamp_lsb : int
        Largest count.
    window_samples : int
        Length of the sliding sum.
    threshold_lsb : int
        Armed while the sum is at least this.
    hold_samples : int
        Samples for which arming outlasts the last sum at or above the threshold.
    """

    lsb_g: Fraction
    clamp_lsb: int
    window_samples: int
    threshold_lsb: int
    hold_samples: int

    def __post_init__(self) -> None:
        if not (_is_scale(self.lsb_g) and 1 <= self.clamp_lsb <= INT16_MAX):
            raise ModelError(f"arming: lsb_g, or clamp_lsb = {self.clamp_lsb}, out of range")
        if not (1 <= self.window_samples <= 256 and 0 <= self.hold_samples <= 10_000):
            raise ModelError(f"arming: window {self.window_samples} or hold {self.hold_samples} samples out of range")
        if not 1 <= self.threshold_lsb <= INT32_MAX:
            raise ModelError(f"arming: threshold {self.threshold_lsb} counts must be positive")


@dataclass(frozen=True, slots=True)
class SecondStage:
    """The output of the bag's second stage, on the hidden layer that it shares with the first.

    Attributes
    ----------
    output_weight : tuple of int
    output_bias : int
        As those of the first stage.
    """

    output_weight: tuple[int, ...]
    output_bias: int


@dataclass(frozen=True, slots=True)
class DeployedModel:
    """Everything that decides, in integers. Checked on construction: a model that exists cannot overflow.

    Attributes
    ----------
    sample_rate_hz : int
    lsb_g : Fraction
        g per count of the main sensor.
    clamp_lsb : int
        Counts are clamped to ``[-clamp_lsb, clamp_lsb]`` first.
    block_samples : int
        Samples summed into one input.
    hidden_weight : tuple of rows
        ``W``, one row a hidden node, one column a block, oldest first.
    hidden_bias, output_weight : tuple of int
        ``b`` and ``v``.
    output_bias : int
        ``c``.
    confirm_votes, confirm_window : int
        ``K`` and ``M``.
    arming : Arming
    second_stage : SecondStage or None
        None where one output fires all there is.
    """

    sample_rate_hz: int
    lsb_g: Fraction
    clamp_lsb: int
    block_samples: int
    hidden_weight: tuple[tuple[int, ...], ...]
    hidden_bias: tuple[int, ...]
    output_weight: tuple[int, ...]
    output_bias: int
    confirm_votes: int
    confirm_window: int
    arming: Arming
    second_stage: SecondStage | None = None

    def __post_init__(self) -> None:
        n_hidden = len(self.hidden_weight)
        if not 1 <= n_hidden <= 64 or not 1 <= len(self.hidden_weight[0]) <= 256:
            raise ModelError(f"{n_hidden} hidden nodes: expected 1 to 64, with 1 to 256 inputs")
        if any(len(row) != self.n_blocks for row in self.hidden_weight):
            raise ModelError("hidden_weight: rows differ in length")
        if len(self.hidden_bias) != n_hidden or len(self.output_weight) != n_hidden:
            raise ModelError(f"hidden_bias and output_weight must have {n_hidden} entries each")
        if not (1 <= self.block_samples <= 64 and 1 <= self.clamp_lsb <= INT16_MAX and _is_scale(self.lsb_g)):
            raise ModelError("block_samples, clamp_lsb or lsb_g out of range")
        if self.sample_rate_hz < 1:
            raise ModelError(f"sample_rate_hz {self.sample_rate_hz}: expected 1 or more")
        if not 1 <= self.confirm_votes <= self.confirm_window <= 32:
            raise ModelError(f"confirmation {self.confirm_votes} of {self.confirm_window}: expected 1 <= K <= M <= 32")
        if any(abs(w) > INT16_MAX for row in self.hidden_weight for w in row):
            raise ModelError("hidden_weight does not fit int16")
        if any(abs(v) > INT16_MAX for v in self.output_weight):
            raise ModelError("output_weight does not fit int16")
        for j, magnitude in enumerate(self.hidden_magnitude):
            if not fits(magnitude, INT32_MAX):
                raise ModelError(f"hidden node {j} could reach {magnitude}, more than int32 holds")
        if not fits(self.output_magnitude, INT64_MAX):
            raise ModelError(f"the output could reach {self.output_magnitude}, more than int64 holds")
        if self.second_stage is not None:
            try:
                self.of_stage(2)
            except ModelError as error:
                raise ModelError(f"second stage: {error}") from None

    @property
    def n_hidden(self) -> int:
        """Hidden nodes."""
        return len(self.hidden_weight)

    @property
    def n_blocks(self) -> int:
        """Inputs of the net: blocks in the window."""
        return len(self.hidden_weight[0])

    @property
    def window_samples(self) -> int:
        """Samples in the window."""
        return self.n_blocks * self.block_samples

    @property
    def sample_period_s(self) -> Fraction:
        """Seconds between samples, exactly."""
        return Fraction(1, self.sample_rate_hz)

    @property
    def hidden_magnitude(self) -> tuple[int, ...]:
        """For each hidden node, what no partial sum of its accumulator can exceed, in any order of adding."""
        block_max = self.block_samples * self.clamp_lsb
        return tuple(
            sum(abs(w) for w in row) * block_max + abs(b)
            for row, b in zip(self.hidden_weight, self.hidden_bias, strict=True)
        )

    @property
    def output_magnitude(self) -> int:
        """What no partial sum of the output accumulator can exceed."""
        terms = (abs(v) * m for v, m in zip(self.output_weight, self.hidden_magnitude, strict=True))
        return sum(terms) + abs(self.output_bias)

    @property
    def n_stages(self) -> int:
        """Outputs: 1 or 2."""
        return 1 if self.second_stage is None else 2

    def of_stage(self, stage: int) -> DeployedModel:
        """The model of one output that decides a ``stage``, 1 or 2: what is said of one output holds of each.

        Raises
        ------
        ModelError
            There is no such stage.
        """
        if not 1 <= stage <= self.n_stages:
            raise ModelError(f"stage {stage}: the model has {self.n_stages}; train with second_stage = true for two")
        if stage == 1 or self.second_stage is None:
            return self if self.second_stage is None else replace(self, second_stage=None)
        second = self.second_stage
        return replace(self, output_weight=second.output_weight, output_bias=second.output_bias, second_stage=None)

    def output_of_window(self, window_lsb: Sequence[int]) -> int:
        """``y`` for one window of samples, in Python's unbounded integers: the reference of references.

        Parameters
        ----------
        window_lsb : sequence of int, length ``window_samples``
            Counts, oldest first.
        """
        samples = [clamp(int(u), self.clamp_lsb) for u in window_lsb]
        if len(samples) != self.window_samples:
            raise ModelError(f"a window has {self.window_samples} samples, got {len(samples)}")
        step = self.block_samples
        blocks = [sum(samples[i * step : (i + 1) * step]) for i in range(self.n_blocks)]
        y = self.output_bias
        for row, bias, weight in zip(self.hidden_weight, self.hidden_bias, self.output_weight, strict=True):
            z = bias + sum(w * x for w, x in zip(row, blocks, strict=True))
            y += weight * max(0, z)
        return y

    def block_sums(self, counts_lsb: NDArray[Any]) -> Int64:
        """Inputs of the net at every sample; shape (n_samples, n_blocks), oldest block first.

        Parameters
        ----------
        counts_lsb : integer ndarray, shape (n_samples,)
        """
        clamped = np.clip(np.asarray(counts_lsb, dtype=np.int64), -self.clamp_lsb, self.clamp_lsb)
        padded = np.concatenate([np.zeros(self.window_samples - 1, dtype=np.int64), clamped])
        running = np.concatenate([[0], np.cumsum(padded)])
        sums = running[self.block_samples :] - running[: -self.block_samples]
        n_samples = clamped.size
        first = np.arange(n_samples)[:, None] + np.arange(self.n_blocks)[None, :] * self.block_samples
        picked: Int64 = sums[first]
        return picked

    def outputs(self, counts_lsb: NDArray[Any]) -> Int64:
        """``y`` at every sample of ``counts_lsb``; shape (n_samples,). Exact: int64 holds every partial sum."""
        weight = np.array(self.hidden_weight, dtype=np.int64)
        z = self.block_sums(counts_lsb) @ weight.T + np.array(self.hidden_bias, dtype=np.int64)
        y: Int64 = np.maximum(z, 0) @ np.array(self.output_weight, dtype=np.int64) + self.output_bias
        return y

    def fire_requests(self, outputs: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether a fire is requested at every sample, from the ``outputs`` at every sample; shape (n_samples,)."""
        votes = np.concatenate([np.zeros(self.confirm_window - 1, dtype=np.int64), (outputs > 0).astype(np.int64)])
        running = np.concatenate([[0], np.cumsum(votes)])
        requests: NDArray[np.bool_] = running[self.confirm_window :] - running[: -self.confirm_window] >= (
            self.confirm_votes
        )
        return requests

    def armed(self, safing_lsb: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether the arming path is true at every sample of ``safing_lsb``, hold included; shape (n_samples,)."""
        rule = self.arming
        clamped = np.clip(np.asarray(safing_lsb, dtype=np.int64), -rule.clamp_lsb, rule.clamp_lsb)
        running = np.concatenate(
            [[0], np.cumsum(np.concatenate([np.zeros(rule.window_samples - 1, np.int64), clamped]))]
        )
        reached = running[rule.window_samples :] - running[: -rule.window_samples] >= rule.threshold_lsb
        last = np.maximum.accumulate(np.where(reached, np.arange(reached.size), -(10**9)))
        held: NDArray[np.bool_] = np.arange(reached.size) - last <= rule.hold_samples
        return held

    def payload(self) -> dict[str, Any]:
        """The model as JSON values: integers, and exact fractions as text."""
        return {
            "sample_rate_hz": self.sample_rate_hz,
            "lsb_g": str(self.lsb_g),
            "polarity": "positive counts are deceleration",
            "clamp_lsb": self.clamp_lsb,
            "block_samples": self.block_samples,
            "hidden_weight": [list(row) for row in self.hidden_weight],
            "hidden_bias": list(self.hidden_bias),
            "output_weight": list(self.output_weight),
            "output_bias": self.output_bias,
            "confirm_votes": self.confirm_votes,
            "confirm_window": self.confirm_window,
            "arming": {
                "lsb_g": str(self.arming.lsb_g),
                "clamp_lsb": self.arming.clamp_lsb,
                "window_samples": self.arming.window_samples,
                "threshold_lsb": self.arming.threshold_lsb,
                "hold_samples": self.arming.hold_samples,
            },
        } | (
            {}
            if self.second_stage is None
            else {
                "second_stage": {
                    "output_weight": list(self.second_stage.output_weight),
                    "output_bias": self.second_stage.output_bias,
                }
            }
        )

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> DeployedModel:
        """The model that ``payload()`` came from. Raises ModelError or KeyError on anything else."""
        arming, second = payload["arming"], payload.get("second_stage")
        return cls(
            sample_rate_hz=_integer(payload["sample_rate_hz"]),
            lsb_g=_exact(payload["lsb_g"]),
            clamp_lsb=_integer(payload["clamp_lsb"]),
            block_samples=_integer(payload["block_samples"]),
            hidden_weight=tuple(tuple(_integer(w) for w in row) for row in payload["hidden_weight"]),
            hidden_bias=tuple(_integer(b) for b in payload["hidden_bias"]),
            output_weight=tuple(_integer(v) for v in payload["output_weight"]),
            output_bias=_integer(payload["output_bias"]),
            confirm_votes=_integer(payload["confirm_votes"]),
            confirm_window=_integer(payload["confirm_window"]),
            arming=Arming(
                lsb_g=_exact(arming["lsb_g"]),
                clamp_lsb=_integer(arming["clamp_lsb"]),
                window_samples=_integer(arming["window_samples"]),
                threshold_lsb=_integer(arming["threshold_lsb"]),
                hold_samples=_integer(arming["hold_samples"]),
            ),
            second_stage=None
            if second is None
            else SecondStage(tuple(_integer(v) for v in second["output_weight"]), _integer(second["output_bias"])),
        )


def read_model(path: Path) -> tuple[DeployedModel, Artefact]:
    """Read a deployed model's file, believing nothing before its hashes agree.

    Parameters
    ----------
    path : Path
        ``model.json``, or the folder that holds it.

    Raises
    ------
    ArtefactError, ModelError
    """
    artefact = read_artefact(path / FILE if path.is_dir() else path, SCHEMA)
    try:
        return DeployedModel.from_payload(artefact.payload), artefact
    except (KeyError, TypeError, ValueError) as error:
        raise ArtefactError(f"{artefact.path}: not a deployed model: {error}") from error


def _integer(value: Any) -> int:
    """An integer and nothing that merely looks like one."""
    if type(value) is not int:
        raise ModelError(f"{value!r} is not an integer")
    return value
