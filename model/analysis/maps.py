"""The stage ``firemap`` over files: three maps with all their proofs, the best classical rule beside them, pictures."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from crumple.artefact import Artefact, Json, Stage, write_bytes
from crumple.config import STRICT, plain
from crumple.errors import CorpusError
from crumple.model import deployed
from crumple.model.deployed import DeployedModel, read_model
from crumple.model.stages import write_proof
from crumple.progress import Advance, quietly
from crumple.signals.criteria import RttfRule

from . import family
from .bursts import BurstPlan, BurstProof, burst_grid, burst_map
from .family import FamilyMap, FamilyPlan, Part
from .firemap import FIRES, NEVER, UNDECIDED, Block, FireMapPlan, Known, StripMap, grid
from .journal import Journal
from .properties import Requirement
from .pulses import required_ms, sampled_pulse

if TYPE_CHECKING:
    from crumple.model.baselines.search import Tuned

SCHEMA = "crumple.firemap/2"
FILE = "firemap.json"
OTHERWISE = "otherwise"
"""What a simulated rule does that neither fires in time nor never fires: late, or where nothing is required."""

QUIET_S = 0.1
"""Rest before a simulated pulse, in which rules find their bias."""


@dataclass(frozen=True, slots=True)
class MapsPlan:
    """What ``crumple firemap`` maps; the TOML file of ``--config``."""

    __pydantic_config__ = STRICT
    pulses: FireMapPlan = field(default_factory=FireMapPlan)
    bursts: BurstPlan = field(default_factory=BurstPlan)
    family: FamilyPlan = field(default_factory=FamilyPlan)
    n_candidates: Annotated[
        int, Field(ge=1, le=10_000, description="settings tried of each classical rule; assumed, as in compare")
    ] = 24


@dataclass(frozen=True, slots=True)
class RuleMap:
    """What the best classical rule does at the middle of each cell; see ``rule_grid``."""

    name: str
    setting: dict[str, Any]
    threshold: float
    cells: NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Maps:
    """What is proved.

    Attributes
    ----------
    blocks : list of Block
        Of the map of pulses.
    bursts : list of BurstProof
        Of the map of bursts.
    parts : list of Part
        Of the must-fire family.
    rule : RuleMap or None
        The best classical rule, if a corpus was given to tune it on.
    """

    blocks: list[Block]
    bursts: list[BurstProof]
    parts: list[Part]
    rule: RuleMap | None = None


def draw_maps(
    model: DeployedModel,
    plan: MapsPlan,
    journal: Path,
    key: str,
    *,
    corpus: Path | None = None,
    n_processes: int = 2,
    advance: Advance = quietly,
) -> Maps:
    """Prove all maps, and tune the rules that are drawn beside them.

    Parameters
    ----------
    model : DeployedModel
    plan : MapsPlan
    journal : Path
        Folder for proofs as they are found; those there under the same key are taken over.
    key : str
        Of everything that the maps are made from.
    corpus : Path, optional
        That the model was trained on.
    n_processes : int
        The result does not depend on it.
    advance : callable
        Told hundredths done and how many cells are proved.
    """
    work: list[Callable[[], list[Any]]] = [partial(_bursts, model, plan, journal, key)]
    if corpus is not None:  # among the proofs, not after them: no process waits for it
        work.append(partial(_rule, model, corpus, plan))
    # The longest pulses take longest: first, so that no process is left with them at the end.
    work += [partial(_pulses, model, plan, journal, key, strip) for strip in reversed(plan.pulses.strips())]
    work += [partial(_family, model, plan, journal, key, t) for t in range(plan.family.n_duration)]
    found: list[Any] = []

    def take(some: list[Any], done: int) -> None:
        found.extend(some)
        cells = grid(plan.pulses, [one for one in found if isinstance(one, Block)])
        counts = ", ".join(f"{int((cells == name).sum())} {name}" for name in (FIRES, NEVER))
        advance(done * 100 // len(work), f"{counts} of {cells.size} cells proved")

    if n_processes == 1:
        for done, part in enumerate(work, 1):
            take(part(), done)
    else:
        with ProcessPoolExecutor(n_processes, get_context("spawn"), initializer=_begin) as pool:
            waiting: list[Future[list[Any]]] = [pool.submit(part) for part in work]
            try:
                for done, future in enumerate(waiting, 1):
                    take(future.result(), done)
            except BaseException:
                (journal / STOP).touch()  # workers look for it between proofs
                pool.shutdown(cancel_futures=True)
                raise
    blocks = [one for one in found if isinstance(one, Block)]
    bursts = [one for one in found if isinstance(one, BurstProof)]
    parts = [one for one in found if isinstance(one, Part)]
    return Maps(blocks, bursts, parts, next((one for one in found if isinstance(one, RuleMap)), None))


STOP = "stop"


class _Stopped(Exception):
    """The map was given up; what is proved is in the journal."""


def _begin() -> None:
    """Leave an interrupt from the keyboard to the process that waits for this one."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _journal(folder: Path, key: str, name: str) -> tuple[Known, Callable[[Block | BurstProof | Part], None]]:
    """Proofs taken over from an interrupted run, and where new ones are noted."""
    journal = Journal(folder, key, name)

    def known(requirement: Requirement) -> dict[str, Any] | None:
        if (folder / STOP).exists():
            raise _Stopped
        return journal.known(requirement)

    def tell(found: Block | BurstProof | Part) -> None:
        journal.note(found.requirement, found.certificate)

    return known, tell


