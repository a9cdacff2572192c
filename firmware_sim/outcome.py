"""What became of each event, per event and never per window, and the tally by mode."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from crumple.signals.corpus import SOURCES, Event
from crumple.signals.events import MUST_FIRE, NO_FIRE

from .replay import Timeline


@dataclass(frozen=True, slots=True)
class Outcome:
    """One event in the simulated controller. Times are ms from first contact; None where it did not happen.

    ``verdict`` is ``in time``, ``late``, ``missed``, ``premature`` (before the contact that demands it), ``silent``,
    ``false fire``, or ``not scored`` for grey and unlabelled events.
    """

    name: str
    mode: str
    source: str
    label: str
    speed_kmh: float | None
    rttf_ms: float | None
    ttf_ms: float | None
    request_ms: float | None
    arming_ms: float | None
    verdict: str

    @property
    def delta_ttf_ms(self) -> float | None:
        """Time to fire less required time to fire; negative is early enough."""
        return None if self.ttf_ms is None or self.rttf_ms is None else self.ttf_ms - self.rttf_ms


def outcome(event: Event, timeline: Timeline, sample_period_s: float) -> Outcome:
    """Judge one event by its label and required time.

    Parameters
    ----------
    event : Event
    timeline : Timeline
        Of the whole event.
    sample_period_s : float
    """

    def ms(sample: int | None) -> float | None:
        return None if sample is None else round((event.first_sample_s + sample * sample_period_s) * 1e3, 6)

    ttf_ms = ms(timeline.fire_sample)
    rttf_ms = round(event.rttf_s * 1e3, 6) if math.isfinite(event.rttf_s) else None
    if event.label == MUST_FIRE:
        verdict = _timeliness(ttf_ms, rttf_ms)
    elif event.label == NO_FIRE:
        verdict = "silent" if ttf_ms is None else "false fire"
    else:
        verdict = "not scored"
    return Outcome(
        name=event.name,
        mode=event.mode,
        source=event.source,
        label=event.label,
        speed_kmh=event.speed_kmh if math.isfinite(event.speed_kmh) else None,
        rttf_ms=rttf_ms,
        ttf_ms=ttf_ms,
        request_ms=ms(timeline.request_sample),
        arming_ms=ms(timeline.arming_sample),
        verdict=verdict,
    )


def _timeliness(ttf_ms: float | None, rttf_ms: float | None) -> str:
    """Verdict on an event that must fire: a fire before first contact answers something else, such as a kerb."""
    if ttf_ms is None:
        return "missed"
    if ttf_ms < 0:
        return "premature"
    return "late" if rttf_ms is not None and ttf_ms > rttf_ms else "in time"


VERDICTS = ("in time", "late", "missed", "premature", "silent", "false fire", "not scored")


def tally(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Counts of the ``outcomes`` by source and mode; synthetic and measured events are never pooled.

    Returns
    -------
    dict
        Source to a list of rows, one a mode: events, each verdict's count, and the range of time to fire
        less required time in ms.
    """
    result: dict[str, Any] = {}
    for source in SOURCES:
        rows = []
        for mode in dict.fromkeys(o.mode for o in outcomes if o.source == source):
            group = [o for o in outcomes if o.source == source and o.mode == mode]
            deltas = sorted(o.delta_ttf_ms for o in group if o.delta_ttf_ms is not None)
            rows.append(
                {
                    "mode": mode,
                    "events": len(group),
                    **{verdict: sum(o.verdict == verdict for o in group) for verdict in VERDICTS},
                    "delta_ttf_ms": {
                        "min": deltas[0],
                        "median": deltas[len(deltas) // 2],
                        "max": deltas[-1],
                    }
                    if deltas
                    else None,
                }
            )
        if rows:
            result[source] = rows
    return result


def as_json(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """The ``outcomes`` as plain JSON values."""
    return [asdict(o) for o in outcomes]
