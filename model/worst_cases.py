"""The worst cases of a project's requirements while a net is trained: what is penalised, and where.

No-fire sets are pressed all along; a must-fire set only once its proof has failed, since members of it do mostly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crumple.signals.sensor import SensorSpec

from .analysis.many import Band
from .analysis.properties import Requirement
from .analysis.prover import worst_case
from .bounds import Member, band_bound, band_of, last_in_time, signal_bound
from .deployed import DeployedModel
from .net import Float, Net
from .penalty import Bound, WorstChoices
from .windows import Windows

if TYPE_CHECKING:
    from .training import TrainingPlan

PROVER_GAP = 500.0
"""How closely the prover looks: within 5 %, enough to steer by, and a fraction of the work of the exact worst case."""


class WorstCases:
    """The worst cases of every requirement that has a closed form.

    Parameters
    ----------
    requirements : iterable of Requirement
    plan : TrainingPlan
    spec : SensorSpec
        Of the main sensor.
    unit_lsb : float
        Block sum that is input 1.0.
    draft : DeployedModel
        Of the geometry that is trained; its weights do not matter.
    scouts : Generator
    """

    def __init__(
        self,
        requirements: Iterable[Requirement],
        plan: TrainingPlan,
        spec: SensorSpec,
        unit_lsb: float,
        draft: DeployedModel,
        scouts: np.random.Generator,
    ) -> None:
        self.unit_lsb, self.n_blocks, self.scouts = unit_lsb, plan.n_blocks, scouts
        self.requirements: list[Requirement] = []
        self.choices: list[WorstChoices] = []
        self.must: dict[str, MustFire] = {}
        self.pressed: list[str] = []
        for requirement in requirements:
            bound: Bound | None = signal_bound(requirement, spec, plan.block_samples, unit_lsb)
            band = band_of(draft, requirement)
            if band is not None and requirement.claim == "fires_by":
                due = last_in_time(draft, requirement)
                self.must[requirement.id] = MustFire(plan, draft, band, due, unit_lsb)
                continue
            if band is not None:
                bound = band_bound(draft, band, unit_lsb)
            if bound is not None:
                self.requirements.append(requirement)
                self.choices.append(WorstChoices(bound))

    def press_on(self, requirement_id: str) -> None:
        """From now on press a must-fire requirement too, named by its ``requirement_id``."""
        if requirement_id in self.must and requirement_id not in self.pressed:
            self.pressed.append(requirement_id)

    def state(self) -> dict[str, NDArray[Any]]:
        """What an interrupted training needs of it."""
        arrays: dict[str, NDArray[Any]] = {}
        for k, choices in enumerate(self._all()):
            arrays |= {f"worst_windows_{k}": choices.windows, f"worst_shares_{k}": choices.shares}
        return arrays | {f"must_ends_{name}": np.array(self.must[name].ends) for name in self.pressed}

    def restore(self, pressed: Sequence[str], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Make it what it was at ``state``.

        Parameters
        ----------
        pressed : sequence of str
        arrays : mapping
            As ``state`` returned them.
        """
        self.pressed = list(pressed)
        for name in self.pressed:
            self.must[name].look_at([int(end) for end in arrays[f"must_ends_{name}"]])
        for k, choices in enumerate(self._all()):
            choices.windows, choices.shares = arrays[f"worst_windows_{k}"], arrays[f"worst_shares_{k}"]

    def _all(self) -> list[WorstChoices]:
        return [*self.choices, *(self.must[name].choices for name in self.pressed)]

    def follow(self, net: Net, rounded: DeployedModel | None, members: Mapping[str, Sequence[Member]]) -> None:
        """Follow the known worst cases as the net moves.

        Parameters
        ----------
        net : Net
        rounded : DeployedModel or None
            The net's integers with output bias 0, to ask the prover for exact worst cases of.
        members : mapping of str to sequence of Member
            Of must-fire sets, by requirement.
        """
        for requirement, choices in zip(self.requirements, self.choices, strict=True):
            exact = None
            if rounded is not None and requirement.set["kind"] == "signals":
                window = worst_case(rounded, requirement, gap=PROVER_GAP).window
                exact = window.reshape(self.n_blocks, -1).sum(axis=1) / self.unit_lsb
            choices.scout(net, self.scouts)
            choices.learn(net, exact)
        for name in self.pressed:
            self.must[name].follow(net, members[name], self.scouts)

    def press(self, net: Net, gradients: Sequence[Float], pull: float, margin: float) -> float:
        """Add the penalties' gradients in place.

        Parameters
        ----------
        net : Net
        gradients : sequence of ndarray
        pull : float
            Weight of each penalty.
        margin : float
            Bounds further than this below zero are left alone.

        Returns
        -------
        float
            The worst bound known, 0 before the first look.
        """
        known = [choices.worst(net) for choices in self._all() if len(choices.shares)]
        for value, parts in known:
            if value + margin > 0:
                for total, part in zip(gradients, parts, strict=True):
                    total += pull * part
        return max((value for value, _ in known), default=0.0)


class MustFire:
    """A set that must fire: bounds the least y of those K windows in time that its members make vote most clearly.

    Parameters
    ----------
    plan : TrainingPlan
    draft : DeployedModel
    band : Band
        The set in counts.
    due : int
        Last sample that is in time.
    unit_lsb : float
    """

    def __init__(self, plan: TrainingPlan, draft: DeployedModel, band: Band, due: int, unit_lsb: float) -> None:
        self.plan, self.draft, self.band, self.unit_lsb = plan, draft, band, unit_lsb
        last = min(due, band.middle.size - 1)
        reach = round(plan.reach_ms * 1e-3 * draft.sample_rate_hz) + plan.confirm_votes - 1
        self.in_time = range(max(0, last - reach + 1), last + 1)
        self.look_at(list(self.in_time[-plan.confirm_votes :]))

    def look_at(self, ends: list[int]) -> None:
        """Bound these windows from now on, named by their last samples ``ends``; begins anew."""
        self.ends = ends
        bound = band_bound(self.draft, self.band, self.unit_lsb, ends)
        self.choices = WorstChoices(bound, must_vote=True)

    def follow(self, net: Net, members: Sequence[Member], scouts: np.random.Generator) -> None:
        """Look for the windows that vote most clearly, and for what is worst in them, as the net moves.

        Parameters
        ----------
        net : Net
        members : sequence of Member
        scouts : Generator
        """
        plan = self.plan
        windows = Windows([member.counts_lsb for member in members], plan.n_blocks, plan.block_samples, self.unit_lsb)
        ends = np.array(self.in_time)
        least = np.min([net.forward(windows.at(k, ends))[0] for k in range(len(members))], axis=0)
        together = np.lib.stride_tricks.sliding_window_view(least, len(self.ends)).min(axis=1)
        first = int(np.argmax(together))
        best = list(self.in_time[first : first + len(self.ends)])
        if best != self.ends:
            known = self.choices.windows
            self.look_at(best)
            self.choices.windows = known
        self.choices.scout(net, scouts)
        self.choices.learn(net)
