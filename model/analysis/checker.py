#!/usr/bin/env python3
"""Checks proofs about a deployed airbag crash classifier: ``python checker.py FOLDER``. Trusts nobody.

Needs Python 3.10 and nothing else, imports nothing of who made the proofs. ``certificates.md`` tells all formats and
why a leaf is right. ``voter``: what turns counts into votes, a stage's net, or arming as a net of one node. A window,
named by its last sample ``end``, has a goal: >= 0 if it votes, or if not. ``described``: a property's set, ``poly``:
its polytope, of ``length`` where it has no end, ``by_ms``: a time limit. ``value``: JSON that a refusal calls ``name``.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from fractions import Fraction
from itertools import accumulate, pairwise
from math import lcm
from pathlib import Path
from typing import Any, NamedTuple

ENVELOPE = ("config", "files", "made_by", "parents", "payload", "schema", "sha256")
NET = ("hidden_weight", "hidden_bias", "output_weight", "output_bias", "confirm_votes", "confirm_window")
MODEL = ("sample_rate_hz", "lsb_g", "polarity", "clamp_lsb", "block_samples", *NET, "arming")
ARMING = ("lsb_g", "clamp_lsb", "window_samples", "threshold_lsb", "hold_samples")
PROPERTY = ("id", "property", "text", "claim", "rationale", "origin", "set", "by_ms")
GRAVITY, PI_60 = Fraction(980665, 100000), 3622009729038561421  # m/s^2, exact by definition; floor(pi * 2**60)
BEND = {"half_sine": 19, "haversine": 42, "triangle": 8}  # of a shape S, where smooth: over |2 S' + x S''| and |S''|
INT16, INT31, INT63 = 2**15 - 1, 2**31 - 1, 2**63 - 1

Form = tuple[Any, dict[int, Any]]  # a constant, and factors of latents
Row = tuple[dict[int, Any], Any]  # factors of latents, and what their sum must not exceed
Goal = tuple[list[tuple[int, dict[int, int], int]], int]  # nodes (v, gains and bias of z); what v max(0, z) adds to
Chosen = dict[tuple[int, int], bool]  # nodes (goal, node) with v > 0 that count as v z (True) or as 0 on a branch
Question = tuple[dict[int, bool], range, list[range], bool, int]  # see questions()


class Rejected(Exception):
    """Why a certificate is not accepted."""


class Polytope(NamedTuple):
    """Latents in a box, within rows; samples, and what is whole, as forms; time zero, if any; a unit, samples in it."""

    box: list[tuple[int, int]]
    rows: list[Row]
    samples: list[Form]
    whole: list[Form]
    zero: int | None
    exact: tuple[int, list[Form]]


def need(condition: bool, reason: str) -> None:
    """Reject for this ``reason`` unless the ``condition`` holds."""
    if not condition:
        raise Rejected(reason)


def fields(value: Any, keys: tuple[str, ...], name: str) -> list[Any]:
    """The values of an object that has exactly these ``keys``, in their order."""
    need(isinstance(value, dict) and set(value) == set(keys), f"{name} has unknown or missing keys")
    return [value[key] for key in keys]


def integers(value: Any, low: int, high: int, size: int, name: str) -> list[int]:
    """A list of ``size`` integers from ``low`` to ``high``; True, 1.0 and "1" are none."""
    need(isinstance(value, list | tuple) and len(value) == size, f"{name} must be a list of {size} integers")
    need(all(type(i) is int and low <= i <= high for i in value), f"{name} must be an integer from {low} to {high}")
    return list(value)


def rational(value: Any, name: str) -> Fraction:
    """A positive number written exactly, such as "1/16" or "2.5"."""
    exact = isinstance(value, str) and re.fullmatch(r"[0-9]{1,99}(\.[0-9]{1,99}|/0*[1-9][0-9]{0,98})?", value)
    need(bool(exact) and Fraction(value) > 0, f"{name} = {value!r} is no positive number written exactly")
    return Fraction(value)


def read(path: Path, schema: str) -> tuple[Any, str, Any]:
    """Payload, SHA-256 of the file and parents of the document at ``path``, if intact and of this ``schema``."""
    try:
        data = path.read_bytes()
        document = json.loads(data)
        *_, parents, payload, found, digest = fields(document, ENVELOPE, path.name)
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    except (OSError, ValueError, RecursionError) as error:
        raise Rejected(f"{path.name} cannot be read: {error}") from None
    own = hashlib.sha256(text.removesuffix(f',"sha256":"{digest}"}}').encode() + b"}\n").hexdigest()
    intact = own == digest and data == f"{text}\n".encode()
    need(intact and found == schema, f"{path.name} was changed after it was written, or is not {schema}")
    return payload, hashlib.sha256(data).hexdigest(), parents


class Voter:
    """Sums x of blocks of clamped counts; z = W x + b; y = v . max(0, z) + c; a vote if y > 0; K of M votes count."""

    def __init__(self, numbers: list[Any], lsb: Any, net: list[Any]) -> None:
        self.rate, self.clamp, self.block, self.k, self.m = integers(numbers, 1, 10**6, 5, "rate, clamp, block, K or M")
        weight, bias, out, out_bias = net  # W, b, v, c
        need(isinstance(weight, list) and bool(weight) and isinstance(weight[0], list), "hidden_weight is no matrix")
        self.weight = [integers(row, -INT16, INT16, len(weight[0]), "a row of hidden_weight") for row in weight]
        self.bias = integers(bias, -INT31, INT31, len(weight), "hidden_bias")
        self.out = integers(out, -INT16, INT16, len(weight), "output_weight")
        (self.out_bias,) = integers([out_bias], -INT63, INT63, 1, "output_bias")
        self.lsb_g, self.window, x = rational(lsb, "lsb_g"), len(weight[0]) * self.block, self.block * self.clamp
        hidden = [sum(map(abs, row)) * x + abs(b) for row, b in zip(self.weight, self.bias, strict=True)]
        output = sum(abs(v) * z for v, z in zip(self.out, hidden, strict=True)) + abs(self.out_bias)
        need(max(x, *hidden) <= INT31 and output <= INT63, "an accumulator may overflow")  # in whatever order it adds


class Model:
    """Voters of a deployed model's ``payload``: ``main`` (each of ``stages``), ``arming``; how long arming holds."""

    def __init__(self, payload: Any) -> None:
        second = ("second_stage",) if isinstance(payload, dict) and "second_stage" in payload else ()
        rate, lsb, _, clamp, block, *net, k, m, arming = fields(payload, (*second, *MODEL), "the model")[len(second) :]
        outs = [net[2:], *(fields(payload[key], NET[2:4], key) for key in second)]
        self.main, *_ = self.stages = [Voter([rate, clamp, block, k, m], lsb, [*net[:2], *out]) for out in outs]
        lsb, *numbers = fields(arming, ARMING, "arming")
        clamp, length, threshold, self.hold = integers(numbers, 0, 10**7, 4, "arming")
        self.arming = Voter([rate, clamp, 1, 1, 1], lsb, [[[1] * length], [1 - threshold], [1], 0])  # a vote if z >= 1


