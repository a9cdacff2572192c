#!/usr/bin/env python3
"""Checks proofs about a deployed airbag crash classifier. Trusts nobody.

Run it alone: ``python checker.py FOLDER``. It needs Python 3.10 and nothing else, imports nothing of the
project that made the proofs, uses integers and fractions only, and recomputes everything.

FOLDER holds, anywhere below it, one ``model.json``, properties ``*.property.json`` and certificates
``*.certificate.json``. A certificate names model and property by the SHA-256 of their files.

What is checked
---------------
The model computes, for the last window of sensor counts ``u`` (clamped integers, zeros before the start),
block sums ``x`` of ``block_samples`` samples each, oldest first, and

    z = W x + b,   h = max(0, z),   y = v . h + c,   vote if y > 0,
    fire request if at least K of the last M samples voted (1 <= K <= M).

``never_requests_fire`` over a set of signals: it is enough that no window votes. Every set below contains,
with a signal, the same signal preceded by zeros, so the windows filled up with zeros at the start are
windows of the set too. A window of the set is written as ``u = map q`` with latent variables q in a box and
rows ``a . q <= d``. For positive v_j, v_j max(0, z_j) = max(0, v_j z_j): a tree chooses for such nodes
"in" (v_j z_j) or "out" (0), both branches being present at every split, so the larger of the two bounds holds
for every signal. Undecided positive nodes use the chord of max(0, z) over interval bounds [l, h] of z. For
negative v_j, -|v_j| max(0, z_j) <= -|v_j| t z_j for any t in [0, 1]. Rows enter with any factor >= 0. So
each leaf gives y <= (linear function of q over the box), whatever multipliers it carries: they can be bad, but
not wrong. y is an integer, so a bound below 1 proves y <= 0.

A ``violated`` certificate carries a sequence of counts; it is checked to lie in the set and replayed.
"""

from __future__ import annotations

import hashlib
import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

ENVELOPE = {"config", "files", "made_by", "parents", "payload", "schema", "sha256"}
MODEL_KEYS = {
    "sample_rate_hz", "lsb_g", "polarity", "clamp_lsb", "block_samples", "hidden_weight", "hidden_bias",
    "output_weight", "output_bias", "confirm_votes", "confirm_window", "arming",
}  # fmt: skip
ARMING_KEYS = {"lsb_g", "clamp_lsb", "window_samples", "threshold_lsb", "hold_samples"}
PROPERTY_KEYS = {"id", "property", "text", "claim", "rationale", "origin", "set"}
CERTIFICATE_KEYS = {"verdict", "denominator", "tree", "witness_lsb"}
STANDARD_GRAVITY = Fraction(980665, 100000)  # m/s^2, exact by definition
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
    """A set of windows: latent boxes, rows (coefficients, right-hand side), and samples as sums of latents."""

    box: list[tuple[int, int]]
    rows: list[tuple[dict[int, int], int]]
    samples: list[dict[int, int]]


def need(condition: bool, reason: str) -> None:
    """Reject unless the condition holds."""
    if not condition:
        raise Rejected(reason)


def integer(value: Any, low: int, high: int, name: str) -> int:
    """An integer in a range; True, 1.0 and "1" are none."""
    need(type(value) is int and low <= value <= high, f"{name} must be an integer from {low} to {high}")
    return int(value)


def rational(value: Any, name: str) -> Fraction:
    """A positive number written exactly, such as "1/16" or "2.5"."""
    need(isinstance(value, str) and 0 < len(value) <= 40, f"{name} must be a number in text")
    try:
        number = Fraction(value)
    except (ValueError, ZeroDivisionError):
        raise Rejected(f"{name} = {value!r} is no number") from None
    need(number > 0, f"{name} must be positive")
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
        need(
            isinstance(rows, list) and 1 <= len(rows) <= 64 and isinstance(rows[0], list), "hidden_weight is no matrix"
        )
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

    @property
    def window(self) -> int:
        """Samples in the window."""
        return self.n_blocks * self.block

    def output(self, window: list[int]) -> int:
        """y of one window of counts."""
        u = [max(-self.clamp, min(self.clamp, value)) for value in window]
        x = [sum(u[i * self.block : (i + 1) * self.block]) for i in range(self.n_blocks)]
        y = self.out_bias
        for row, bias, v in zip(self.weight, self.bias, self.out):  # noqa: B905 -- lengths were checked
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


