"""A project's requirements as ONNX and VNN-LIB, one pair of files each, so that verifiers of others can answer them.

A requirement becomes one network and one query over the latents of its set (see ``vnnlib``). What a query can say is a
choice among cases, in each of which some windows vote and others do not:

- ``never_requests_fire``, ``never_arms``: K of the M votes that a request counts, the last among them. Exact.
- ``monotone``: the lower window votes, the higher does not. Exact.
- ``fires_by``, ``arms_by``: one of the last K windows before the deadline does not vote. ``unsat`` proves the claim;
  ``sat`` leaves it open, since an earlier group of windows may have fired.

``accumulators_fit``, ``resets`` and ``image_protected`` are no questions about a network's output. A requirement
without files is listed with the reason, never left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from typing import Any

from crumple.artefact import envelope, sha256_bytes
from crumple.config import build
from crumple.errors import ModelError
from crumple.model.analysis import checker
from crumple.model.analysis.properties import SCHEMA as PROPERTY_SCHEMA
from crumple.model.analysis.properties import Requirement
from crumple.model.deployed import DeployedModel

from .vnnlib import render_query

MOST_WINDOWS = 16
"""Above this many windows a network is too large to be of use to others: its requirement is not printed."""

MOST_SAMPLES = 1024
"""The same for the latents of a set."""


UNSAT = "holds if unsat; sat over the reals may still have no sequence of whole counts"


def requirements_of(payloads: Sequence[Mapping[str, Any]]) -> tuple[Requirement, ...]:
    """Requirements from the ``payloads`` that a model's file records. Raises ConfigError."""
    return tuple(build(Requirement, dict(payload), where="model.json: requirements") for payload in payloads)


def property_sha256(requirement: Requirement) -> str:
    """SHA-256 of the property file of ``requirement`` that ``crumple prove`` writes."""
    return sha256_bytes(envelope(PROPERTY_SCHEMA, requirement.payload()))


def render_questions(
    model: DeployedModel, requirements: Sequence[Requirement], provenance: Mapping[str, str]
) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """ONNX and VNN-LIB files of the requirements, and what each pair means.

    Parameters
    ----------
    model : DeployedModel
    requirements : sequence of Requirement
    provenance : mapping
        Text by key, printed into every file; the hash of the property is added.

    Returns
    -------
    files : dict
        File name to bytes: ``question_ID.onnx`` and ``question_ID.vnnlib``.
    index : list of dict
        For each requirement ``id``, ``claim``, ``property_sha256``, ``files`` (empty if none) and ``meaning``.
    """
    files: dict[str, bytes] = {}
    index = []
    for requirement in requirements:
        digest = property_sha256(requirement)
        told = {**provenance, "crumple_property": requirement.id, "crumple_property_sha256": digest}
        name = f"question_{requirement.id}"
        made: dict[str, bytes] = {}
        try:
            poly, goals, cases, meaning = _question(model, requirement)
            made = render_query(poly, goals, cases, name=name, provenance=told)
        except (ModelError, checker.Rejected) as error:
            meaning = f"no files: {error}"
        files |= made
        index.append(
            {
                "id": requirement.id,
                "claim": requirement.claim,
                "property_sha256": digest,
                "files": sorted(made),
                "meaning": meaning,
            }
        )
    return files, index


def _question(
    model: DeployedModel, requirement: Requirement
) -> tuple[checker.Polytope, list[checker.Goal], list[list[int]], str]:
    """Set, outputs, cases and meaning of a requirement. Raises ModelError saying why it is no such question."""
    claim, described = requirement.claim, requirement.payload()["set"]
    if claim in ("accumulators_fit", "resets", "image_protected"):
        raise ModelError(f"{claim} is about word lengths, state or storage, not about the output of a network")
    both = checker.Model(model.payload())
    voter = both.arming if claim in ("never_arms", "arms_by") else both.main
    n, k, m = voter.window, voter.k, voter.m
    if claim == "monotone":
        poly = checker.polytope(voter, claim, described, 2 * n)
        votes = [(n - 1, True), (2 * n - 1, False)]
        cases, meaning = [[0, 1]], UNSAT
    elif claim in ("fires_by", "arms_by"):
        poly = checker.polytope(voter, claim, described, 0)
        last = int(Fraction(requirement.by_ms) * voter.rate / 1000) + (poly.zero or 0)
        if not k - 1 <= last < len(poly.samples):
            raise ModelError("the time stated is outside the sequence")
        votes = [(end, False) for end in range(last - k + 1, last + 1)]
        cases, meaning = [[g] for g in range(k)], "holds if unsat; sat leaves it open: an earlier window may have fired"
    else:
        poly = checker.polytope(voter, claim, described, n + m - 1)
        size, endless = len(poly.samples), poly.zero is None
        first = size - 1 if endless else 0
        at = {end: g for g, end in enumerate(range(max(0, first - m + 1), size))}
        if len(at) > MOST_WINDOWS:
            raise ModelError(f"it speaks of {len(at)} windows, at most {MOST_WINDOWS} go into one network")
        votes = [(end, True) for end in at]
        cases = [
            [*(at[other] for other in others), at[end]]
            for end in range(first, size)
            for others in combinations(range(max(0, end - m + 1), end), k - 1)
        ]
        meaning = UNSAT
    if len(poly.box) > MOST_SAMPLES:
        raise ModelError(f"its set has {len(poly.box)} latents, at most {MOST_SAMPLES} go into one file")
    return poly, [checker.goal_of(voter, poly, end, vote) for end, vote in votes], cases, meaning
