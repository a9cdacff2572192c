"""A second checker of certificates, written from ``docs/reference/certificates.md`` alone.

It shares no line and no structure with the first, ``model/analysis/checker.py``, which was not read until this one
accepted every honest certificate; what the page had left open was then settled there, in the page. Standard library
only, integers and fractions only, nothing of crumple::

    python -I -S tests/model/second_checker.py FOLDER

A *form* is a table from latent to coefficient in which the constant is the coefficient of one more latent, ``ONE``,
whose box is ``[1, 1]``; so rows, samples, splits and leaves are all the same thing, and a bound is one sum. A leaf is
not added up node by node: since a node is a weighted sum of samples, the leaf first becomes a price for each block of
samples of each window, and only then a form of the latents. Trees are walked with a list of what is still to be shown,
not by recursion.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor, lcm
from pathlib import Path
from typing import Any, NamedTuple

Form = dict[int, Any]
"""Coefficient of each latent, integers or fractions."""

Goals = tuple[tuple[int, bool], ...]
"""Windows by their last sample, and whether each votes; in the order in which they were assumed."""

ONE = -1
"""The latent that is always 1: its coefficient is the constant."""

G0_MPS2 = Fraction("9.80665")
INT16, INT32, INT64 = 2**15 - 1, 2**31 - 1, 2**63 - 1
LONGEST = 4096
"""Samples in a sequence."""

MODEL, PROPERTY, CERTIFICATE = "crumple.model/1", "crumple.property/2", "crumple.certificate/4"


class Refused(Exception):
    """No proof, and why."""


def demand(condition: bool, reason: str) -> None:
    """Refuse unless the condition holds."""
    if not condition:
        raise Refused(reason)


def whole(value: Any, what: str, least: int | None = None, most: int | None = None) -> int:
    """An integer, and nothing that only looks like one."""
    demand(type(value) is int, f"{what} is no whole number")
    demand(least is None or value >= least, f"{what} is {value}, less than {least}")
    demand(most is None or value <= most, f"{what} is {value}, more than {most}")
    return int(value)


def table(value: Any, what: str, keys: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Any]:
    """A JSON object with these keys and no others."""
    demand(isinstance(value, dict), f"{what} is no object")
    needed = set(keys)
    demand(needed <= set(value), f"{what} lacks {sorted(needed - set(value))}")
    strange = set(value) - needed - set(optional)
    demand(not strange, f"{what} has unknown keys {sorted(strange)}")
    return dict(value)


def listing(value: Any, what: str, length: int | None = None) -> list[Any]:
    """A JSON array, of that length if one is named."""
    demand(isinstance(value, list), f"{what} is no list")
    demand(length is None or len(value) == length, f"{what} has {len(value)} entries, not {length}")
    return list(value)


def number(value: Any, what: str) -> Fraction:
    """A positive exact decimal or fraction in text."""
    plain = isinstance(value, str) and re.fullmatch(r"[0-9]{1,40}(\.[0-9]{1,40}|/[0-9]{1,40})?", value, re.ASCII)
    demand(bool(plain), f"{what} is no positive decimal or fraction in text")
    demand("/" not in value or int(value.partition("/")[2]) > 0, f"{what} divides by zero")
    exact = Fraction(value)
    demand(exact > 0, f"{what} is not positive")
    return exact


def plus(*parts: tuple[Any, Form]) -> Form:
    """A weighted sum of forms."""
    total: Form = {}
    for factor, form in parts:
        for latent, a in form.items():
            total[latent] = total.get(latent, 0) + factor * a
    return total


# ---------------------------------------------------------------------------------------------------------------------
# The model.


class Voter(NamedTuple):
    """One path: a sensor, a net of one hidden layer over blocks of its samples, K of M votes."""

    rate: int
    lsb_g: Fraction
    clamp: int
    block: int
    weight: list[list[int]]
    bias: list[int]
    out: list[int]
    out_bias: int
    k: int
    m: int

    @property
    def n(self) -> int:
        """Samples in the window."""
        return self.block * len(self.weight[0])

    def counts(self, value_g: Fraction) -> int:
        """A bound in g as whole counts, rounded down."""
        return floor(value_g / self.lsb_g)

    def counts_ms(self, speed_kmh: Fraction) -> Fraction:
        """A change of velocity in km/h, as a sum of counts times milliseconds."""
        return speed_kmh / Fraction(36, 10) * 1000 / (G0_MPS2 * self.lsb_g)

    def output_at_rest(self) -> int:
        """``y`` of a window of zeros."""
        return self.out_bias + sum(v * max(0, b) for v, b in zip(self.out, self.bias, strict=True))


class Model(NamedTuple):
    """The paths of a model that cannot overflow; ``second`` is the output of a second stage."""

    main: Voter
    second: Voter | None
    arming: Voter
    hold: int


def read_model(payload: Any) -> Model:
    """Both paths; refuses what is no model, and a model whose accumulators could overflow."""
    net = ["block_samples", "hidden_weight", "hidden_bias", "output_weight", "output_bias"]
    sensor = ["sample_rate_hz", "lsb_g", "polarity", "clamp_lsb"]
    top = table(payload, "the model", [*sensor, *net, "confirm_votes", "confirm_window", "arming"], ["second_stage"])
    safing = table(top["arming"], "arming", ["lsb_g", "clamp_lsb", "window_samples", "threshold_lsb", "hold_samples"])
    rate = whole(top["sample_rate_hz"], "sample_rate_hz", 1)
    rows = [
        [whole(w, "a weight", -INT16, INT16) for w in listing(row, "a row of hidden_weight")]
        for row in listing(top["hidden_weight"], "hidden_weight")
    ]
    demand(bool(rows) and bool(rows[0]) and len({len(row) for row in rows}) == 1, "hidden_weight is no matrix")
    m = whole(top["confirm_window"], "confirm_window", 1, 1000)
    main = Voter(
        rate, number(top["lsb_g"], "lsb_g"), whole(top["clamp_lsb"], "clamp_lsb", 1),
        whole(top["block_samples"], "block_samples", 1), rows,
        [whole(b, "a bias") for b in listing(top["hidden_bias"], "hidden_bias", len(rows))],
        [whole(v, "a weight", -INT16, INT16) for v in listing(top["output_weight"], "output_weight", len(rows))],
        whole(top["output_bias"], "output_bias"), whole(top["confirm_votes"], "confirm_votes", 1, m), m,
    )  # fmt: skip
    second = None
    if "second_stage" in top:
        late = table(top["second_stage"], "second_stage", ["output_weight", "output_bias"])
        out = [whole(v, "a weight", -INT16, INT16) for v in listing(late["output_weight"], "output_weight", len(rows))]
        second = main._replace(out=out, out_bias=whole(late["output_bias"], "output_bias"))
    window = whole(safing["window_samples"], "window_samples", 1, LONGEST)
    threshold = whole(safing["threshold_lsb"], "threshold_lsb", 1)
    arming = Voter(
        rate, number(safing["lsb_g"], "arming lsb_g"), whole(safing["clamp_lsb"], "arming clamp_lsb", 1), 1,
        [[1] * window], [1 - threshold], [1], 0, 1, 1,
    )  # fmt: skip
    for voter in (main, arming) if second is None else (main, second, arming):
        demand(voter.n <= LONGEST, "a window is longer than anyone counts")
        block = voter.block * voter.clamp
        hidden = [block * sum(map(abs, row)) + abs(b) for row, b in zip(voter.weight, voter.bias, strict=True)]
        output = sum(abs(v) * h for v, h in zip(voter.out, hidden, strict=True)) + abs(voter.out_bias)
        demand(max(block, *hidden) <= INT32 and output <= INT64, "an accumulator of the model could overflow")
    return Model(main, second, arming, whole(safing["hold_samples"], "hold_samples", 0, 10**7))


# ---------------------------------------------------------------------------------------------------------------------
# The set: samples as forms of latents in a box, with slacks that are never negative.


class Space:
    """A set of sequences, as it grows from its description.

    Latents are numbered in the order in which they are made. After ``settle`` all forms of samples are whole numbers
    of ``1 / unit`` counts, and so are the slacks, each the number a row leaves between its two sides.
    """

    def __init__(self) -> None:
        self.box: dict[int, tuple[int, int]] = {ONE: (1, 1)}
        self.samples: list[Form] = []
        self.slacks: list[Form] = []
        self.whole_latents: list[int] = []
        self.whole_forms: list[Form] = []
        self.unit = 1
        self.sample_unit = 1

    def latents(self, count: int, low: int, high: int) -> list[int]:
        """So many new latents, each between ``low`` and ``high``."""
        first = len(self.box) - 1
        made = list(range(first, first + count))
        self.box.update(dict.fromkeys(made, (low, high)))
        return made

    def never_more(self, form: Form, limit: Any) -> None:
        """A row: ``form <= limit``."""
        self.slacks.append(plus((limit, {ONE: 1}), (-1, form)))

    def settle(self) -> None:
        """Bring all to whole numbers; nothing may be added after."""
        self.sample_unit = lcm(*(Fraction(a).denominator for form in self.samples for a in form.values()))
        self.unit = lcm(self.sample_unit, *(Fraction(a).denominator for form in self.slacks for a in form.values()))
        forms = [*self.samples, *({latent: 1} for latent in self.whole_latents)]
        self.samples = [self.scaled(form) for form in self.samples]
        self.slacks = [self.scaled(form) for form in self.slacks]
        self.whole_forms = [self.scaled(form) for form in forms]

    def scaled(self, form: Form) -> Form:
        """The form in units of ``1 / unit``, what is zero left out."""
        return {latent: int(a * self.unit) for latent, a in form.items() if a}

    def reach(self, form: Form) -> tuple[int, int]:
        """Smallest and largest value of a form over the box, rows disregarded."""
        low = high = 0
        for latent, a in form.items():
            at_low, at_high = self.box[latent]
            if a < 0:
                at_low, at_high = at_high, at_low
            low += a * at_low
            high += a * at_high
        return low, high


NEEDED = {
    "signals": ["amplitude_g"],
    "corridor": ["lower", "upper"],
    "pulse": ["shape", "delta_v_from_kmh", "delta_v_to_kmh", "duration_from_ms", "duration_to_ms", "noise_g"],
    "all_inputs": [],
    "quiet": ["samples"],
    "parameter_image": ["changed_bits"],
}
ADDED = ["step_g", "corrupted_samples"]
OPTIONAL = {
    "signals": ["below_g", "slew_g_per_ms", "velocity_range_kmh", *ADDED],
    "corridor": ["phase_samples", "gain", "offset_g", "noise_g", *ADDED],
    "pulse": ["gain", "offset_g", *ADDED],
    "all_inputs": [],
    "quiet": [],
    "parameter_image": [],
}


def read_set(voter: Voter, value: Any) -> dict[str, Any]:
    """The keys of a set, each number exact."""
    demand(isinstance(value, dict) and value.get("kind") in list(NEEDED), "the set is of no known kind")
    kind = value["kind"]
    described = table(value, "the set", ["kind", *NEEDED[kind]], OPTIONAL[kind])
    for key, given in described.items():
        if key in ("lower", "upper"):
            described[key] = [whole(u, f"a count of {key}", -voter.clamp, voter.clamp) for u in listing(given, key)]
        elif key == "phase_samples":
            demand(given == "1", "phase_samples is not 1")
        elif key == "changed_bits":
            demand(given == "2", "changed_bits is not 2")
        elif key not in ("kind", "shape"):
            described[key] = number(given, key)
    return described


def space_of(voter: Voter, claim: str, described: dict[str, Any], length: int) -> Space:
    """The set as the page numbers it."""
    space = Space()
    if described["kind"] == "signals":
        largest = signals(space, voter, described, length)
    else:
        largest = voter.clamp
        (corridor if described["kind"] == "corridor" else pulse)(space, voter, described)
    if claim == "monotone":
        for before, after in zip(space.samples[: voter.n], space.samples[voter.n :], strict=True):
            space.never_more(plus((1, before), (-1, after)), 0)
    if "slew_g_per_ms" in described:
        most = voter.counts(described["slew_g_per_ms"] * 1000 / voter.rate)
        for before, after in pairwise(space.samples):
            space.never_more(plus((1, after), (-1, before)), most)
            space.never_more(plus((1, before), (-1, after)), most)
    if "step_g" in described:
        largest += add_step(space, voter.counts(described["step_g"]))
    if "corrupted_samples" in described:
        add_corruption(space, voter.clamp, voter.clamp + largest, floor(described["corrupted_samples"]))
    space.settle()
    return space


def signals(space: Space, voter: Voter, described: dict[str, Any], length: int) -> int:
    """Samples of a signal; returns the largest magnitude that a latent or row allows them."""
    above = min(voter.clamp, voter.counts(described["amplitude_g"]))
    below = min(voter.clamp, voter.counts(described.get("below_g", described["amplitude_g"])))
    if "velocity_range_kmh" not in described:
        space.whole_latents += space.latents(length, -below, above)
        space.samples = [{latent: 1} for latent in space.whole_latents]
        return max(above, below)
    n = voter.n
    band = floor(voter.counts_ms(described["velocity_range_kmh"]) * voter.rate / 1000)
    for i in range(length + 1):
        windows = max(0, ceil(Fraction(length - n - i, n)))
        space.whole_latents += space.latents(1, -windows * band, (windows + 1) * band)
    for i in range(length - n):
        for j in range(i + 1, i + n + 1):
            space.never_more({j: 1, i: -1}, band)
            space.never_more({i: 1, j: -1}, band)
    space.samples = [{k + 1: 1, k: -1} for k in range(length)]
    for form in space.samples:
        if above < band:
            space.never_more(form, above)
        if below < band:
            space.never_more(plus((-1, form)), below)
    return max(above, below)


class Part(NamedTuple):
    """A sample before tolerances: middle, half width, share of phase and of duration. In counts."""

    middle: Fraction
    half: Fraction = Fraction(0)
    phase: Fraction = Fraction(0)
    duration: Fraction = Fraction(0)


def corridor(space: Space, voter: Voter, described: dict[str, Any]) -> None:
    """Samples between two curves."""
    lower, upper = described["lower"], described["upper"]
    demand(len(lower) == len(upper) and len(lower) > 0, "lower and upper are not equally long, or empty")
    demand(all(low <= high for low, high in zip(lower, upper, strict=True)), "lower is above upper: the set is empty")
    if "phase_samples" in described:
        lower = [min(pair) for pair in pairwise([*lower, lower[-1]])]
        upper = [max(pair) for pair in pairwise([*upper, upper[-1]])]
    parts = [Part(Fraction(low + high, 2), Fraction(high - low, 2)) for low, high in zip(lower, upper, strict=True)]
    add_tolerances(space, voter, described, described.get("gain", Fraction(0)), parts, [])


def add_tolerances(
    space: Space, voter: Voter, described: dict[str, Any], gain: Fraction, parts: list[Part], names: list[str]
) -> None:
    """Samples from their parts: shared gain and offset, each sample's own deviation, and shared ``names``."""
    offset = described.get("offset_g", Fraction(0)) / voter.lsb_g
    noise = described.get("noise_g", Fraction(0)) / voter.lsb_g
    shared_gain, shared_offset = space.latents(2, -1, 1)
    own = space.latents(len(parts), -1, 1)
    shared = dict(zip(names, space.latents(len(names), -1, 1), strict=True))
    for latent, part in zip(own, parts, strict=True):
        deviation = part.half * (1 + gain) + noise + gain * (abs(part.phase) + abs(part.duration))
        form = {ONE: part.middle, shared_gain: gain * part.middle, shared_offset: offset, latent: deviation}
        form.update({shared[name]: getattr(part, name) for name in names})
        low, high = space.reach(form)
        if low < -voter.clamp or high > voter.clamp:
            low, high = (max(-voter.clamp, min(voter.clamp, bound)) for bound in (low, high))
            form = {ONE: Fraction(low + high) / 2, latent: Fraction(high - low) / 2}
        space.samples.append(form)