def _bursts(model: DeployedModel, plan: MapsPlan, folder: Path, key: str) -> list[BurstProof]:
    from threadpoolctl import threadpool_limits

    known, tell = _journal(folder, key, "bursts")
    with threadpool_limits(limits=1):
        return list(burst_map(model, plan.bursts, known=known, tell=tell))


def _pulses(model: DeployedModel, plan: MapsPlan, folder: Path, key: str, strip: tuple[int, int]) -> list[Block]:
    from threadpoolctl import threadpool_limits

    known, tell = _journal(folder, key, f"pulses-{strip[0]}")
    with threadpool_limits(limits=1):
        return list(StripMap(model, plan.pulses, known, tell).blocks(*strip))


def _family(model: DeployedModel, plan: MapsPlan, folder: Path, key: str, t: int) -> list[Part]:
    from threadpoolctl import threadpool_limits

    known, tell = _journal(folder, key, f"family-{t}")
    with threadpool_limits(limits=1):
        return list(FamilyMap(model, plan.family, known, tell).column(t))


def _rule(model: DeployedModel, corpus: Path, plan: MapsPlan) -> list[RuleMap]:
    rule = best_rule(model, corpus, plan)
    return [RuleMap(rule.name, rule.setting, rule.threshold, rule_grid(model, rule, plan.pulses))]


def best_rule(model: DeployedModel, corpus: Path, plan: MapsPlan) -> Tuned:
    """The classical rule with the fewest late or missed events, tuned on a corpus to no false fire.

    Parameters
    ----------
    model : DeployedModel
        Its sensors must be the corpus's.
    corpus : Path
        That the model was trained on.
    plan : MapsPlan
    """
    from threadpoolctl import threadpool_limits

    from crumple.model.baselines.front import FrontPlan
    from crumple.model.baselines.rules import RULES
    from crumple.model.baselines.search import Training, rule_families, tune
    from crumple.model.evaluation.judge import refuse_one_class, same_sensors
    from crumple.signals.batches import open_corpus

    events = open_corpus(corpus)
    same_sensors(model, events)
    refuse_one_class(events, "comparison")
    with threadpool_limits(limits=1):
        held = Training.of(events, FrontPlan())
        tuned = [tune(family, held, plan.n_candidates, 0, quietly) for family in rule_families(RULES)]
    return min(tuned, key=lambda rule: (rule.chosen_by["late or missed"], rule.chosen_by["missed"]))


def rule_grid(model: DeployedModel, rule: Tuned, plan: FireMapPlan) -> NDArray[np.str_]:
    """What a rule does at the middle of each cell, simulated: ``fires`` in time, ``never``, or ``otherwise``.

    Parameters
    ----------
    model : DeployedModel
        Gives the sensor.
    rule : Tuned
    plan : FireMapPlan

    Returns
    -------
    ndarray of str, shape (n_delta_v, n_duration)
    """
    from crumple.model.baselines.front import FrontPlan
    from crumple.model.baselines.search import Seen
    from crumple.signals.sensor import SensorSpec

    delta_v, duration = ([float(edge) for edge in edges[:: plan.parts]] for edges in plan.edges())
    rate, lsb_g = model.sample_rate_hz, float(model.lsb_g)
    spec = SensorSpec(lsb_g=str(model.lsb_g), clamp_lsb=model.clamp_lsb, sample_rate_hz=rate)
    quiet = int(QUIET_S * rate)
    cells = np.full((plan.n_delta_v, plan.n_duration), OTHERWISE, dtype="<U9")
    for t in range(plan.n_duration):
        length_ms = (duration[t] + duration[t + 1]) / 2
        middles = [(delta_v[v] + delta_v[v + 1]) / 2 for v in range(plan.n_delta_v)]
        pulses = [sampled_pulse(plan.shape, dv, length_ms, rate, length_ms / 1e3 + 0.1) / lsb_g for dv in middles]
        counts = np.pad(np.rint(np.array(pulses)).astype(np.int64), ((0, 0), (quiet, 0)))
        over = rule.scores(Seen(counts, slice(0, len(counts)), spec, FrontPlan())) > rule.threshold
        first = np.where(over.any(axis=1), over.argmax(axis=1) - quiet, -1)
        for v, dv in enumerate(middles):
            due = required_ms(plan.shape, dv, length_ms, RttfRule())
            if first[v] < 0:
                cells[v, t] = NEVER
            elif due is not None and first[v] <= due / 1e3 * rate:
                cells[v, t] = FIRES
    return cells


