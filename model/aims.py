"""What one output of the net is trained for: the events that it should recognise, by when, and its requirements."""

from __future__ import annotations

from dataclasses import dataclass, replace

from crumple.errors import CorpusError
from crumple.signals.corpus import Corpus, Event
from crumple.signals.events import MUST_FIRE, NO_FIRE, STAGE_2

from .analysis.properties import Requirement, RequirementSet
from .net import Net


@dataclass(frozen=True, slots=True)
class Aim:
    """One stage of the bag, as training sees it.

    Attributes
    ----------
    stage : int
        1 or 2.
    must, quiet : list of Event
        Those that should and those that must not make this output request fire; all others are left to the net.
    requirements : tuple of Requirement
        Those of this stage, as said of the output that is trained.
    delay_ms : float
        How long after an event's required time a request is still in time.
    shared : Net or None
        Whose hidden layer this output stands on; None trains a hidden layer of its own.
    """

    stage: int
    must: list[Event]
    quiet: list[Event]
    requirements: tuple[Requirement, ...]
    delay_ms: float
    shared: Net | None


def first_aim(corpus: Corpus, requirements: RequirementSet) -> Aim:
    """The first stage: every event that must fire, none that must not.

    Parameters
    ----------
    corpus : Corpus
    requirements : RequirementSet
    """
    return Aim(
        1,
        [event for event in corpus if event.label == MUST_FIRE],
        [event for event in corpus if event.label == NO_FIRE],
        tuple(requirement for requirement in requirements if requirement.stage == 1),
        0.0,
        None,
    )


def second_aim(corpus: Corpus, requirements: RequirementSet, shared: Net, delay_ms: float) -> Aim:
    """The second stage: the crashes so severe that both stages must fire, none that must not fire at all.

    Crashes between are left to the net: they lie in the second stage's grey zone, which the usual rules put between
    14 and 18 mph. What must not ask for the second stage, as a matter of severity, is said by requirements on pulses.

    Parameters
    ----------
    corpus : Corpus
    requirements : RequirementSet
    shared : Net
        The trained net of the first stage.
    delay_ms : float
        How long after the first stage the second may come.

    Raises
    ------
    CorpusError
        No event is severe enough to teach a second stage.
    """
    must = [event for event in corpus if event.label == MUST_FIRE and event.severity == STAGE_2]
    if not must:
        raise CorpusError(
            f"second_stage = true needs events of severity {STAGE_2}, the corpus has none;"
            " add severe crashes (crumple generate) or state their severity in the map of `crumple import`"
        )
    return Aim(
        2,
        must,
        [event for event in corpus if event.label == NO_FIRE],
        tuple(replace(requirement, stage=1) for requirement in requirements if requirement.stage == 2),
        delay_ms,
        shared,
    )