def add_step(space: Space, most: int) -> int:
    """An offset that rises and falls by ``most`` in total; returns its largest magnitude."""
    rises = space.latents(len(space.samples), 0, most)
    falls = space.latents(len(space.samples), 0, most)
    space.whole_latents += rises + falls
    space.never_more(dict.fromkeys(rises + falls, 1), most)
    for k, form in enumerate(space.samples):
        space.samples[k] = plus(
            (1, form), (1, dict.fromkeys(rises[: k + 1], 1)), (-1, dict.fromkeys(falls[: k + 1], 1))
        )
    return most


def add_corruption(space: Space, clamp: int, most: int, samples: int) -> None:
    """An error of up to ``most`` in so many samples."""
    errors = space.latents(len(space.samples), -most, most)
    flags = space.latents(len(space.samples), 0, 1)
    space.whole_latents += errors + flags
    space.never_more(dict.fromkeys(flags, 1), samples)
    for error, flag in zip(errors, flags, strict=True):
        space.never_more({error: 1, flag: -most}, 0)
        space.never_more({error: -1, flag: -most}, 0)
    space.samples = [plus((1, form), (1, {error: 1})) for form, error in zip(space.samples, errors, strict=True)]
    for form in space.samples:
        space.never_more(form, clamp)
        space.never_more(plus((-1, form)), clamp)


