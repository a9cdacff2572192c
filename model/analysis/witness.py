"""Counterexamples: sequences of whole counts that are in a set and break a claim when they are replayed.

Nothing rests on a counterexample but the decision to change a model, so the standalone checker does not read them;
``check`` here does, in exact arithmetic, with the set as the checker builds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import checker
from .checker import Rejected, need

Int64 = NDArray[np.int64]


def outputs(voter: checker.Voter, counts: NDArray[Any]) -> Int64:
    """The y of the window that ends at each sample of a sequence that starts from rest.

    Parameters
    ----------
    voter : checker.Voter
    counts : ndarray of int, shape (n_samples,)

    Returns
    -------
    ndarray of int64, shape (n_samples,)
        Exact: a voter's accumulators fit.
    """
    u = np.clip(np.asarray(counts, dtype=np.int64), -voter.clamp, voter.clamp)
    padded = np.concatenate([np.zeros(voter.window - 1, dtype=np.int64), u])
    windows = np.lib.stride_tricks.sliding_window_view(padded, voter.window)
    x = windows.reshape(len(u), -1, voter.block).sum(axis=2)
    z = x @ np.array(voter.weight, dtype=np.int64).T + np.array(voter.bias, dtype=np.int64)
    y: Int64 = np.maximum(z, 0) @ np.array(voter.out, dtype=np.int64) + voter.out_bias
    return y


def first_request(voter: checker.Voter, counts: NDArray[Any]) -> int | None:
    """The sample at which fire is first requested (or arming becomes true), or None.

    Parameters
    ----------
    voter : checker.Voter
    counts : ndarray of int, shape (n_samples,)
        From rest.
    """
    votes = np.concatenate([np.zeros(voter.m, dtype=np.int64), outputs(voter, counts) > 0])
    running = np.cumsum(votes)
    enough = np.flatnonzero(running[voter.m :] - running[: -voter.m] >= voter.k)
    return int(enough[0]) if enough.size else None


def breaks(voter: checker.Voter, claim: str, poly: checker.Polytope, by_ms: str, counts: NDArray[Any]) -> bool:
    """Whether a sequence of a set, replayed, breaks a claim.

    Parameters
    ----------
    voter, claim, poly, by_ms
        As in the checker.
    counts : ndarray of int, shape (n_samples,)
        From rest; for ``monotone`` two windows.
    """
    if claim == "monotone":
        y = outputs(voter, counts)
        return bool(y[voter.window - 1] > 0 >= y[2 * voter.window - 1])
    fired = first_request(voter, counts)
    if claim in ("fires_by", "arms_by"):
        ((_, windows, *_),) = checker.questions(voter, claim, poly, by_ms)
        return fired is None or fired >= windows.stop
    return fired is not None and (poly.zero is not None or counts[0] == 0)


def member(poly: checker.Polytope, latents: Sequence[Fraction]) -> list[int]:
    """The counts that latents make.

    Parameters
    ----------
    poly : checker.Polytope
    latents : sequence of Fraction

    Raises
    ------
    checker.Rejected
        They are outside the set, or not whole where they must be.
    """

    def at(constant: Any, form: dict[int, Any]) -> Fraction:
        return sum((a * latents[i] for i, a in form.items()), Fraction(constant))

    need(len(latents) == len(poly.box), f"{len(latents)} latents, expected {len(poly.box)}")
    inside = all(low <= q <= high for q, (low, high) in zip(latents, poly.box, strict=True))
    need(inside and all(at(-limit, form) <= 0 for form, limit in poly.rows), "the witness is not in the set")
    need(all(at(*form).denominator == 1 for form in poly.whole), "the counts or latents of a witness must be whole")
    return [int(at(*form)) for form in poly.samples]


def check(model: checker.Model, payload: dict[str, Any], certificate: Any) -> None:
    """Accept a counterexample to a property, or say why not.

    Parameters
    ----------
    model : checker.Model
    payload : dict
        The property.
    certificate : dict
        With verdict ``violated`` and a witness.

    Raises
    ------
    checker.Rejected
        It is not in the set, or does not break the claim when it is replayed.
    """
    verdict, length, trees, witness = checker.fields(
        certificate, ("verdict", "length", "trees", "witness"), "the certificate"
    )
    need((verdict, trees) == ("violated", []), "a counterexample has the verdict violated and no trees")
    claim, by_ms = payload["claim"], payload["by_ms"]
    need((by_ms != "") == (claim in ("fires_by", "arms_by")), "by_ms belongs to fires_by and arms_by")
    voter = voter_of(model, claim, int(payload.get("stage", "1")))
    counts, texts = checker.fields(witness, ("counts", "latents"), "a witness")
    poly = checker.polytope(voter, claim, payload["set"], *checker.integers([length], 0, 4096, 1, "length"))
    need(bool(poly.samples), "a witness has one count or more")
    counts = checker.integers(counts, -voter.clamp, voter.clamp, len(poly.samples), "counts")
    need(isinstance(texts, list) and all(isinstance(q, str) and len(q) <= 200 for q in texts), "latents must be text")
    try:
        latents = [Fraction(q) for q in texts]
    except (ValueError, ZeroDivisionError):
        raise Rejected("a latent is no number") from None
    need(member(poly, latents) == counts, "the latents do not make these counts")
    need(breaks(voter, claim, poly, by_ms, np.array(counts)), "the witness does not break the claim")


def voter_of(model: checker.Model, claim: str, stage: int = 1) -> checker.Voter:
    """The path of a model that a claim is about.

    Parameters
    ----------
    model : checker.Model
    claim : str
    stage : int
        1 or 2; the arming path knows no stages.

    Raises
    ------
    checker.Rejected
        The model has no such stage.
    """
    if claim in ("never_arms", "arms_by"):
        return model.arming
    need(1 <= stage <= len(model.stages), f"the model has no stage {stage}")
    return model.stages[stage - 1]