def firemap_stage(
    model_path: Path,
    out: Path,
    plan: MapsPlan,
    *,
    corpus: Path | None = None,
    n_processes: int = 2,
    replace: bool = False,
    force: bool = False,
    advance: Advance = quietly,
) -> Artefact:
    """Prove the maps of a model and write them: proofs that ``crumple check`` re-checks, and pictures.

    Parameters
    ----------
    model_path, out : Path
        ``model.json`` or its folder; the folder to write.
    plan : MapsPlan
    corpus : Path, optional
        The corpus that the model was trained on: the best classical rule, tuned on it, is drawn beside the model.
    n_processes : int
    replace, force : bool
        See ``Stage.run``.
    advance : callable
        Told hundredths done and how many cells are proved.

    Raises
    ------
    CorpusError
        The model was trained on another corpus.
    """
    model, artefact = read_model(model_path)
    parents = {"model": artefact.sha256}
    if corpus is not None:
        from crumple.signals.batches import open_corpus

        events = open_corpus(corpus)
        parents["corpus"] = events.artefact.sha256
        if events.artefact.sha256 not in artefact.parents.values():
            raise CorpusError(f"{events.where}: the net was trained on another corpus; rules must learn from the same")
    stage = Stage(out, FILE, SCHEMA, parents, {"firemap": plain(plan)})
    journal = out.parent / f".{out.name}.proofs"  # beside the folder, which does not exist until all is done

    def work(folder: Path) -> Json:
        (journal / STOP).unlink(missing_ok=True)
        maps = draw_maps(model, plan, journal, stage.key, corpus=corpus, n_processes=n_processes, advance=advance)
        return write_maps(folder, model, artefact, plan, maps)

    made = stage.run(work, replace=replace, force=force)
    Journal.drop(journal)
    return made


def write_maps(folder: Path, model: DeployedModel, artefact: Artefact, plan: MapsPlan, maps: Maps) -> dict[str, Any]:
    """Write the maps with the model that they are about, and return the payload of ``firemap.json``.

    Parameters
    ----------
    folder : Path
    model : DeployedModel
    artefact : Artefact
        The model's.
    plan : MapsPlan
    maps : Maps
    """
    from .map_figures import bursts_figure, family_figure, html, png, pulses_figure, svg

    write_bytes(folder / deployed.FILE, artefact.path.read_bytes())
    found: list[Block | BurstProof | Part] = [*maps.blocks, *maps.bursts, *maps.parts]
    for proof in found:
        write_proof(folder, artefact.sha256, proof.requirement.payload(), proof.certificate)
    rule = maps.rule
    cells, bursts = grid(plan.pulses, maps.blocks), burst_grid(model, plan.bursts, maps.bursts)
    pulses = pulses_figure(
        model, plan.pulses, cells, None if rule is None else rule.cells, "" if rule is None else rule.name
    )
    shaken = bursts_figure(model, plan.bursts, bursts)
    rows = family.cells(model, plan.family, maps.parts)
    late = family_figure(plan.family, rows)
    for name, figure in (("firemap", pulses), ("bursts", shaken), ("family", late)):
        write_bytes(folder / f"{name}.svg", svg(figure))
        write_bytes(folder / f"{name}.png", png(figure))
    payload = {
        "pulses": {"cells": totals(cells), "grid": cells.tolist(), "proofs": len(maps.blocks)},
        "bursts": {"cells": totals(bursts), "grid": bursts.tolist(), "proofs": len(maps.bursts)},
        "family": {"cells": family.totals(rows), "proofs": len(maps.parts), "rows": rows},
        "rule": None
        if rule is None
        else {"name": rule.name, "setting": rule.setting, "threshold": rule.threshold, "grid": rule.cells.tolist()},
    }
    write_bytes(folder / "firemap.html", html(plan, payload, svg(pulses), svg(shaken), svg(late)))
    return payload


def totals(cells: NDArray[np.str_]) -> dict[str, int]:
    """Cells of each verdict among ``cells``."""
    return {name: int((cells == name).sum()) for name in (FIRES, NEVER, UNDECIDED)}
