#!/usr/bin/env python3
"""Checks proofs about a deployed airbag crash classifier. Trusts nobody.

Run it alone: ``python checker.py FOLDER``. It needs Python 3.10 and nothing else, imports nothing of the
project that made the proofs, uses integers and fractions only, and recomputes everything. FOLDER holds,
anywhere below it, one ``model.json``, properties ``*.property.json`` and certificates ``*.certificate.json``,
which name model and property by the SHA-256 of their files. The format is told in ``certificates.md``.

The model computes, for each window of sensor counts ``u`` (clamped integers, zeros before the start), sums ``x``
of blocks of samples, ``z = W x + b``, ``h = max(0, z)``, ``y = v . h + c``; it votes if ``y > 0`` and requests fire
if K of the last M samples voted. Every claim becomes: some *goals* (window a has y >= 1, window b has y <= 0 ...)
never hold together, for all sequences of a set. Its samples are linear in latent variables q in a box, with rows
``a . q <= d``. A leaf of a proof tree adds the goals up with weights >= 0 and shows that the sum is negative:

- for v_j > 0, v_j max(0, z_j) = max(0, v_j z_j): the tree chooses "in" (v_j z_j) or "out" (0), with both branches
  present at every split, so the larger bound holds for every q. Undecided, a chord over the interval of z_j;
- for v_j < 0, -|v_j| max(0, z_j) <= -|v_j| t z_j for any t in [0, 1]; rows enter with any price >= 0;
- latents that stand for integers may be split: q <= m or q >= m + 1.

So multipliers can be bad, but not wrong. ``violated`` carries a sequence that is checked and replayed.
"""

from __future__ import annotations

import hashlib
import json
import sys
from fractions import Fraction
from itertools import combinations
from math import comb
from pathlib import Path
from typing import Any, NamedTuple

ENVELOPE = {"config", "files", "made_by", "parents", "payload", "schema", "sha256"}
MODEL_KEYS = {
    "sample_rate_hz", "lsb_g", "polarity", "clamp_lsb", "block_samples", "hidden_weight", "hidden_bias",
    "output_weight", "output_bias", "confirm_votes", "confirm_window", "arming",
}  # fmt: skip
ARMING_KEYS = {"lsb_g", "clamp_lsb", "window_samples", "threshold_lsb", "hold_samples"}
PROPERTY_KEYS = {"id", "property", "text", "claim", "rationale", "origin", "set", "by_ms"}
CLOSED_CLAIMS = ("never_arms", "arms_by", "accumulators_fit", "resets")
SIGNAL_KEYS = {"amplitude_g", "below_g", "slew_g_per_ms", "velocity_range_kmh", "step_g", "corrupted_samples"}
TOLERANCE_KEYS = {"gain", "offset_g", "noise_g"}
FINITE_KEYS = {
    "recorded": {"counts"},
    "corridor": {"lower", "upper", "phase_samples"},
    "pulse": {"shape", "delta_v_from_kmh", "delta_v_to_kmh", "duration_from_ms", "duration_to_ms"},
}
STANDARD_GRAVITY = Fraction(980665, 100000)  # m/s^2, exact by definition
PI_60 = 3622009729038561421  # floor(pi * 2**60)
INT16, INT32, INT64 = 2**15 - 1, 2**31 - 1, 2**63 - 1


class Rejected(Exception):
    """Why a certificate is not accepted."""


class Result(NamedTuple):
    """One certificate's outcome; ``verdict`` is proved, violated or rejected."""

    certificate: str
    property_id: str
    text: str
    verdict: str
    reason: str


class Polytope(NamedTuple):
    """Sequences: latent boxes, rows (coefficients, limit), samples (constant, coefficients), latents whole or real."""

    box: list[tuple[int, int]]
    rows: list[tuple[dict[int, int], int]]
    samples: list[tuple[Any, dict[int, Any]]]
    whole: bool


class Goal(NamedTuple):
    """A number that is >= 0 if the goal holds: constant + sum of v max(0, z) over nodes (v, gains of z, bias of z)."""

    nodes: list[tuple[int, list[int], int]]
    constant: int


class Sensor(NamedTuple):
    """What turns physical units into counts, and how long the controller looks back."""

    lsb_g: Fraction
    clamp: int
    rate_hz: int
    window: int
    history: int


def need(condition: bool, reason: str) -> None:
    """Reject unless the condition holds."""
    if not condition:
        raise Rejected(reason)


def integer(value: Any, low: int, high: int, name: str) -> int:
    """An integer in a range; True, 1.0 and "1" are none."""
    need(type(value) is int and low <= value <= high, f"{name} must be an integer from {low} to {high}")
    return int(value)