# ---------------------------------------------------------------------------------------------------------------------
# The enclosure of a cell of pulses.

FINE = 2**60
PI_FINE = 3622009729038561421
"""``pi`` times ``FINE``, rounded down."""
CURVATURE = {"half_sine": 19, "haversine": 42, "triangle": 8}
"""At least ``|2 S' + x S''|`` and ``|S''|`` of each shape."""


def sine_of_pi(x: Fraction) -> tuple[Fraction, Fraction]:
    """Bounds of ``sin(pi x)`` for ``x`` in ``[0, 1]``, each ``2^-40`` from the sum of Taylor's series."""
    angle = floor(min(x, 1 - x) * PI_FINE)
    term = total = angle
    for odd in range(3, 23, 2):
        term = -((term * angle // FINE * angle // FINE) // ((odd - 1) * odd))
        total += term
    slip = Fraction(1, 2**40)
    return max(Fraction(0), Fraction(total, FINE) - slip), Fraction(total, FINE) + slip


def shape_of(name: str, x: Fraction) -> tuple[Fraction, Fraction]:
    """Bounds of the pulse of area one over ``[0, 1]``, as of its ends outside."""
    x = max(Fraction(0), min(x, Fraction(1)))
    if name == "triangle":
        return 4 * min(x, 1 - x), 4 * min(x, 1 - x)
    low, high = sine_of_pi(x)
    if name == "haversine":
        return 2 * low * low, 2 * high * high
    return low * Fraction(PI_FINE, 2 * FINE), high * Fraction(PI_FINE + 1, 2 * FINE)


def fine_floor(x: Fraction) -> Fraction:
    """Rounded down to ``1 / 4096`` count."""
    return Fraction(floor(x * 4096), 4096)


def fine_ceil(x: Fraction) -> Fraction:
    """Rounded up to ``1 / 4096`` count."""
    return -fine_floor(-x)


def pulse(space: Space, voter: Voter, described: dict[str, Any]) -> None:
    """Samples of every pulse of a cell."""
    shape = described["shape"]
    demand(isinstance(shape, str) and shape in CURVATURE, "the pulse has no known shape")
    slow, fast = described["delta_v_from_kmh"], described["delta_v_to_kmh"]
    shortest, longest = described["duration_from_ms"], described["duration_to_ms"]
    demand(slow <= fast and shortest <= longest, "the cell of pulses is empty")
    demand(described["noise_g"] / voter.lsb_g >= Fraction(1, 2), "noise_g is less than half a count: the sensor rounds")
    dt = Fraction(1000, voter.rate)
    history = voter.n + voter.m - 1
    demand(longest <= 1000, "the pulse is longer than a second")
    area = voter.counts_ms((slow + fast) / 2)
    spread = (fast - slow) / (fast + slow)
    given = described.get("gain", Fraction(0))
    quiet = [Part(Fraction(0))] * history
    moving = [pulse_part(shape, area, shortest, longest, dt, k) for k in range(floor(longest / dt) + 1 + history)]
    gain = spread + given + spread * given
    add_tolerances(space, voter, described, gain, quiet + moving, ["phase", "duration"])


def pulse_part(shape: str, area: Fraction, shortest: Fraction, longest: Fraction, dt: Fraction, k: int) -> Part:
    """What sample ``k`` after impact can be, for the middle change of velocity."""
    s_low, s_high = 1 / longest, 1 / shortest
    t_low, t_high = k * dt, (k + 1) * dt
    x_low, x_high = t_low * s_low, t_high * s_high
    half = Fraction(1, 2)
    if x_high > 1 or (shape == "triangle" and x_low < half < x_high):
        ends = [shape_of(shape, x_low), shape_of(shape, x_high)]
        tip = [shape_of(shape, half)] if x_low <= half <= x_high else []
        low = fine_floor(area * s_low * min(least for least, _ in ends))
        high = fine_ceil(area * s_high * max(most for _, most in ends + tip))
        return Part((low + high) / 2, (high - low) / 2)

    def value(s: Fraction, t: Fraction) -> Fraction:
        return area * s * shape_of(shape, t * s)[0]

    s_mid, s_half, t_mid, t_half = (s_low + s_high) / 2, (s_high - s_low) / 2, (t_low + t_high) / 2, dt / 2
    bend = t_high * s_half**2 + s_high * s_half * t_half + s_high**3 * t_half**2
    return Part(
        middle=fine_floor(value(s_mid, t_mid)),
        half=fine_ceil(area * CURVATURE[shape] * bend + 5 * area * s_high / 2**36) + Fraction(3, 4096),
        phase=fine_floor((value(s_mid, t_high) - value(s_mid, t_low)) / 2),
        duration=fine_floor((value(s_high, t_mid) - value(s_low, t_mid)) / 2),
    )


# ---------------------------------------------------------------------------------------------------------------------
# Claims: which questions there are, which windows a branch may be split on, and when counting votes is enough.


class Question(NamedTuple):
    """What a tree has to refute: these votes. ``splits`` are the windows it may assume more about."""

    goals: Goals
    splits: range
    counted: range
    by_time: bool

    def is_decided(self, voter: Voter, goals: Goals) -> bool:
        """Whether the votes of a branch decide the claim, however all others turn out."""
        votes = dict(goals)
        if self.by_time:
            ends = (range(max(0, end - voter.m + 1), end + 1) for end in self.counted)
            return any(sum(votes.get(w, False) for w in window) >= voter.k for window in ends)
        return sum(votes.get(w, True) for w in self.counted) < voter.k


def questions_of(voter: Voter, claim: str, described: dict[str, Any], by_ms: Fraction, size: int) -> Iterator[Question]:
    """The questions of a claim, in order."""
    nothing = range(0)
    if claim == "monotone":
        yield Question(((voter.n - 1, True), (2 * voter.n - 1, False)), nothing, nothing, True)
    elif claim in ("fires_by", "arms_by"):
        last = floor(by_ms * voter.rate / 1000) - ("phase_samples" in described)
        if described["kind"] == "pulse":
            last += voter.n + voter.m - 2
        demand(0 <= last < size, f"the last sample in time, {last}, is not in the sequence")
        yield Question((), range(last + 1), range(last + 1), True)
    elif described["kind"] == "signals":
        newest = size - 1
        splits = range(max(size - voter.m, voter.n - 1), newest)
        yield Question(((newest, True),), splits, range(size - voter.m, size), False)
    else:
        for w in range(size):
            counted = range(max(0, w - voter.m + 1), w + 1)
            yield Question(((w, True),), counted[:-1], counted, False)


# ---------------------------------------------------------------------------------------------------------------------
# Trees.


class Branch(NamedTuple):
    """What is assumed on the way to a node of a tree."""

    goals: Goals
    slacks: tuple[Form, ...]
    decided: dict[tuple[int, int], bool]


class Refuter:
    """Shows that trees refute the questions of one voter about one set."""

    def __init__(self, voter: Voter, space: Space) -> None:
        self.voter = voter
        self.space = space
        self.known_inputs: dict[int, list[Form]] = {}
        self.known_bounds: dict[tuple[int, int], tuple[int, int]] = {}

    def window(self, w: int) -> range:
        """The samples of the window that ends at ``w``, without the zeros before the first."""
        return range(max(0, w - self.voter.n + 1), w + 1)

    def block_of(self, w: int, k: int) -> int:
        """To which input of the net sample ``k`` of window ``w`` belongs."""
        return (k - (w - self.voter.n + 1)) // self.voter.block

    def inputs(self, w: int) -> list[Form]:
        """The inputs of the net at window ``w``, in ``1 / unit`` counts."""
        if w not in self.known_inputs:
            blocks: list[Form] = [{} for _ in self.voter.weight[0]]
            for k in self.window(w):
                block = blocks[self.block_of(w, k)]
                for latent, a in self.space.samples[k].items():
                    block[latent] = block.get(latent, 0) + a
            self.known_inputs[w] = blocks
        return self.known_inputs[w]

    def bounds(self, w: int, j: int) -> tuple[int, int]:
        """Smallest and largest ``z_j`` of window ``w`` over the box, in ``1 / unit``."""
        if (w, j) not in self.known_bounds:
            z: Form = {ONE: self.voter.bias[j] * self.space.unit}
            for a, block in zip(self.voter.weight[j], self.inputs(w), strict=True):
                for latent, b in block.items():
                    z[latent] = z.get(latent, 0) + a * b
            self.known_bounds[w, j] = self.space.reach(z)
        return self.known_bounds[w, j]

    def refute(self, tree: Any, question: Question) -> None:
        """Refuse unless the tree leaves nothing open."""
        todo = [(tree, Branch(question.goals, (), {}))]
        while todo:
            node, branch = todo.pop()
            if node is None:
                demand(question.is_decided(self.voter, branch.goals), "the votes of a branch do not decide the claim")
                continue
            demand(isinstance(node, dict), "a node of a tree is neither null nor an object")
            if "goals" in node:
                demand(self.is_negative(node, branch), "a leaf is not negative on the whole box")
            elif "window" in node:
                todo += self.split_window(node, branch, question)
            elif "goal" in node:
                todo += self.split_node(node, branch)
            else:
                todo += self.split_whole(node, branch)

    def split_window(self, node: Any, branch: Branch, question: Question) -> list[tuple[Any, Branch]]:
        """A window votes, or it does not."""
        table(node, "a split on a window", ["window", "votes", "silent"])
        w = whole(node["window"], "a window")
        demand(w in question.splits, f"window {w} is none of those the question may be split on")
        demand(w not in dict(branch.goals), f"window {w} is assumed twice")
        return [
            (node["votes"], branch._replace(goals=(*branch.goals, (w, True)))),
            (node["silent"], branch._replace(goals=(*branch.goals, (w, False)))),
        ]

    def split_node(self, node: Any, branch: Branch) -> list[tuple[Any, Branch]]:
        """A hidden node of a goal counts as its sum, or as nothing."""
        table(node, "a split on a hidden node", ["goal", "node", "in", "out"])
        g = whole(node["goal"], "a goal", 0, len(branch.goals) - 1)
        j = whole(node["node"], "a hidden node", 0, len(self.voter.out) - 1)
        sign = 1 if branch.goals[g][1] else -1
        demand(sign * self.voter.out[j] > 0, f"hidden node {j} is split on, but does not count for goal {g}")
        demand((g, j) not in branch.decided, f"hidden node {j} of goal {g} is split on twice")
        return [
            (node["in"], branch._replace(decided={**branch.decided, (g, j): True})),
            (node["out"], branch._replace(decided={**branch.decided, (g, j): False})),
        ]

    def split_whole(self, node: Any, branch: Branch) -> list[tuple[Any, Branch]]:
        """A whole form is at most a whole number, or at least the next."""
        table(node, "a node of a tree", ["whole", "at", "low", "high"])
        form = self.space.whole_forms[whole(node["whole"], "a whole form", 0, len(self.space.whole_forms) - 1)]
        at = whole(node["at"], "where a whole form is split")
        low = plus((at * self.space.unit, {ONE: 1}), (-1, form))
        high = plus((1, form), (-(at + 1) * self.space.unit, {ONE: 1}))
        return [
            (node["low"], branch._replace(slacks=(*branch.slacks, low))),
            (node["high"], branch._replace(slacks=(*branch.slacks, high))),
        ]

    def is_negative(self, leaf: Any, branch: Branch) -> bool:
        """Whether the weighted sum of the goals, bounded from above by a form, is negative on the whole box."""
        table(leaf, "a leaf", ["goals", "prices"])
        total: Form = {}
        for g, multipliers in enumerate(listing(leaf["goals"], "goals", len(branch.goals))):
            self.add_goal(total, g, multipliers, branch)
        slacks = [*self.space.slacks, *branch.slacks] if leaf["prices"] else []
        for pair in listing(leaf["prices"], "prices"):
            row, price = listing(pair, "a price", 2)
            slack = slacks[whole(row, "a row", 0, len(slacks) - 1)]
            whole(price, "a price", 0)
            for latent, a in slack.items():
                total[latent] = total.get(latent, 0) + price * a
        return self.space.reach(total)[1] < 0

    def add_goal(self, total: Form, g: int, multipliers: Any, branch: Branch) -> None:
        """Add one goal, as often as it weighs, to the form of a leaf."""
        voter, space = self.voter, self.space
        weight, *factors = listing(multipliers, "the multipliers of a goal", 1 + len(voter.out))
        whole(weight, "a weight", 0)
        w, votes = branch.goals[g]
        sign = 1 if votes else -1
        constant = weight * space.unit * (sign * voter.out_bias - (1 if votes else 0))
        price = [0] * len(voter.weight[0])
        for j, t in enumerate(factors):
            whole(t, "a factor", 0, weight)
            v, scale = sign * voter.out[j], t
            if v > 0 and (g, j) in branch.decided:
                scale = weight if branch.decided[g, j] else 0
            elif v > 0 and weight:
                constant += v * max(weight * max(0, z) - t * z for z in self.bounds(w, j))
            constant += v * scale * voter.bias[j] * space.unit
            if v * scale:
                for i, a in enumerate(voter.weight[j]):
                    price[i] += v * scale * a
        # A goal counts in units that make all samples whole; rows count as they stand.
        total[ONE] = total.get(ONE, 0) + space.sample_unit * constant
        for k in self.window(w):
            each = space.sample_unit * price[self.block_of(w, k)]
            for latent, a in space.samples[k].items():
                total[latent] = total.get(latent, 0) + each * a


# ---------------------------------------------------------------------------------------------------------------------
# Certificates.

KINDS = {
    "never_requests_fire": ["signals", "corridor", "pulse"],
    "never_arms": ["signals", "corridor", "pulse"],
    "fires_by": ["corridor", "pulse"],
    "arms_by": ["corridor", "pulse"],
    "monotone": ["signals"],
    "accumulators_fit": ["all_inputs"],
    "resets": ["quiet"],
    "image_protected": ["parameter_image"],
}


def check(model_payload: Any, property_payload: Any, certificate_payload: Any) -> None:
    """Refuse, by raising ``Refused``, unless the certificate proves the property of the model."""
    check_read(read_model(model_payload), property_payload, certificate_payload)


def check_read(model: Model, property_payload: Any, certificate_payload: Any) -> None:
    """The same, of a model that was read before."""
    words = ["id", "property", "text", "rationale", "origin"]  # for people
    asked = table(property_payload, "the property", ["claim", "set", "by_ms", *words], ["stage"])
    demand(isinstance(asked["claim"], str), "the claim is no text")
    claim = asked["claim"]
    demand(claim in KINDS, f"{claim!r} is no claim")
    main = model.main
    if "stage" in asked:
        demand(asked["stage"] == "2", "a stage is named, but not the second")
        demand(model.second is not None, "the property is about a second stage, the model has none")
        main = model.second or main
    voter = model.arming if claim in ("never_arms", "arms_by") else main
    described = read_set(voter, asked["set"])
    demand(described["kind"] in KINDS[claim], f"{claim} is not claimed of sets of kind {described['kind']}")
    by_ms = Fraction(0)
    if claim in ("fires_by", "arms_by"):
        by_ms = number(asked["by_ms"], "by_ms")
    else:
        demand(asked["by_ms"] == "", "by_ms is given, but the claim is not about time")

    given = table(certificate_payload, "the certificate", ["verdict", "length", "trees", "witness"])
    demand(given["verdict"] == "proved", "the certificate is a counterexample or something else, but no proof")
    length, trees = whole(given["length"], "length", 0, LONGEST), listing(given["trees"], "trees")
    if claim in ("accumulators_fit", "resets", "image_protected"):
        demand(not trees, f"{claim} needs no tree")
        if claim == "image_protected":
            check_image(model)
        if claim == "resets":
            check_reset(model, floor(described["samples"]))
        return
    if claim == "monotone":
        demand(set(described) <= {"kind", "amplitude_g", "below_g"}, "monotone is claimed of amplitudes only")
        demand(length == 2 * voter.n, f"length is {length}, not two windows")
    elif described["kind"] == "signals":
        demand(length >= voter.n, f"length is {length}, less than a window")
    space = space_of(voter, claim, described, length)
    questions = list(questions_of(voter, claim, described, by_ms, len(space.samples)))
    demand(len(trees) == len(questions), f"there are {len(trees)} trees for {len(questions)} questions")
    refuter = Refuter(voter, space)
    for tree, question in zip(trees, questions, strict=True):
        refuter.refute(tree, question)


def check_reset(model: Model, samples: int) -> None:
    """After so many samples at rest, nothing of what was before is left in any window, count or hold."""
    main, arming = model.main, model.arming
    demand(samples >= main.n + main.m, f"{samples} samples are less than window and confirmation together")
    demand(samples >= arming.n + model.hold, f"{samples} samples are less than arming window and hold together")
    demand(main.output_at_rest() <= 0, "the model votes at rest")
    demand(model.second is None or model.second.output_at_rest() <= 0, "the second stage votes at rest")


def check_image(model: Model) -> None:
    """No one or two changed bits of the largest image leave its CRC right: long division of every power of x."""
    hidden, blocks = len(model.main.weight), len(model.main.weight[0])
    per_stage = 8 + 2 * hidden
    n_bits = 8 * (56 + 8 + hidden * (4 + 2 * blocks) + per_stage * (1 if model.second is None else 2))
    seen, power = set(), 1
    for _ in range(n_bits):
        demand(power != 0 and power not in seen, "two changed bits leave the CRC right")
        seen.add(power)
        power <<= 1
        if power >> 32:
            power ^= 0x104C11DB7


# ---------------------------------------------------------------------------------------------------------------------
# Files.


def canonical(value: Any) -> bytes:
    """The one way to write a JSON value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"


def read(path: Path, schema: str) -> tuple[dict[str, Any], str]:
    """A document that is byte for byte what its digest says, and the SHA-256 of the whole file."""
    try:
        data = path.read_bytes()
        value = json.loads(data)
        document = table(value, path.name, ["config", "files", "made_by", "parents", "payload", "schema", "sha256"])
        claimed = document.pop("sha256")
        demand(canonical(value) == data, f"{path.name} is not in canonical form")
        demand(hashlib.sha256(canonical(document)).hexdigest() == claimed, f"{path.name} does not match its SHA-256")
    except OSError as error:
        raise Refused(f"{path.name} cannot be read") from error
    except (ValueError, RecursionError) as error:
        raise Refused(f"{path.name} is no JSON document that can be read") from error
    demand(document["schema"] == schema, f"{path.name} is not of schema {schema}")
    return document, hashlib.sha256(data).hexdigest()


def check_folder(folder: Path) -> list[tuple[str, str]]:
    """For each property below a folder, its name and why it is refused; nothing, if it is proved."""
    models = {}
    for path in sorted(folder.rglob("model.json")):
        document, digest = read(path, MODEL)
        models[digest] = read_model(document["payload"])
    paths = sorted(folder.rglob("*.property.json"))
    demand(bool(paths), "there is no property in the folder")
    verdicts = []
    for path in paths:
        reason = ""
        try:
            check_files(models, path)
        except Refused as refusal:
            reason = str(refusal)
        verdicts.append((path.name.removesuffix(".property.json"), reason))
    return verdicts


def check_files(models: dict[str, Model], path: Path) -> None:
    """Refuse unless the certificate beside a property proves it of the model."""
    name = path.name.removesuffix(".property.json")
    asked, property_hash = read(path, PROPERTY)
    proof, _ = read(path.with_name(f"{name}.certificate.json"), CERTIFICATE)
    parents = table(proof["parents"], "parents", ["model", "property"])
    demand(parents["property"] == property_hash, "the certificate is of another property")
    demand(isinstance(parents["model"], str) and parents["model"] in models, "the certificate is of another model")
    check_read(models[parents["model"]], asked["payload"], proof["payload"])
    demand(asked["payload"]["id"] == name, f"the file holds property {asked['payload']['id']!r}")


def main(arguments: list[str]) -> int:
    """Check a folder; 0 if each property in it is proved, 1 if not, 2 for a wrong call."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python second_checker.py FOLDER\n")
        return 2
    try:
        verdicts = check_folder(Path(arguments[0]))
    except Refused as refusal:
        sys.stdout.write(f"rejected: {refusal}\n")
        return 1
    for name, reason in verdicts:
        sys.stdout.write(f"{name}: rejected: {reason}\n" if reason else f"{name}: proved\n")
    return 1 if any(reason for _, reason in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
