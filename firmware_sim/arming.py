"""What is shown of the arming path: in time on every crash of a corpus, and silent in quiet driving whatever comes.

That it stays silent is exact and needs no search. The rule compares the sum of the last ``W`` counts with a threshold
``T``. If no count exceeds ``A``, no sum exceeds ``W A``; so while ``W A < T`` no order of counts, of any length, arms.
The largest such ``A`` is ``(T - 1) // W``, and one count more, ``W`` times in a row, arms: the bound is tight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from crumple.signals.corpus import SOURCES, Event
from crumple.signals.events import MUST_FIRE
from crumple.units import count_mps

from .outcome import Outcome
from .replay import Timeline


@dataclass(frozen=True, slots=True)
class ArmingRule:
    """The rule that an export carries, in counts of the safing sensor and in samples.

    Attributes
    ----------
    lsb_g : Fraction
        g a count.
    clamp_lsb, window_samples, threshold_lsb, hold_samples : int
    sample_rate_hz : int
    """

    lsb_g: Fraction
    clamp_lsb: int
    window_samples: int
    threshold_lsb: int
    hold_samples: int
    sample_rate_hz: int

    @classmethod
    def of_export(cls, model: Mapping[str, Any]) -> ArmingRule:
        """The rule of an export's payload, its ``model``."""
        rule = model["arming"]
        return cls(
            lsb_g=Fraction(rule["lsb_g"]),
            clamp_lsb=rule["clamp_lsb"],
            window_samples=rule["window_samples"],
            threshold_lsb=rule["threshold_lsb"],
            hold_samples=rule["hold_samples"],
            sample_rate_hz=model["sample_rate_hz"],
        )

    @property
    def silent_lsb(self) -> int | None:
        """Largest ``A`` such that counts of at most ``A``, in any number and order, never arm; None: nothing arms."""
        if self.window_samples * self.clamp_lsb < self.threshold_lsb:
            return None
        return (self.threshold_lsb - 1) // self.window_samples

    def as_json(self) -> dict[str, Any]:
        """The rule in samples, counts and the units that people think in."""
        seconds = Fraction(1, self.sample_rate_hz)
        silent = self.silent_lsb
        return {
            "window_ms": float(self.window_samples * seconds * 1000),
            "hold_ms": float(self.hold_samples * seconds * 1000),
            "delta_v_mps": round(float(self.threshold_lsb * count_mps(self.lsb_g, seconds)), 6),
            "window_samples": self.window_samples,
            "threshold_lsb": self.threshold_lsb,
            "silent_within_lsb": silent,
            "silent_within_g": None if silent is None else float(silent * self.lsb_g),
            "largest_silent_sum_lsb": None if silent is None else silent * self.window_samples,
        }


@dataclass(slots=True)
class ArmingEvidence:
    """Takes in the events of a simulation, one after the other, and says what they show of the ``rule``."""

    rule: ArmingRule
    _rows: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    _against: list[str] = field(default_factory=list)

    def add(self, event: Event, timeline: Timeline, judged: Outcome) -> None:
        """Take in one event.

        Parameters
        ----------
        event : Event
        timeline : Timeline
            Of the whole event.
        judged : Outcome
            The same, in ms from first contact.
        """
        silent = self.rule.silent_lsb
        loudest = int(event.safing_lsb.max(initial=0))
        row = self._rows.setdefault(
            (event.source, event.mode),
            {"events": 0, "must_fire": 0, "in_time": 0, "margin_ms": None, "arm": 0, "quiet": 0, "quiet_arm": 0},
        )
        arms = judged.arming_ms is not None
        row["events"] += 1
        row["arm"] += arms
        if silent is None or loudest <= silent:
            row["quiet"] += 1
            row["quiet_arm"] += arms
            if arms:
                self._against.append(f"{event.name}: arms though no count exceeds {silent}")
        if event.label == MUST_FIRE:
            row["must_fire"] += 1
            self._add_crash(event.name, row, timeline, judged)

    def _add_crash(self, name: str, row: dict[str, Any], timeline: Timeline, judged: Outcome) -> None:
        """In time is armed at the first request, if there is one, and at the latest when fire is required."""
        at = timeline.request_sample
        late = [] if at is None or bool(timeline.armed[at]) else ["not armed when the net first requests"]
        if judged.arming_ms is None:
            late.append("never arms")
        elif judged.rttf_ms is not None:
            margin = round(judged.rttf_ms - judged.arming_ms, 6)
            row["margin_ms"] = margin if row["margin_ms"] is None else min(margin, row["margin_ms"])
            if margin < 0:
                late.append(f"arms {-margin:g} ms after fire is required")
        row["in_time"] += not late
        self._against += [f"{name}: {why}" for why in late]

    def as_json(self) -> dict[str, Any]:
        """The rule, its proof, what the events show by source and mode, and every event that speaks against it."""
        return {
            "rule": self.rule.as_json(),
            "events": [
                {"source": source, "mode": mode, **row}
                for source in SOURCES
                for (of, mode), row in self._rows.items()
                if of == source
            ],
            "against": list(self._against),
        }


def arming_rows(arming: Mapping[str, Any]) -> Sequence[Sequence[object]]:
    """Rows of a table of what is shown of ``arming``: mode, events, armed in time of those that must fire, margin."""
    return [
        (
            row["mode"],
            row["events"],
            f"{row['in_time']} of {row['must_fire']}" if row["must_fire"] else "",
            "" if row["margin_ms"] is None else f"{row['margin_ms']:+.1f}",
            row["arm"],
            f"{row['quiet_arm']} of {row['quiet']}" if row["quiet"] else "",
        )
        for row in arming["events"]
    ]