def pulse(voter: Voter, parts: dict[str, Any]) -> tuple[list[tuple[Fraction, ...]], Fraction]:
    """Samples of the middle pulse of a set's ``parts``: bounds, moves with phase and duration; spread of delta-V."""
    shape = parts.pop("shape", None)
    need(shape in list(BEND), f"the pulse shape {shape!r} is not known")

    def bounds(x: Fraction) -> tuple[Fraction, Fraction]:  # of a pulse of unit area over [0, 1]
        x = max(Fraction(0), min(x, 1 - x))
        term = total = t = x.numerator * PI_60 // x.denominator
        for i in range(1, 11):  # sin(pi x): Taylor's series to the 21st power in 60-bit fixed point
            term = -(((term * t >> 60) * t >> 60) // (2 * i * (2 * i + 1)))
            total += term
        low, high = (max(Fraction(0), Fraction(total + error, 2**60)) for error in (-(2**20), 2**20))
        if shape == "half_sine":
            return low * Fraction(PI_60, 2**61), high * Fraction(PI_60 + 1, 2**61)
        return (2 * low * low, 2 * high * high) if shape == "haversine" else (4 * x, 4 * x)

    v_low, v_high = (rational(parts.pop(f"delta_v_{end}_kmh", None), "delta_v") for end in ("from", "to"))
    t_low, t_high = (rational(parts.pop(f"duration_{end}_ms", None), "duration") for end in ("from", "to"))
    need(v_low <= v_high and t_low <= t_high <= 1000, "the cell of pulses is empty, or longer than 1 s")
    area = (v_low + v_high) / 2 * Fraction(5, 18) * 1000 / GRAVITY / voter.lsb_g  # counts times ms
    slow, fast, half, tick = 1 / t_high, 1 / t_low, Fraction(1, 2), Fraction(1, 2**12)
    rate, swing, step = (slow + fast) / 2, (fast - slow) / 2, Fraction(500, voter.rate)  # per ms; half a period in ms
    curve: list[tuple[Fraction, ...]] = [(Fraction(0),) * 4] * (voter.window + voter.m - 1)
    for i in range(int(t_high * voter.rate / 1000) + 1 + len(curve)):  # impact is within the period before the first
        first, middle, last = (step * (2 * i + j) for j in range(3))
        early, late = first * slow, last * fast  # where in the pulse the sample may be: in smooth parts, near a plane
        if late <= 1 and (shape != "triangle" or late <= half or early >= half):
            points = ((rate, middle), (slow, middle), (fast, middle), (rate, first), (rate, last))
            at, least, most, start, end = (s * area * bounds(s * t)[0] for s, t in points)  # low by up to s area / 2^36
            bend = BEND[shape] * (last * swing**2 + fast * swing * step + fast**3 * step**2) + 5 * fast / 2**36
            mean, drift, growth = (value // tick for value in (at, (end - start) / 2, (most - least) / 2))
            error = 3 - (-bend * area // tick)
            curve.append(tuple(tick * value for value in (mean - error, mean + error, drift, growth)))
        else:  # anything between the least and the most
            ends = [bounds(x) for x in (early, late, min(max(early, half), late))]
            low, high = min(ends)[0] * area * slow // tick, -(-max(top for _, top in ends) * area * fast // tick)
            curve.append((low * tick, high * tick, Fraction(0), Fraction(0)))
    return curve, (v_high - v_low) / (v_high + v_low)


def polytope(voter: Voter, claim: str, described: Any, length: int) -> Polytope:
    """Sequences of a set; for the ``claim`` monotone two windows of it, the second nowhere below the first."""
    parts = dict(described) if isinstance(described, dict) else {}
    kind, n, most, real, spread = parts.pop("kind", None), voter.window, voter.clamp, 0, Fraction(0)
    need(kind in ("signals", "corridor", "pulse"), f"set kind {kind!r} is not known")
    box, rows, samples, zero = list[tuple[int, int]](), list[Row](), list[Form](), -1 if "phase_samples" in parts else 0

    def counts(key: str, unit: Fraction | int = 1) -> Fraction:
        return rational(parts.pop(key), key) * unit / voter.lsb_g if key in parts else Fraction(0)

    if kind == "signals":  # s in [-below, amplitude]; its velocity, a running sum, in a band over every window
        high = min(int(rational(parts.pop("amplitude_g", None), "amplitude_g") / voter.lsb_g), voter.clamp)
        low = -min(int(counts("below_g")), voter.clamp) if "below_g" in parts else -high
        box, samples, most = [(low, high)] * length, [(0, {k: 1}) for k in range(length)], max(high, -low)
        if "velocity_range_kmh" in parts:  # latents p_0 .. p_length: velocities, in [0, band] over the last window
            band = int(counts("velocity_range_kmh", Fraction(5, 18) * voter.rate / GRAVITY))
            far = [max(0, -((i - length + n) // n)) for i in range(length + 1)]
            box, samples = [(-f * band, (f + 1) * band) for f in far], [(0, {k + 1: 1, k: -1}) for k in range(length)]
            rows = [({i: s, j: -s}, band) for i in range(length - n) for j in range(i + 1, i + n + 1) for s in (-1, 1)]
            rows += [({k + 1: s, k: -s}, d) for k in range(length) for s, d in ((1, high), (-1, -low)) if d < band]
    else:  # s = curve (1 + gain) + offset + own deviation, anything if the sensor clips it
        if kind == "pulse":
            curve, spread = pulse(voter, parts)
            need(rational(parts.get("noise_g"), "noise_g") >= voter.lsb_g / 2, "noise_g must be half a count or more")
            zero = n + voter.m - 2
        else:
            ends = [parts.pop("lower", None), parts.pop("upper", None)]
            need(isinstance(ends[0], list | tuple) and 1 <= len(ends[0]) <= 4096, "a sequence has 1 to 4096 counts")
            lower, upper = (integers(end, -voter.clamp, voter.clamp, len(ends[0]), "a sequence") for end in ends)
            need(all(low <= high for low, high in zip(lower, upper, strict=True)), "the corridor is empty")
            curve = [(Fraction(low), Fraction(high)) for low, high in zip(lower, upper, strict=True)]
            if "phase_samples" in parts:  # the curves, straight between samples, start up to one period earlier
                need(parts.pop("phase_samples") == "1", "phase_samples must be 1")
                curve = [(min(a[0], b[0]), max(a[1], b[1])) for a, b in zip(curve, curve[1:] + curve[-1:], strict=True)]
        offset, noise, clip = counts("offset_g"), counts("noise_g"), Fraction(voter.clamp)
        gain = (1 + spread) * (1 + counts("gain", voter.lsb_g)) - 1
        for k, (bottom, top, *moves) in enumerate(curve):  # latents: gain, offset, each sample's own, phase, duration
            sway = sum(map(abs, moves))
            middle, half = (bottom + top) / 2, (top - bottom) / 2 * (1 + gain) + gain * sway + noise
            reach = abs(gain * middle) + offset + half + sway
            if abs(middle) + reach <= clip:
                form = {0: gain * middle, 1: offset, 2 + k: half, **dict(enumerate(moves, 2 + len(curve)))}
                samples.append((middle, {i: a for i, a in form.items() if a or i == 2 + k}))
            else:
                bottom, top = (max(-clip, min(clip, middle + s * reach)) for s in (-1, 1))
                samples.append(((bottom + top) / 2, {2 + k: (top - bottom) / 2}))
        length, real, box = len(curve), len(curve) + len(curve[0]), [(-1, 1)] * (len(curve) + len(curve[0]))
    if "slew_g_per_ms" in parts:  # |s_k - s_(k-1)| <= slew
        need(kind == "signals", "slew_g_per_ms belongs to signals: it could leave nothing of another set")
        slew = int(counts("slew_g_per_ms", Fraction(1000, voter.rate)))
        for (_, old), (_, new) in pairwise(samples):
            rise = {i: new.get(i, 0) - old.get(i, 0) for i in new | old}
            rows += [({i: s * a for i, a in rise.items()}, slew) for s in (1, -1)]
    if "step_g" in parts:  # u = s + o; latents: the rises, then the falls of o, which add up to no more than the step
        step, first = int(counts("step_g")), len(box)
        box, most = box + [(0, step)] * (2 * length), most + step
        rows.append((dict.fromkeys(range(first, len(box)), 1), step))
        for k, (constant, form) in enumerate(samples):
            falls = dict.fromkeys(range(first + length, first + length + k + 1), -1)
            samples[k] = (constant, form | dict.fromkeys(range(first, first + k + 1), 1) | falls)
    if "corrupted_samples" in parts:  # u = s + o + e, in the sensor's range; latents: e, 0 where its flag is 0; flags
        budget, first, far_off = int(counts("corrupted_samples", voter.lsb_g)), len(box), voter.clamp + most
        box = box + [(-far_off, far_off)] * length + [(0, 1)] * length
        rows.append((dict.fromkeys(range(first + length, len(box)), 1), budget))
        rows += [({first + k: s, first + length + k: -far_off}, 0) for k in range(length) for s in (1, -1)]
        samples = [(constant, form | {first + k: 1}) for k, (constant, form) in enumerate(samples)]
        rows += [({i: s * a for i, a in form.items()}, voter.clamp - s * c) for c, form in samples for s in (1, -1)]
    if claim == "monotone":
        need(set(described) <= {"kind", "amplitude_g", "below_g"} and length == 2 * n, "monotone: two windows of a box")
        rows = [({k: 1, n + k: -1}, 0) for k in range(n)]
    need(not parts, f"the set has unknown keys: {sorted(parts)}")
    latents = [(0, {i: 1}) for i in range(real, len(box))]
    unit = lcm(*(number.denominator for constant, form in samples for number in (constant, *form.values())))
    exact = [(int(constant * unit), {i: int(a * unit) for i, a in form.items()}) for constant, form in samples]
    return Polytope(box, rows, samples, samples + latents, None if kind == "signals" else zero, (unit, exact))


def goal_of(voter: Voter, poly: Polytope, end: int, votes: bool) -> Goal:
    """The goal that the window which ends at sample ``end`` ``votes`` (y - 1 >= 0), or does not (-y >= 0)."""
    unit, exact = poly.exact
    window = [exact[k] if k >= 0 else (0, {}) for k in range(end - voter.window + 1, end + 1)]
    columns: dict[int, dict[int, int]] = {-1: {}}  # sums of blocks: factors of latents, -1 the constant, in each
    for k, (constant, form) in enumerate(window):
        for latent, factor in (*form.items(), (-1, constant)):
            column, block = columns.setdefault(latent, {}), k // voter.block
            column[block] = column.get(block, 0) + factor
    alone = [(i, *item) for i, column in columns.items() if len(column) == 1 for item in column.items()]
    mixed = [(i, column.items()) for i, column in columns.items() if len(column) != 1]
    sign, nodes = 1 if votes else -1, []
    for row, bias, v in zip(voter.weight, voter.bias, voter.out, strict=True):
        gains = {i: row[j] * x for i, j, x in alone} | {i: sum([row[j] * x for j, x in items]) for i, items in mixed}
        nodes.append((sign * v, gains, gains.pop(-1) + bias * unit))
    return nodes, (sign * voter.out_bias - votes) * unit


def leaf_bound(poly: Polytope, rows: list[Row], goals: list[Goal], chosen: Chosen, leaf: Any) -> Any:
    """Upper bound of the weighted sum of goals over set and ``rows``, by multipliers of a ``leaf``, as ``chosen``."""

    def extreme(gains: dict[int, Any], largest: bool) -> Any:
        return sum([g * box[i][(g > 0) == largest] for i, g in gains.items()])

    factors, prices = fields(leaf, ("goals", "prices"), "a leaf")
    need(isinstance(factors, list) and len(factors) == len(goals), "a leaf has one list of factors for each goal")
    box, total, constant = poly.box, dict.fromkeys(range(len(poly.box)), 0), 0
    for g, (nodes, least) in enumerate(goals):
        weight, *scales = integers(factors[g], 0, 2**400, 1 + len(nodes), "weight and factors")
        constant += weight * least
        for j, ((v, gains, bias), scale) in enumerate(zip(nodes, scales, strict=True)):
            need(scale <= weight, "a factor exceeds its goal's weight")
            if (g, j) in chosen:
                scale = weight * chosen[g, j]
            elif v > 0 and weight:
                ends = [bias + extreme(gains, largest) for largest in (False, True)]
                constant += v * max(weight * max(0, z) - scale * z for z in ends)
            if v and scale:
                constant += v * scale * bias
                for latent, a in gains.items():
                    total[latent] += v * scale * a
    need(isinstance(prices, list), "prices must be pairs")
    for pair in prices:
        number, price = integers(pair, 0, 2**400, 2, "a row and its price")
        need(number < len(rows), "a price is for a row that is not there")
        constant += price * rows[number][1]
        for latent, a in rows[number][0].items():
            total[latent] -= price * a
    return constant + extreme(total, True)


def check_tree(voter: Voter, poly: Polytope, question: Question, tree: Any) -> None:
    """Reject unless each leaf of the ``tree`` refutes the goals of its branch, those of the ``question`` and more."""
    asked, windows, groups, wanted, number = question

    def visit(node: Any, rows: list[Row], chosen: Chosen, votes: dict[int, bool], goals: list[Goal]) -> None:
        keys = set(node) if isinstance(node, dict) else set()
        if node is None:
            decided = any(sum(votes.get(w) is wanted for w in group) >= number for group in groups)
            need(decided, "the votes counted leave the claim open")
        elif keys == {"window", "votes", "silent"}:
            (end,) = integers([node["window"]], windows.start, windows.stop - 1, 1, "window")
            need(end not in votes, "a window is split on twice")
            for key, voting in (("votes", True), ("silent", False)):
                visit(node[key], rows, chosen, {**votes, end: voting}, [*goals, goal_of(voter, poly, end, voting)])
        elif keys == {"goal", "node", "in", "out"}:
            (g,) = integers([node["goal"]], 0, len(goals) - 1, 1, "goal")
            (j,) = integers([node["node"]], 0, len(goals[g][0]) - 1, 1, "node")
            need(goals[g][0][j][0] > 0 and (g, j) not in chosen, f"split on node {j}, which cannot branch here")
            for key, counted in (("in", True), ("out", False)):
                visit(node[key], rows, {**chosen, (g, j): counted}, votes, goals)
        elif keys == {"whole", "at", "low", "high"}:
            i, at = integers([node["whole"], node["at"]], -INT63, INT63, 2, "whole")
            need(0 <= i < len(poly.whole), "a split is on a form that is not there")
            constant, form = poly.whole[i]
            visit(node["low"], [*rows, (form, at - constant)], chosen, votes, goals)
            visit(node["high"], [*rows, ({i: -a for i, a in form.items()}, constant - at - 1)], chosen, votes, goals)
        else:
            need(leaf_bound(poly, rows, goals, chosen, node) < 0, "a leaf does not exclude what the claim forbids")

    visit(tree, poly.rows, {}, asked, [goal_of(voter, poly, end, votes) for end, votes in asked.items()])


def questions(voter: Voter, claim: str, poly: Polytope, by_ms: Any) -> Iterator[Question]:
    """A broken ``claim`` has: these votes; besides, on windows to split on, in no group so many that do (or not)."""
    size, k, m, n, endless = len(poly.samples), voter.k, voter.m, voter.window, poly.zero is None
    if claim == "monotone":
        yield {n - 1: True, 2 * n - 1: False}, range(0), [], True, 0
    elif claim in ("fires_by", "arms_by"):
        last = int(rational(by_ms, "by_ms") * voter.rate / 1000) + (poly.zero or 0)
        need(not endless and 0 <= last < size, "the time stated is outside the sequence, or the set has no time zero")
        yield {}, range(last + 1), [range(end - m + 1, end + 1) for end in range(last + 1)], True, k
    else:  # fire is first requested when a window votes; where a set has no end, one window stands for all
        need(claim in ("never_requests_fire", "never_arms"), f"the claim {claim!r} is not known")
        need(size >= n * endless, "the sequence is shorter than a window")
        for end in [size - 1] if endless else range(size):
            group = range(end - m + 1 if endless else max(0, end - m + 1), end + 1)
            yield {end: True}, range(max(group.start, (n - 1) * endless), end), [group], False, len(group) - k + 1


def check(model: Model, property_payload: Any, certificate: Any) -> None:
    """Reject unless a ``certificate`` proves the property of ``property_payload`` for a ``model``."""
    late = isinstance(property_payload, dict) and property_payload.get("stage") == "2"  # of the second stage
    *_, claim, _, _, described, by_ms = fields(property_payload, ("stage",) * late + PROPERTY, "the property")
    need(late < len(model.stages), "the model has no second stage")
    verdict, length, trees, _ = fields(certificate, ("verdict", "length", "trees", "witness"), "the certificate")
    need(verdict == "proved" and isinstance(trees, list), f"the verdict is {verdict!r}: no proof")
    need((by_ms != "") == (claim in ("fires_by", "arms_by")), "by_ms belongs to fires_by and arms_by")
    net, asked = model.stages[late], list[Question]()
    if claim == "accumulators_fit":  # a model is not read unless they do
        need(described == {"kind": "all_inputs"}, "accumulators are checked over all inputs")
    elif claim == "resets":  # after so many zeros, all is as at the start, and a window of zeros does not vote
        kind, samples = fields(described, ("kind", "samples"), "a quiet set")
        enough = rational(samples, "samples") >= max(net.window + net.m, model.arming.window + model.hold)
        at_rest = [v.out_bias + sum(w * max(0, b) for w, b in zip(v.out, v.bias, strict=True)) for v in model.stages]
        need(kind == "quiet" and enough and max(at_rest) <= 0, "state is not shown to be as at the start")
    elif claim == "image_protected":  # CRC-32 is linear: a change passes if the remainders of its bits add up to 0
        size = 64 + sum(4 + 2 * len(row) for row in net.weight) + sum(8 + 2 * len(v.out) for v in model.stages)
        crc = {0, *accumulate(range(1, 8 * size), lambda r, _: r >> 1 ^ 0xEDB88320 * (r & 1), initial=1 << 31)}
        need(described == {"kind": "parameter_image", "changed_bits": "2"} and len(crc) > 8 * size, "bits could pass")
    else:
        voter = model.arming if claim in ("never_arms", "arms_by") else net
        poly = polytope(voter, claim, described, *integers([length], 0, 4096, 1, "length"))
        asked = list(questions(voter, claim, poly, by_ms))
        for question, tree in zip(asked, trees, strict=False):
            check_tree(voter, poly, question, tree)
    need(len(trees) == len(asked), f"{len(asked)} trees are needed")


def check_folder(folder: Path) -> list[tuple[str, str, str]]:
    """Property, verdict (or "rejected"), and its text (or why), for every property at or below a ``folder``."""
    results = []
    for path in sorted(folder.rglob("*.property.json")):
        name, verdict = str(path.relative_to(folder)).removesuffix(".property.json"), "rejected"
        try:
            described, digest, _ = read(path, "crumple.property/2")
            certificate, _, parents = read(folder / f"{name}.certificate.json", "crumple.certificate/4")
            wanted, mine = fields(parents, ("model", "property"), "parents")
            models = (read(path, "crumple.model/1") for path in sorted(folder.rglob("model.json")))
            found = [Model(payload) for payload, sha256, _ in models if sha256 == wanted]
            need(mine == digest and bool(found), f"made for another {'model' if mine == digest else 'property'}")
            check(found[0], described, certificate)
            verdict, told = "proved", str(described["text"])
        except (Rejected, RecursionError) as refused:
            told = str(refused)
        results.append((name, verdict, told))
    return results


def main(arguments: list[str]) -> int:
    """Check the folder named by ``arguments`` and print a line a property; 0 only if there are some, all proved."""
    results = check_folder(Path(arguments[0])) if len(arguments) == 1 else []
    for name, verdict, told in results or [("", "rejected", "no property found; usage: checker.py FOLDER")]:
        sys.stdout.write(f"{verdict:<9} {name:<6} {told}\n")
    return 0 if results and all(verdict == "proved" for _, verdict, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
