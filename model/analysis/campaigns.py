"""Proofs as work in shards: one requirement of a proof set each, or one strip of a fire map."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from crumple.artefact import Artefact, canonical_json, write_bytes
from crumple.config import STRICT, build, plain
from crumple.model import deployed
from crumple.model.deployed import DeployedModel
from crumple.model.stages import verdict_on, verdicts, write_verdict
from crumple.shards import Work

from .properties import RequirementSet


@dataclass(frozen=True, slots=True)
class ProofsPlan:
    """Which requirements are proved on which model."""

    __pydantic_config__ = STRICT
    kind: Annotated[Literal["proofs"], Field(description="of campaign")]
    model: Annotated[str, Field(min_length=1, description="folder of crumple train, seen from the plan's folder")]
    requirements: Annotated[
        str, Field(description="TOML file, seen from the plan's folder; empty for the shipped reference set")
    ] = ""


def proofs(model: DeployedModel, requirements: RequirementSet) -> Work:
    """The work of proving ``requirements`` on a ``model``: one shard each, as they differ in time a thousandfold."""
    context = canonical_json({"model": model.payload(), "requirements": plain(requirements)})
    return Work(prove_shard, context, len(requirements))


def prove_shard(context: bytes, shard: int) -> bytes:
    """A requirement's verdict and certificate as JSON.

    Parameters
    ----------
    context : bytes
        As ``proofs`` makes it.
    shard : int
        Of the requirement in its set.
    """
    from threadpoolctl import threadpool_limits

    given = json.loads(context)
    requirements = build(RequirementSet, given["requirements"], where="requirements")
    with threadpool_limits(limits=1):  # cores are shared out between shards
        found = verdict_on(DeployedModel.from_payload(given["model"]), requirements.requirement[shard])
    return canonical_json(found)


def merged_proofs(results: Iterable[bytes], model: Artefact, folder: Path) -> dict[str, Any]:
    """Write what `crumple prove` would, and the model that it is about, so that the folder can be checked as it is.

    Parameters
    ----------
    results : iterable of bytes
        What ``prove_shard`` came to, in the order of the requirements.
    model : Artefact
    folder : Path

    Returns
    -------
    dict
        The verdicts, as in ``proof.json``.
    """
    write_bytes(folder / deployed.FILE, model.path.read_bytes())
    return verdicts([write_verdict(folder, model.sha256, *json.loads(result)) for result in results])
