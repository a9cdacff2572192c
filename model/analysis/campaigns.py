"""Proofs as work in shards: one requirement of a proof set each, or one strip of a fire map."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from crumple.artefact import Artefact, canonical_json, write_bytes
from crumple.config import STRICT, build, plain
from crumple.model import deployed
from crumple.model.deployed import DeployedModel
from crumple.model.stages import verdict_on, verdicts, write_verdict
from crumple.shards import Work

from .bursts import BurstProof, burst_map
from .family import FamilyMap, Part
from .firemap import Block, StripMap
from .maps import Maps, MapsPlan, write_maps
from .properties import Requirement, RequirementSet


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


@dataclass(frozen=True, slots=True)
class FireMapCampaignPlan:
    """Which maps are proved of which model."""

    __pydantic_config__ = STRICT
    kind: Annotated[Literal["firemap"], Field(description="of campaign")]
    model: Annotated[str, Field(min_length=1, description="folder of crumple train, seen from the plan's folder")]
    maps: Annotated[MapsPlan, Field(description="as crumple firemap --config reads it")] = field(
        default_factory=MapsPlan
    )


def fire_map(model: DeployedModel, plan: MapsPlan) -> Work:
    """The work of proving the maps of a ``plan`` of a ``model``: bursts, each strip of pulses, each column of cells."""
    context = canonical_json({"model": model.payload(), "maps": plain(plan)})
    return Work(map_shard, context, 1 + len(plan.pulses.strips()) + plan.family.n_duration)


def map_shard(context: bytes, shard: int) -> bytes:
    """Proofs as JSON: corners (none for a burst), verdict (of pulses), requirement and certificate of each.

    Parameters
    ----------
    context : bytes
        As ``fire_map`` makes it.
    shard : int
        0 for the bursts, then one for each strip of pulses, then one for each column of the family.
    """
    from threadpoolctl import threadpool_limits

    given = json.loads(context)
    model, plan = DeployedModel.from_payload(given["model"]), build(MapsPlan, given["maps"], where="maps")
    with threadpool_limits(limits=1):  # cores are shared out between shards
        if shard == 0:
            bursts = burst_map(model, plan.bursts)
            return canonical_json([[[], "", plain(b.requirement), b.certificate] for b in bursts])
        strips = plan.pulses.strips()
        if shard <= len(strips):
            blocks = StripMap(model, plan.pulses).blocks(*strips[shard - 1])
            return canonical_json(
                [[[b.v0, b.v1, b.t0, b.t1], b.verdict, plain(b.requirement), b.certificate] for b in blocks]
            )
        parts = FamilyMap(model, plan.family).column(shard - 1 - len(strips))
        return canonical_json([[[p.v0, p.v1, p.t0, p.t1], "", plain(p.requirement), p.certificate] for p in parts])


def merged_maps(
    results: Iterable[bytes], model: DeployedModel, artefact: Artefact, plan: MapsPlan, folder: Path
) -> dict[str, Any]:
    """Write what `crumple firemap` would, but for the rule beside it, and return the payload of ``firemap.json``.

    Parameters
    ----------
    results : iterable of bytes
        What ``map_shard`` came to, shard by shard.
    model : DeployedModel
    artefact : Artefact
        The model's.
    plan : MapsPlan
    folder : Path
    """
    maps = Maps([], [], [])
    for result in results:
        for corners, verdict, told, certificate in json.loads(result):
            requirement = build(Requirement, told, where="fire map")
            if corners and verdict:
                v0, v1, t0, t1 = corners
                maps.blocks.append(Block(v0, v1, t0, t1, verdict, requirement, certificate))
            elif corners:
                v0, v1, t0, t1 = corners
                maps.parts.append(Part(v0, v1, t0, t1, requirement, certificate))
            else:
                maps.bursts.append(BurstProof(requirement, certificate))
    return write_maps(folder, model, artefact, plan, maps)