def count_bounds(model: Model, described: Any) -> tuple[str, int, int]:
    """Kind of a set and its bounds in counts: amplitude and velocity range (0 where it has none).

    Counts are integers, so |count * lsb| <= a means |count| <= floor(a / lsb), exactly.
    """
    need(isinstance(described, dict) and isinstance(described.get("kind"), str), "the set has no kind")
    kind = described["kind"]
    if kind == "amplitude":
        need(set(described) == {"kind", "amplitude_g"}, "an amplitude set has just an amplitude_g")
        return kind, min(rational(described["amplitude_g"], "amplitude_g") // model.lsb_g, model.clamp), 0
    if kind == "velocity_range":
        need(set(described) == {"kind", "amplitude_g", "velocity_range_kmh"}, "a velocity_range set has other keys")
        count_mps = model.lsb_g * STANDARD_GRAVITY / model.rate_hz
        range_mps = rational(described["velocity_range_kmh"], "velocity_range_kmh") * Fraction(5, 18)
        amplitude = min(rational(described["amplitude_g"], "amplitude_g") // model.lsb_g, model.clamp)
        return kind, amplitude, range_mps // count_mps
    raise Rejected(f"the set kind {kind!r} is not known")


def polytope(model: Model, described: Any) -> Polytope:
    """The windows of a set. Row numbers are part of the certificate format.

    amplitude       latents are the samples themselves, each in [-A, A]; no rows.
    velocity_range  latents p_0..p_n are velocities in [0, V] (in counts), sample k is p_k - p_(k-1);
                    row 2(k-1): p_k - p_(k-1) <= A; row 2(k-1)+1: p_(k-1) - p_k <= A.
    """
    kind, amplitude, velocity = count_bounds(model, described)
    n = model.window
    if kind == "amplitude":
        return Polytope([(-amplitude, amplitude)] * n, [], [{k: 1} for k in range(n)])
    rows = []
    for k in range(1, n + 1):
        rows += [({k: 1, k - 1: -1}, amplitude), ({k: -1, k - 1: 1}, amplitude)]
    return Polytope([(0, velocity)] * (n + 1), rows, [{k: 1, k - 1: -1} for k in range(1, n + 1)])


def contains(model: Model, described: Any, counts: list[int]) -> bool:
    """Whether a sequence of counts, from rest, lies in the set at every window."""
    kind, amplitude, velocity = count_bounds(model, described)
    if any(abs(u) > amplitude for u in counts):
        return False
    if kind == "velocity_range":
        for start in range(len(counts)):
            total = 0
            for u in counts[start : start + model.window]:
                total += u
                if abs(total) > velocity:
                    return False
    return True


def node_forms(model: Model, poly: Polytope) -> list[tuple[list[int], int]]:
    """Each hidden sum z_j as a linear form over the latents: (coefficients, constant)."""
    forms = []
    for row, bias in zip(model.weight, model.bias):  # noqa: B905
        coefficients = [0] * len(poly.box)
        for k, sample in enumerate(poly.samples):
            for latent, factor in sample.items():
                coefficients[latent] += row[k // model.block] * factor
        forms.append((coefficients, bias))
    return forms


def maximum(coefficients: list[Any], constant: Any, box: list[tuple[int, int]]) -> Any:
    """Largest value of a linear form over a box."""
    return constant + sum(g * (hi if g > 0 else lo) for g, (lo, hi) in zip(coefficients, box) if g)  # noqa: B905


def leaf_bound(
    model: Model,
    poly: Polytope,
    forms: list[tuple[list[int], int]],
    choice: dict[int, bool],
    factors: dict[int, Fraction],
    prices: dict[int, Fraction],
) -> Fraction:
    """Upper bound of y over the set from one leaf: choices of positive nodes, factors of negative ones, row prices."""
    total = [Fraction(0)] * len(poly.box)
    constant = Fraction(model.out_bias)
    for j, (coefficients, bias) in enumerate(forms):
        v = model.out[j]
        if v > 0 and j in choice:
            scale, shift = Fraction(v if choice[j] else 0), Fraction(0)
        elif v > 0:
            high = maximum(coefficients, bias, poly.box)
            low = -maximum([-g for g in coefficients], -bias, poly.box)
            if high <= 0:
                scale, shift = Fraction(0), Fraction(0)
            elif low >= 0:
                scale, shift = Fraction(v), Fraction(0)
            else:  # max(0, z) <= high (z - low) / (high - low) between low and high
                scale = Fraction(v * high, high - low)
                shift = -scale * low
        else:
            scale, shift = v * factors.get(j, Fraction(0)), Fraction(0)
        constant += shift
        if scale:
            constant += scale * bias
            for latent, g in enumerate(coefficients):
                if g:
                    total[latent] += scale * g
    for number, price in prices.items():
        row, limit = poly.rows[number]
        constant += price * limit
        for latent, a in row.items():
            total[latent] -= price * a
    return Fraction(maximum(total, constant, poly.box))


def check_tree(model: Model, described: Any, denominator: int, tree: Any) -> None:
    """Reject unless every leaf of the tree bounds y below 1."""
    poly = polytope(model, described)
    forms = node_forms(model, poly)

    def multipliers(pairs: Any, top: int, name: str, allowed: Any) -> dict[int, Fraction]:
        need(isinstance(pairs, list), f"{name} must be a list of pairs")
        found: dict[int, Fraction] = {}
        for pair in pairs:
            need(isinstance(pair, list) and len(pair) == 2, f"{name} must be a list of pairs")
            index = integer(pair[0], 0, top - 1, f"index in {name}")
            need(index not in found and allowed(index), f"{name} names {index} twice or out of place")
            found[index] = Fraction(integer(pair[1], 0, 2**200, f"value in {name}"), denominator)
        return found

    def visit(node: Any, choice: dict[int, bool]) -> None:
        need(isinstance(node, dict), "a tree node must be an object")
        if set(node) == {"split", "in", "out"}:
            j = integer(node["split"], 0, len(model.out) - 1, "split")
            need(model.out[j] > 0 and j not in choice, f"split on node {j}, which cannot branch here")
            visit(node["in"], {**choice, j: True})
            visit(node["out"], {**choice, j: False})
            return
        need(set(node) == {"lambda", "mu"}, "a leaf carries just lambda and mu")
        factors = multipliers(node["lambda"], len(model.out), "lambda", lambda j: model.out[j] < 0)
        need(all(factor <= 1 for factor in factors.values()), "a factor in lambda exceeds 1")
        prices = multipliers(node["mu"], len(poly.rows), "mu", lambda _: True)
        bound = leaf_bound(model, poly, forms, choice, factors, prices)
        need(bound < 1, f"a leaf only shows y <= {float(bound):.6g}, which does not exclude a vote")

    visit(tree, {})


def accumulators_fit(model: Model) -> bool:
    """Whether every partial sum of every accumulator fits: int16 block sums, int32 hidden, int64 output."""
    block = model.block * model.clamp
    hidden = [sum(map(abs, row)) * block + abs(b) for row, b in zip(model.weight, model.bias)]  # noqa: B905
    output = sum(abs(v) * m for v, m in zip(model.out, hidden)) + abs(model.out_bias)  # noqa: B905
    arming = model.arming_window * model.arming_clamp
    return block <= INT32 and max(hidden) <= INT32 and output <= INT64 and arming <= INT32


def check(model: Model, property_payload: Any, certificate: Any) -> str:
    """Verdict of one certificate, "proved" or "violated"; raises Rejected with the reason otherwise."""
    need(isinstance(property_payload, dict) and set(property_payload) == PROPERTY_KEYS, "the property has other keys")
    need(isinstance(certificate, dict) and set(certificate) == CERTIFICATE_KEYS, "the certificate has other keys")
    claim, described = property_payload["claim"], property_payload["set"]
    verdict = certificate["verdict"]
    denominator = integer(certificate["denominator"], 1, 2**200, "denominator")
    tree, witness = certificate["tree"], certificate["witness_lsb"]
    if claim == "never_requests_fire" and verdict == "proved":
        need(witness == [], "a proof carries no witness")
        check_tree(model, described, denominator, tree)
    elif claim == "never_requests_fire" and verdict == "violated":
        need(tree is None and isinstance(witness, list) and len(witness) <= 10**5, "a witness is a list of counts")
        counts = [integer(u, -model.clamp, model.clamp, "witness_lsb") for u in witness]
        need(contains(model, described, counts), "the witness is not in the set")
        need(model.requests_fire(counts), "the witness requests no fire")
    elif claim in ("never_arms", "accumulators_fit") and verdict in ("proved", "violated"):
        need(tree is None and witness == [], "this claim is decided in closed form and carries nothing")
        if claim == "accumulators_fit":
            need(described == {"kind": "all_inputs"}, "accumulators are checked over all inputs")
            holds = accumulators_fit(model)
        else:
            need(
                isinstance(described, dict) and set(described) == {"kind", "amplitude_g"}, "an amplitude set is needed"
            )
            need(described["kind"] == "amplitude", "an amplitude set is needed")
            amplitude = rational(described["amplitude_g"], "amplitude_g") // model.arming_lsb_g
            # The arming sum is largest when every count is; it starts from zeros, which are in the set.
            holds = model.arming_window * min(amplitude, model.arming_clamp) < model.arming_threshold
        need(holds == (verdict == "proved"), f"the claim {claim} is {'true' if holds else 'false'}")
    else:
        raise Rejected(f"verdict {verdict!r} for claim {claim!r} is not evidence")
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
            payload, digest, _ = read(path, "crumple.property/1")
            properties[digest] = (path, payload)
        except Rejected as rejected:
            problems[path.name] = str(rejected)
    results, answered = [], set()
    for path in sorted(folder.rglob("*.certificate.json")):
        name, text, verdict = path.name.removesuffix(".certificate.json"), "", "rejected"
        try:
            payload, _, parents = read(path, "crumple.certificate/1")
            need(
                isinstance(parents, dict) and set(parents) == {"model", "property"},
                "parents are not model and property",
            )
            need(
                parents["model"] in models,
                f"made for another model: {problems.get('model', 'no file has its SHA-256')}",
            )
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