def rational(value: Any, name: str, signed: bool = False) -> Fraction:
    """A positive (unless signed) number written exactly, such as "1/16" or "2.5"."""
    need(
        isinstance(value, str) and 0 < len(value) <= 200 and not set(value) & set("eE_"),
        f"{name} must be a number in text",
    )
    try:
        number = Fraction(value)
    except (ValueError, ZeroDivisionError):
        raise Rejected(f"{name} = {value!r} is no number") from None
    need(signed or number > 0, f"{name} must be positive")
    return number


def canonical(value: Any) -> bytes:
    """The one way to write a JSON value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"


def read(path: Path, schema: str) -> tuple[Any, str, Any]:
    """Payload, SHA-256 of the file, and parents of a document that is intact and written canonically."""
    try:
        data = path.read_bytes()
        document = json.loads(data)
        need(isinstance(document, dict) and set(document) == ENVELOPE, f"{path.name} is not a crumple document")
        need(canonical(document) == data, f"{path.name} is not in canonical form: its bytes were changed")
        content = canonical({key: value for key, value in document.items() if key != "sha256"})
    except (OSError, ValueError, RecursionError) as error:
        raise Rejected(f"{path.name} cannot be read: {error}") from None
    need(hashlib.sha256(content).hexdigest() == document["sha256"], f"{path.name} was changed after it was written")
    need(document["schema"] == schema, f"{path.name} has schema {document['schema']!r}, expected {schema!r}")
    return document["payload"], hashlib.sha256(data).hexdigest(), document["parents"]


class Model:
    """The deployed integers, each checked for type and range."""

    def __init__(self, payload: Any) -> None:
        need(isinstance(payload, dict) and set(payload) == MODEL_KEYS, "the model has unknown or missing keys")
        self.rate_hz = integer(payload["sample_rate_hz"], 1, 10**6, "sample_rate_hz")
        self.lsb_g = rational(payload["lsb_g"], "lsb_g")
        self.clamp = integer(payload["clamp_lsb"], 1, INT16, "clamp_lsb")
        self.block = integer(payload["block_samples"], 1, 64, "block_samples")
        rows = payload["hidden_weight"]
        need(isinstance(rows, list) and 1 <= len(rows) <= 64 and isinstance(rows[0], list), "hidden_weight: no matrix")
        self.n_blocks = len(rows[0])
        need(1 <= self.n_blocks <= 256, "a row of hidden_weight must have 1 to 256 entries")
        need(all(isinstance(row, list) and len(row) == self.n_blocks for row in rows), "hidden_weight is ragged")
        self.weight = [[integer(w, -INT16, INT16, "hidden_weight") for w in row] for row in rows]
        for key in ("hidden_bias", "output_weight"):
            need(isinstance(payload[key], list) and len(payload[key]) == len(rows), f"{key} has the wrong length")
        self.bias = [integer(b, -INT32, INT32, "hidden_bias") for b in payload["hidden_bias"]]
        self.out = [integer(v, -INT16, INT16, "output_weight") for v in payload["output_weight"]]
        self.out_bias = integer(payload["output_bias"], -INT64, INT64, "output_bias")
        self.votes_window = integer(payload["confirm_window"], 1, 32, "confirm_window")
        self.votes = integer(payload["confirm_votes"], 1, self.votes_window, "confirm_votes")
        arming = payload["arming"]
        need(isinstance(arming, dict) and set(arming) == ARMING_KEYS, "arming has unknown or missing keys")
        self.arming_lsb_g = rational(arming["lsb_g"], "arming.lsb_g")
        self.arming_clamp = integer(arming["clamp_lsb"], 1, INT16, "arming.clamp_lsb")
        self.arming_window = integer(arming["window_samples"], 1, 256, "arming.window_samples")
        self.arming_threshold = integer(arming["threshold_lsb"], 1, INT32, "arming.threshold_lsb")
        self.arming_hold = integer(arming["hold_samples"], 0, 10**4, "arming.hold_samples")
        self.window = self.n_blocks * self.block
        history = self.window + self.votes_window - 1
        self.main = Sensor(self.lsb_g, self.clamp, self.rate_hz, self.window, history)
        self.safing = Sensor(self.arming_lsb_g, self.arming_clamp, self.rate_hz, self.arming_window, history)

    def output(self, window: list[int]) -> int:
        """y of one window of counts."""
        u = [max(-self.clamp, min(self.clamp, value)) for value in window]
        x = [sum(u[i * self.block : (i + 1) * self.block]) for i in range(self.n_blocks)]
        y = self.out_bias
        for row, bias, v in zip(self.weight, self.bias, self.out, strict=True):
            y += v * max(0, bias + sum(w * s for w, s in zip(row, x)))  # noqa: B905
        return y

    def requests_fire(self, counts: list[int]) -> bool:
        """Whether a fire is requested at any sample of a sequence that starts from rest."""
        padded, votes = [0] * (self.window - 1) + counts, []
        for k in range(len(counts)):
            votes.append(self.output(padded[k : k + self.window]) > 0)
            if sum(votes[-self.votes_window :]) >= self.votes:
                return True
        return False


def counts_of(sensor: Sensor, described: Any, key: str, unit: Fraction | int = 1) -> Fraction:
    """A quantity of a set in counts (g times ``unit``), not rounded."""
    return rational(described[key], key) * unit / sensor.lsb_g


def signals(sensor: Sensor, described: Any, length: int) -> Polytope:
    """Any ``length`` samples in a row of u = s + o + e.

    s in [-below, amplitude], |s_k - s_(k-1)| <= slew, and velocity (running sum) within a band over every window;
    o starts at 0 and moves by no more than step in total; e is any value in at most so many samples. Each part is
    optional but amplitude. Counts are integers, so |s| * lsb <= a means |s| <= floor(a / lsb), exactly.
    """
    need(set(described) - {"kind"} <= SIGNAL_KEYS and "amplitude_g" in described, "a signals set has other keys")
    high = int(min(counts_of(sensor, described, "amplitude_g") // 1, sensor.clamp))
    below = "below_g" if "below_g" in described else "amplitude_g"
    low = -int(min(counts_of(sensor, described, below) // 1, sensor.clamp))
    box: list[tuple[int, int]] = []
    rows: list[tuple[dict[int, int], int]] = []
    if "velocity_range_kmh" in described:  # latents p_0 .. p_length are velocities, the last window's in [0, V]
        metre = Fraction(5, 18) * sensor.rate_hz / STANDARD_GRAVITY
        band, n = int(counts_of(sensor, described, "velocity_range_kmh", metre) // 1), sensor.window
        for i in range(length + 1):
            far = max(0, -((i - length + n) // n))
            box.append((-far * band, (far + 1) * band))
            for j in range(i + 1, min(i + n, length) + 1) if i < length - n else ():
                rows += [({j: 1, i: -1}, band), ({i: 1, j: -1}, band)]
        samples = [{k + 1: 1, k: -1} for k in range(length)]
        for k in range(length):
            rows += [({k + 1: 1, k: -1}, high), ({k: 1, k + 1: -1}, -low)]
    else:
        box, samples = [(low, high)] * length, [{k: 1} for k in range(length)]
    if "slew_g_per_ms" in described:
        slew = int(counts_of(sensor, described, "slew_g_per_ms", Fraction(1000, sensor.rate_hz)) // 1)
        for k in range(1, length):
            rise = {i: samples[k].get(i, 0) - samples[k - 1].get(i, 0) for i in samples[k] | samples[k - 1]}
            rows += [(rise, slew), ({i: -a for i, a in rise.items()}, slew)]
    if "step_g" in described:  # latents are the rises and falls of the bias, which add up to no more than the step
        step, first = int(counts_of(sensor, described, "step_g") // 1), len(box)
        box += [(0, step)] * (2 * length)
        rows.append((dict.fromkeys(range(first, first + 2 * length), 1), step))
        for k in range(length):
            up, down = range(first, first + k + 1), range(first + length, first + length + k + 1)
            samples[k] = samples[k] | dict.fromkeys(up, 1) | dict.fromkeys(down, -1)
    if "corrupted_samples" in described:  # e_k up to the sensor's range where flag b_k is 1, at most so many flags
        budget, first = rational(described["corrupted_samples"], "corrupted_samples"), len(box)
        need(budget.denominator == 1, "corrupted_samples must be a whole number")
        reach = sensor.clamp + max(high, -low)
        box += [(-reach, reach)] * length + [(0, 1)] * length
        for k in range(length):
            rows += [({first + k: s, first + length + k: -reach}, 0) for s in (1, -1)]
            samples[k] = samples[k] | {first + k: 1}
        rows.append((dict.fromkeys(range(first + length, first + 2 * length), 1), int(budget)))
    return Polytope(box, rows, [(0, sample) for sample in samples], True)


def sine(x: Fraction) -> tuple[Fraction, Fraction]:
    """Bounds of sin(pi x) for x in [0, 1/2]: Taylor's series to the 21st power in 60-bit fixed point, +- 2**-40."""
    t = x.numerator * PI_60 // x.denominator
    term = total = t
    for i in range(1, 11):
        term = -(((term * t >> 60) * t >> 60) // (2 * i * (2 * i + 1)))
        total += term
    return max(Fraction(0), Fraction(total - 2**20, 2**60)), min(Fraction(1), Fraction(total + 2**20, 2**60))


def shape_bounds(shape: str, x: Fraction) -> tuple[Fraction, Fraction]:
    """Bounds of a pulse of unit area over [0, 1], at x; zero outside."""
    folded = max(Fraction(0), min(x, 1 - x))
    low, high = sine(folded)
    if shape == "half_sine":
        return low * Fraction(PI_60, 2**61), high * Fraction(PI_60 + 1, 2**61)
    return (2 * low * low, 2 * high * high) if shape == "haversine" else (4 * folded, 4 * folded)


def pulse(sensor: Sensor, described: Any) -> tuple[list[tuple[Fraction, Fraction]], Fraction]:
    """Curve of a pulse of the middle delta-V for any duration of the cell, and the cell's relative spread of delta-V.

    ``history`` quiet samples come first. Impact lies anywhere within a sample period before the next sample.
    """
    shape = described["shape"]
    need(shape in ("half_sine", "haversine", "triangle"), f"the pulse shape {shape!r} is not known")
    v_low, v_high = (rational(described[f"delta_v_{end}_kmh"], "delta_v") * Fraction(5, 18) for end in ("from", "to"))
    t_low, t_high = (rational(described[f"duration_{end}_ms"], "duration") / 1000 for end in ("from", "to"))
    need(v_low <= v_high and t_low <= t_high <= 1, "the cell of pulses is empty, or longer than 1 s")
    middle = (v_low + v_high) / 2 / STANDARD_GRAVITY / sensor.lsb_g
    curve = [(Fraction(0), Fraction(0))] * sensor.history
    for k in range(int(t_high * sensor.rate_hz) + 1 + sensor.history):
        early, late = Fraction(k, sensor.rate_hz) / t_high, Fraction(k + 1, sensor.rate_hz) / t_low
        ends = [shape_bounds(shape, x) for x in (early, late)]
        if early < Fraction(1, 2) < late:
            ends.append((min(low for low, _ in ends), shape_bounds(shape, Fraction(1, 2))[1]))
        low, high = min(low for low, _ in ends) * middle / t_high, max(high for _, high in ends) * middle / t_low
        curve.append((Fraction(low * 2**12 // 1, 2**12), Fraction(-(-high * 2**12 // 1), 2**12)))
    return curve, (v_high - v_low) / (v_high + v_low)


def finite(sensor: Sensor, described: Any) -> Polytope:
    """Sequences (1 + gain) a_k + offset + noise_k around a curve a; gain and offset are shared by all samples.

    Latent 0 is the gain, 1 the offset, 2 + k the k-th sample's own deviation, each in [-1, 1] of its bound. Where the
    sensor may clip, the sample is anything between its clipped extremes.
    """
    kind, spread = described["kind"], Fraction(0)
    need(set(described) - {"kind"} - TOLERANCE_KEYS <= FINITE_KEYS[kind], f"a {kind} set has other keys")
    missing = FINITE_KEYS[kind] - set(described) - {"phase_samples"}
    need(not missing, f"a {kind} set needs {', '.join(sorted(missing))}")
    if kind == "pulse":
        curve, spread = pulse(sensor, described)
        need("noise_g" in described, "a pulse set needs noise_g of half a count or more: the sensor rounds")
        need(counts_of(sensor, described, "noise_g") >= Fraction(1, 2), "noise_g must be half a count or more")
    else:
        ends = [described["counts"]] * 2 if kind == "recorded" else [described["lower"], described["upper"]]
        for end in ends:
            need(isinstance(end, list | tuple) and 1 <= len(end) <= 4096, "counts must be a list of 1 to 4096")
        lower, upper = ([Fraction(integer(u, -sensor.clamp, sensor.clamp, kind)) for u in end] for end in ends)
        need(
            len(lower) == len(upper) and all(a <= b for a, b in zip(lower, upper, strict=True)), "the corridor is empty"
        )
        if "phase_samples" in described:  # the curves, straight between samples, start up to one period earlier
            need(described["phase_samples"] == "1", "phase_samples must be 1")
            lower = [min(pair) for pair in zip(lower, [*lower[1:], lower[-1]], strict=True)]
            upper = [max(pair) for pair in zip(upper, [*upper[1:], upper[-1]], strict=True)]
        curve = list(zip(lower, upper, strict=True))
    gain = rational(described["gain"], "gain") if "gain" in described else Fraction(0)
    gain = spread + gain + spread * gain
    offset, noise = (counts_of(sensor, described, key) if key in described else 0 for key in ("offset_g", "noise_g"))
    samples: list[tuple[Any, dict[int, Any]]] = []
    for k, (low, high) in enumerate(curve):
        middle, half = (low + high) / 2, (high - low) / 2 * (1 + gain) + noise
        reach = abs(gain * middle) + offset + half
        if abs(middle) + reach <= sensor.clamp:
            samples.append((middle, {0: gain * middle, 1: offset, 2 + k: half}))
        else:
            ends = [max(-sensor.clamp, min(sensor.clamp, end)) for end in (middle - reach, middle + reach)]
            samples.append(((ends[0] + ends[1]) / 2, {2 + k: (ends[1] - ends[0]) / 2}))
    return Polytope([(-1, 1)] * (2 + len(curve)), [], samples, False)


def polytope(sensor: Sensor, described: Any, length: int) -> Polytope:
    """The set; ``length`` samples of it where it has no end of its own."""
    need(isinstance(described, dict) and isinstance(described.get("kind"), str), "the set has no kind")
    need(
        described["kind"] == "signals" or described["kind"] in FINITE_KEYS, f"set kind {described['kind']!r}: not known"
    )
    return signals(sensor, described, length) if described["kind"] == "signals" else finite(sensor, described)


def last_in_time(sensor: Sensor, described: Any, by_ms: Any) -> int:
    """Index of the last sample of a finite set that is surely no later than ``by_ms`` after its time zero."""
    last = int(rational(by_ms, "by_ms") * sensor.rate_hz / 1000)
    if described["kind"] == "pulse":
        return sensor.history + last - 1
    return last - 1 if "phase_samples" in described else last


def goal(model: Model, poly: Polytope, end: int, sign: int) -> Goal:
    """The goal that the window which ends at sample ``end`` votes (sign 1: y >= 1) or not (sign -1: y <= 0)."""
    window = [poly.samples[k] if k >= 0 else (0, {}) for k in range(end - model.window + 1, end + 1)]
    numbers = [number for constant, sample in window for number in (constant, *sample.values())]
    unit = 1
    for number in numbers:
        unit *= Fraction(number * unit).denominator
    inputs: list[list[int]] = []
    for i in range(model.n_blocks):
        block = [0] * (len(poly.box) + 1)
        for constant, sample in window[i * model.block : (i + 1) * model.block]:
            block[-1] += int(constant * unit)
            for latent, factor in sample.items():
                block[latent] += int(factor * unit)
        inputs.append(block)
    nodes = []
    for row, bias, v in zip(model.weight, model.bias, model.out, strict=True):
        gains = [sum(w * x for w, x in zip(row, column, strict=True) if x) for column in zip(*inputs, strict=True)]
        nodes.append((sign * v, gains[:-1], gains[-1] + bias * unit))
    return Goal(nodes, (sign * model.out_bias - (sign > 0)) * unit)


def maximum(gains: list[int], constant: int, box: list[tuple[int, int]]) -> int:
    """Largest value of a linear form over a box."""
    return constant + sum(g * (hi if g > 0 else lo) for g, (lo, hi) in zip(gains, box, strict=True) if g)


Key = tuple[int, int]


def leaf_bound(
    poly: Polytope, goals: list[Goal], box: list[tuple[int, int]], chosen: dict[Key, bool],
    weights: list[int], factors: dict[Key, int], prices: dict[int, int],
) -> int:  # fmt: skip
    """Upper bound, over the box and the rows, of the goals' weighted sum; goals hold together only if it is >= 0.

    ``factors`` are the t of negative nodes times their goal's weight.
    """
    total, constant = [0] * len(box), 0
    for g, (weight, goal) in enumerate(zip(weights, goals, strict=True)):
        constant += weight * goal.constant
        for j, (v, gains, bias) in enumerate(goal.nodes):
            if v < 0:
                scale = factors.get((g, j), 0)
            elif (g, j) in chosen:
                scale = weight if chosen[g, j] else 0
            else:
                high, low = maximum(gains, bias, box), -maximum([-a for a in gains], -bias, box)
                scale = 0 if high <= 0 else weight if low >= 0 else weight * high // (high - low)
                if low < 0 < high:  # between low and high, weight * max(0, z) <= scale * z + this shift / v
                    constant += v * max(-scale * low, (weight - scale) * high)
            if scale and v:
                scale *= v
                constant += scale * bias
                total = [t + scale * a for t, a in zip(total, gains, strict=True)]
    for number, price in prices.items():
        row, limit = poly.rows[number]
        constant += price * limit
        for latent, a in row.items():
            total[latent] -= price * a
    return maximum(total, constant, box)


def numbered(items: Any, size: int, name: str) -> list[tuple[int, ...]]:
    """A list of lists of ``size`` integers >= 0, the leading ones (the index) not twice the same."""
    need(
        isinstance(items, list) and all(isinstance(item, list) and len(item) == size for item in items),
        f"{name}: no list",
    )
    found = [tuple(integer(value, 0, 2**400, f"value in {name}") for value in item) for item in items]
    need(len({item[:-1] for item in found}) == len(found), f"{name} names one index twice")
    return found


def check_tree(poly: Polytope, goals: list[Goal], tree: Any) -> None:
    """Reject unless every leaf of the tree shows that the goals do not hold together."""

    def visit(node: Any, box: list[tuple[int, int]], chosen: dict[Key, bool]) -> None:
        need(isinstance(node, dict), "a tree node must be an object")
        if set(node) == {"goal", "node", "in", "out"}:
            g = integer(node["goal"], 0, len(goals) - 1, "goal")
            j = integer(node["node"], 0, len(goals[g].nodes) - 1, "node")
            need(goals[g].nodes[j][0] > 0 and (g, j) not in chosen, f"split on node {j}, which cannot branch here")
            visit(node["in"], box, {**chosen, (g, j): True})
            visit(node["out"], box, {**chosen, (g, j): False})
            return
        if set(node) == {"latent", "at", "low", "high"}:
            need(poly.whole, "only latents that stand for integers can be split")
            i = integer(node["latent"], 0, len(box) - 1, "latent")
            at = integer(node["at"], box[i][0], box[i][1] - 1, "at")
            visit(node["low"], [*box[:i], (box[i][0], at), *box[i + 1 :]], chosen)
            visit(node["high"], [*box[:i], (at + 1, box[i][1]), *box[i + 1 :]], chosen)
            return
        need(set(node) == {"weights", "lambda", "mu"}, "a leaf carries just weights, lambda and mu")
        need(isinstance(node["weights"], list), "weights must be one a goal, not all zero")
        weights = [integer(weight, 0, 2**400, "weight") for weight in node["weights"]]
        need(len(weights) == len(goals) and sum(weights) > 0, "weights must be one a goal, not all zero")
        factors, prices = {}, {}
        for g, j, value in numbered(node["lambda"], 3, "lambda"):
            need(g < len(goals) and j < len(goals[g].nodes) and goals[g].nodes[j][0] < 0, "lambda is out of place")
            need(value <= weights[g], "a factor in lambda exceeds its goal's weight")
            factors[g, j] = value
        for number, value in numbered(node["mu"], 2, "mu"):
            need(number < len(poly.rows), "mu names a row that is not there")
            prices[number] = value
        bound = leaf_bound(poly, goals, box, chosen, weights, factors, prices)
        need(bound < 0, "a leaf does not exclude what the claim forbids")

    visit(tree, poly.box, {})


def covers(cases: list[tuple[int, ...]], group: range, size: int) -> bool:
    """Whether each choice of ``size`` windows of the group includes all windows of a case."""
    loose = [end for end in group if (end,) not in cases]
    need(comb(len(loose), size) <= 10**5, "too many choices of windows to go through")
    return all(any(set(case) <= set(choice) for case in cases) for choice in combinations(loose, size))


def check_cases(model: Model, claim: str, described: Any, by_ms: Any, cases: Any) -> None:
    """Reject unless the cases' trees are proofs and leave no way for the claim to fail."""
    need(isinstance(cases, list) and bool(cases), "a proof needs cases")
    need(all(isinstance(case, dict) and set(case) == {"windows", "tree"} for case in cases), "a case has other keys")
    votes, group_size, trees = model.votes, model.votes_window, {}
    for case in cases:
        windows = case["windows"]
        need(isinstance(windows, list) and bool(windows), "windows must be a list of sample numbers")
        ends = tuple(integer(end, 0, 10**4, "window") for end in windows)
        need(list(ends) == sorted(set(ends)) and ends not in trees, "windows must ascend, and no case come twice")
        trees[ends] = case["tree"]
    endless = isinstance(described, dict) and described.get("kind") == "signals"
    if claim == "monotone":
        need(list(trees) == [(model.window - 1, 2 * model.window - 1)], "the windows are u and u + d")
        poly = more_severe(model.main, described)
        goals = [goal(model, poly, end, sign) for end, sign in zip(*trees, (1, -1), strict=True)]
        check_tree(poly, goals, cases[0]["tree"])
        return
    poly = polytope(model.main, described, max(max(ends) for ends in trees) + 1)
    if claim == "fires_by":
        need(not endless, "fires_by needs a set with a time zero")
        last, fit = last_in_time(model.main, described, by_ms), max(max(ends) for ends in trees)
        need(group_size - 1 <= fit <= last < len(poly.samples), "the windows are later than the time stated")
        group, size, sign = range(fit - group_size + 1, fit + 1), group_size - votes + 1, -1
        need(covers(list(trees), group, size), "a way not to request fire in time is left open")
    else:
        size, sign, known = votes, 1, list(trees)
        ranges = [range(max(0, end - group_size + 1), end + 1) for end in range(len(poly.samples))]
        if endless:  # a window anywhere stands for the same window at any other time
            ranges = [range(model.window - 1, model.window + group_size - 1)]
            need(all(set(ends) <= set(ranges[0]) for ends in trees), "a window begins before its sequence or ends late")
            known = [tuple(end + by for end in ends) for ends in trees for by in range(-group_size, group_size + 1)]
        need(all(covers(known, group, size) for group in ranges), "a way to request fire is left open")
    for ends, tree in trees.items():
        need(ends[-1] < len(poly.samples), "a window is not in the sequence")
        check_tree(poly, [goal(model, poly, end, sign) for end in ends], tree)


def more_severe(sensor: Sensor, described: Any) -> Polytope:
    """A window u followed by another u + d of the same set, d >= 0 in every sample."""
    simple = isinstance(described, dict) and set(described) <= {"kind", "amplitude_g", "below_g"}
    need(simple, "an amplitude set is needed")
    poly, n = polytope(sensor, described, sensor.window), sensor.window
    low, high = poly.box[0]
    rows = [({k: 1, n + k: 1}, high) for k in range(n)]
    return Polytope(
        poly.box + [(0, high - low)] * n, rows, poly.samples + [(0, {k: 1, n + k: 1}) for k in range(n)], True
    )


def check_witness(model: Model, claim: str, described: Any, by_ms: Any, witness: Any) -> None:
    """Reject unless the witness is a sequence of the set, of whole counts, that breaks the claim when replayed."""
    need(isinstance(witness, dict) and set(witness) == {"counts", "latents"}, "a witness has counts and latents")
    counts, latents = witness["counts"], witness["latents"]
    need(isinstance(counts, list) and 1 <= len(counts) <= 4096, "a witness has 1 to 4096 counts")
    counts = [integer(u, -model.clamp, model.clamp, "counts") for u in counts]
    monotone = claim == "monotone"
    poly = more_severe(model.main, described) if monotone else polytope(model.main, described, len(counts))
    need(isinstance(latents, list) and len(latents) == len(poly.box), "latents: wrong number")
    q = [rational(value, "latents", signed=True) for value in latents]
    need(not poly.whole or all(value.denominator == 1 for value in q), "latents must be whole")
    need(all(lo <= value <= hi for value, (lo, hi) in zip(q, poly.box, strict=True)), "the witness is not in the set")
    need(
        all(sum(a * q[i] for i, a in row.items()) <= limit for row, limit in poly.rows), "the witness is not in the set"
    )
    made = [constant + sum(a * q[i] for i, a in sample.items()) for constant, sample in poly.samples]
    need(made == counts, "the latents do not make these counts")
    if monotone:
        n = model.window
        need(model.output(counts[:n]) > 0 >= model.output(counts[n:]), "the witness shows no loss of a vote")
        return
    need(described["kind"] != "signals" or counts[0] == 0, "a sequence of signals starts at rest, with a count of 0")
    if claim == "fires_by":
        last = last_in_time(model.main, described, by_ms)
        need(0 <= last < len(counts) and not model.requests_fire(counts[: last + 1]), "the witness fires in time")
    else:
        need(model.requests_fire(counts), "the witness requests no fire")


def accumulators_fit(model: Model) -> bool:
    """Whether every partial sum of every accumulator fits: block sums and hidden in int32, output in int64."""
    block = model.block * model.clamp
    hidden = [sum(map(abs, row)) * block + abs(b) for row, b in zip(model.weight, model.bias, strict=True)]
    output = sum(abs(v) * m for v, m in zip(model.out, hidden, strict=True)) + abs(model.out_bias)
    arming = model.arming_window * model.arming_clamp
    return block <= INT32 and max(hidden) <= INT32 and output <= INT64 and arming <= INT32


def closed_form(model: Model, claim: str, described: Any, by_ms: Any) -> tuple[bool, bool]:
    """Whether a claim without search holds, and whether that decides it both ways."""
    need(isinstance(described, dict), "the set has no kind")
    if claim == "accumulators_fit":
        need(described == {"kind": "all_inputs"}, "accumulators are checked over all inputs")
        return accumulators_fit(model), True
    if claim == "resets":  # after so many zeros: window, votes, arming sum and its hold are as at the start
        need(set(described) == {"kind", "samples"} and described["kind"] == "quiet", "a quiet set is needed")
        needed = max(model.window + model.votes_window, model.arming_window + model.arming_hold)
        return rational(described["samples"], "samples") >= needed and model.output([0] * model.window) <= 0, False
    if claim == "never_arms":  # the arming sum is largest when every count is; zeros before the start are smaller
        need(set(described) == {"kind", "amplitude_g"} and described["kind"] == "signals", "an amplitude set is needed")
        poly = polytope(model.safing, described, model.arming_window)
        return model.arming_window * poly.box[0][1] < model.arming_threshold, True
    poly = polytope(model.safing, described, 0)
    need(described["kind"] in FINITE_KEYS, "arms_by needs a set with a time zero")
    last = min(last_in_time(model.safing, described, by_ms), len(poly.samples) - 1)
    for end in range(last + 1):  # deviations are symmetric: the smallest sum is the middle one less all spreads
        window, spread = poly.samples[max(0, end - model.arming_window + 1) : end + 1], dict[int, Fraction]()
        for _, sample in window:
            for latent, a in sample.items():
                spread[latent] = spread.get(latent, Fraction(0)) + a
        if sum(constant for constant, _ in window) - sum(map(abs, spread.values())) >= model.arming_threshold:
            return True, False
    return False, False


def check(model: Model, property_payload: Any, certificate: Any) -> str:
    """Verdict of one certificate, "proved" or "violated"; raises Rejected with the reason otherwise."""
    need(isinstance(property_payload, dict) and set(property_payload) == PROPERTY_KEYS, "the property has other keys")
    need(
        isinstance(certificate, dict) and set(certificate) == {"verdict", "cases", "witness"},
        "the certificate has other keys",
    )
    claim, described, by_ms = (property_payload[key] for key in ("claim", "set", "by_ms"))
    verdict, cases, witness = (certificate[key] for key in ("verdict", "cases", "witness"))
    need(verdict in ("proved", "violated"), f"verdict {verdict!r} is not evidence")
    need(by_ms == "" or claim in ("fires_by", "arms_by"), "by_ms belongs to fires_by and arms_by")
    if claim in ("never_requests_fire", "fires_by", "monotone"):
        if verdict == "proved":
            need(witness is None, "a proof carries no witness")
            check_cases(model, claim, described, by_ms, cases)
        else:
            need(cases == [], "a counterexample carries no cases")
            check_witness(model, claim, described, by_ms, witness)
    elif claim in ("never_arms", "arms_by", "accumulators_fit", "resets"):
        need(cases == [] and witness is None, "this claim is decided in closed form and carries nothing")
        holds, decides = closed_form(model, claim, described, by_ms)
        need(
            holds == (verdict == "proved") and (holds or decides),
            f"the claim {claim} is {'true' if holds else 'not shown'}",
        )
    else:
        raise Rejected(f"the claim {claim!r} is not known")
    return str(verdict)


def check_folder(folder: Path) -> list[Result]:
    """Outcome of every certificate below a folder, and of every property that has none."""
    problems: dict[str, str] = {}
    models: dict[str, Any] = {}
    properties: dict[str, tuple[Path, Any]] = {}
    for path in sorted(folder.rglob("model.json")):
        try:
            payload, digest, _ = read(path, "crumple.model/1")
            models[digest] = Model(payload)
        except Rejected as rejected:
            problems["model"] = str(rejected)
    for path in sorted(folder.rglob("*.property.json")):
        try:
            payload, digest, _ = read(path, "crumple.property/2")
            properties[digest] = (path, payload)
        except Rejected as rejected:
            problems[path.name] = str(rejected)
    results, answered = [], set()
    for path in sorted(folder.rglob("*.certificate.json")):
        name, text, verdict = path.name.removesuffix(".certificate.json"), "", "rejected"
        try:
            payload, _, parents = read(path, "crumple.certificate/2")
            kinds = {key: type(value) for key, value in parents.items()} if isinstance(parents, dict) else {}
            need(kinds == {"model": str, "property": str}, "parents must be the SHA-256 of model and property")
            changed = problems.get("model", "no file has its SHA-256")
            need(parents["model"] in models, f"made for another model: {changed}")
            changed = problems.get(f"{name}.property.json", "no file has its SHA-256")
            need(parents["property"] in properties, f"made for another property: {changed}")
            described = properties[parents["property"]][1]
            verdict, reason = check(models[parents["model"]], described, payload), ""
            name, text = str(described["id"]), str(described["text"])
            answered.add(parents["property"])
        except Rejected as rejected:
            reason = str(rejected)
        except RecursionError:
            reason = "the tree is deeper than any honest one"
        results.append(Result(str(path.relative_to(folder)), name, text, verdict, reason))
    for digest, (path, described) in properties.items():
        if digest not in answered:
            name = str(described.get("id")) if isinstance(described, dict) else path.name
            results.append(Result(str(path.relative_to(folder)), name, "", "rejected", "no accepted certificate"))
    return results


def main(arguments: list[str]) -> int:
    """Check a folder and print one line a certificate; 0 only if all are proved and there is at least one."""
    if len(arguments) != 1:
        sys.stderr.write("usage: checker.py FOLDER\n")
        return 2
    results = check_folder(Path(arguments[0]))
    for result in results:
        sys.stdout.write(f"{result.verdict:<9} {result.property_id:<6} {result.text or result.reason}\n")
    if not results:
        sys.stderr.write(f"{arguments[0]}: no certificates found\n")
        return 3
    return 0 if all(result.verdict == "proved" for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
