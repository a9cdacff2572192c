"""What became of every event of a source, and the tables that follow: time to fire, misses, false fires.

An event is judged by the deployed integers: *requested* when K of the last M samples voted, *fired* when the
arming path is true as well and the two sensors agree. Times are seconds from the contact that the required time
counts from.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.errors import CorpusError
from crumple.model.deployed import DeployedModel
from crumple.progress import Advance, quietly
from crumple.signals.batches import EventSource, EventTable
from crumple.signals.corpus import SOURCES
from crumple.signals.events import GREY, MUST_FIRE, NO_FIRE

from .exact import NEVER, agreeing, armed, first_true, levels, outputs
from .intervals import clopper_pearson, upper_bound

Float = NDArray[np.float64]
Text = NDArray[np.str_]

VERDICTS = ("in time", "late", "missed", "premature", "silent", "false fire", "not scored")
"""Premature: a must-fire event fired before the contact that demands it, on what came before."""

ROUNDING_S = 1e-9
"""A required time counts as kept if it is missed by less: it was computed in floating point."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Every event of a source; arrays of shape (n_events,).

    Attributes
    ----------
    table : EventTable
    request_s, arming_s, fire_s : ndarray
        Seconds from contact; NaN where it did not happen.
    level : ndarray of int64
        Largest level that the event reached: a fire request where it is positive.
    second_s : ndarray or None
        When the second stage was first asked for once the first had fired; None of a model without one.
    """

    table: EventTable
    request_s: Float
    arming_s: Float
    fire_s: Float
    level: NDArray[np.int64]
    second_s: Float | None = None

    @property
    def verdict(self) -> Text:
        """One of ``VERDICTS`` for each event, by what fired."""
        return verdicts(self.table, self.fire_s)

    @property
    def delta_ttf_s(self) -> Float:
        """Time to fire less required time to fire; NaN where either is missing."""
        return self.fire_s - self.table.rttf_s


def verdicts(table: EventTable, fire_s: Float) -> Text:
    """Verdict on each event of ``table`` that fired at ``fire_s`` (s from contact; NaN: never), shape (n_events,).

    A must-fire event without a required time can be missed or premature but not late. Grey and unlabelled events are
    not scored.
    """
    fired = ~np.isnan(fire_s)
    late = fire_s > table.rttf_s + ROUNDING_S  # false where nothing is required
    must = np.where(fired, np.where(late, "late", "in time"), "missed")
    must = np.where(fire_s < -ROUNDING_S, "premature", must)
    silent = np.where(fired, "false fire", "silent")
    result: Text = np.where(table.label == MUST_FIRE, must, np.where(table.label == NO_FIRE, silent, "not scored"))
    return result


def same_sensors(model: DeployedModel, events: EventSource) -> None:
    """Raise CorpusError unless ``events`` hold the counts that ``model`` reads."""
    main, safing = events.sensors.main, events.sensors.safing
    for what, found, wanted in (
        ("sample_rate_hz", main.sample_rate_hz, model.sample_rate_hz),
        ("safing sample_rate_hz", safing.sample_rate_hz, model.sample_rate_hz),
        ("main lsb_g", main.lsb, model.lsb_g),
        ("main clamp_lsb", main.clamp_lsb, model.clamp_lsb),
        ("safing lsb_g", safing.lsb, model.arming.lsb_g),
        # Arming limits every sample itself, so all that matters is that the sensor reaches so far.
        ("safing clamp_lsb", max(safing.clamp_lsb, model.arming.clamp_lsb), safing.clamp_lsb),
    ):
        if found != wanted:
            raise CorpusError(
                f"{events.where}: {what} is {found}, the model reads {wanted};"
                " generate or import with the model's sensors"
            )


def refuse_one_class(events: EventSource, what: str, hint: str = "") -> None:
    """Raise CorpusError, ending in ``hint``, unless ``events`` hold both classes, which ``what`` needs."""
    labels = events.table.label
    n_must, n_quiet = int((labels == MUST_FIRE).sum()), int((labels == NO_FIRE).sum())
    if n_must and n_quiet:
        return
    if not n_must and not n_quiet:
        raise CorpusError(
            f"{events.where}: none of its {len(labels)} events is labelled must_fire or no_fire, which {what} needs"
        )
    raise CorpusError(
        f"{events.where}: {what} needs must-fire and no-fire events, the corpus has {n_must} and {n_quiet}{hint}"
    )


def judge(model: DeployedModel, events: EventSource, advance: Advance = quietly) -> Judged:
    """Run every event through the deployed integers, batch by batch.

    Parameters
    ----------
    model : DeployedModel
    events : EventSource
    advance : callable
        Told events done and the mode at hand.

    Raises
    ------
    CorpusError
        The events were sensed by other sensors than the model reads.
    """
    same_sensors(model, events)
    table = events.table
    sample = {what: np.full(len(table), NEVER) for what in ("request", "arming", "fire", "second")}
    second = model.of_stage(2) if model.n_stages == 2 else None
    level = np.empty(len(table), dtype=np.int64)
    for batch in events.batches():
        reached = levels(model, outputs(model, batch.main_lsb))
        arming = armed(model, batch.safing_lsb)
        level[batch.rows] = reached.max(axis=1)
        fires = (reached > 0) & arming & agreeing(model, batch.main_lsb, batch.safing_lsb)
        for what, flags in (("request", reached > 0), ("arming", arming), ("fire", fires)):
            sample[what][batch.rows] = first_true(flags)
        if second is not None:
            fired = np.maximum.accumulate(fires, axis=1)
            asked = levels(second, outputs(second, batch.main_lsb)) > 0
            sample["second"][batch.rows] = first_true(asked & fired)
        advance(batch.rows.stop, str(table.mode[batch.rows.start]))
    period_s = float(model.sample_period_s)
    request_s, arming_s, fire_s, second_s = (
        np.where(at == NEVER, np.nan, table.first_sample_s + at * period_s) for at in sample.values()
    )
    return Judged(table, request_s, arming_s, fire_s, level, None if second is None else second_s)


def by_source(judged: Judged, confidence: float) -> dict[str, Any]:
    """Tables of each source of evidence on its own: synthetic and measured events are never pooled.

    Parameters
    ----------
    judged : Judged
    confidence : float
        Of every interval.

    Returns
    -------
    dict
        Source to ``{"modes": rows, "total": row, "grey": rows}``; JSON values.
    """
    table, verdict = judged.table, judged.verdict
    result = {}
    for source in SOURCES:
        of_source = table.source == source
        if of_source.any():
            modes = [mode for mode in dict.fromkeys(table.mode.tolist()) if (of_source & (table.mode == mode)).any()]
            result[source] = {
                "modes": [
                    {"mode": mode, **_row(judged, verdict, of_source & (table.mode == mode), confidence)}
                    for mode in modes
                ],
                "total": _row(judged, verdict, of_source, confidence),
                "grey": grey_zone(judged, of_source),
                **({} if judged.second_s is None else {"second_stage": second_stage(judged, of_source)}),
            }
    return result


def _row(judged: Judged, verdict: Text, which: NDArray[np.bool_], confidence: float) -> dict[str, Any]:
    """Counts, exact bounds and spreads of some events."""
    counts = {name: int((verdict[which] == name).sum()) for name in VERDICTS}
    n_must = counts["in time"] + counts["late"] + counts["missed"] + counts["premature"]
    n_quiet = counts["silent"] + counts["false fire"]
    late_or_missed = counts["late"] + counts["missed"]
    on_time_or_late = which & np.isin(verdict, ("in time", "late"))
    fast = which & (judged.table.label == MUST_FIRE) & (judged.table.speed_kmh >= FAST_KMH)
    return {
        "events": int(which.sum()),
        **counts,
        "requests without arming": int((which & ~np.isnan(judged.request_s) & np.isnan(judged.fire_s)).sum()),
        "false requests": int((which & (judged.table.label == NO_FIRE) & ~np.isnan(judged.request_s)).sum()),
        "false_fire_interval": list(clopper_pearson(counts["false fire"], n_quiet, confidence)) if n_quiet else None,
        "false_fire_upper": upper_bound(counts["false fire"], n_quiet, confidence) if n_quiet else None,
        "late_or_missed_interval": list(clopper_pearson(late_or_missed, n_must, confidence)) if n_must else None,
        "fast_must_fire": {"events": int(fast.sum()), "in time": int((fast & (verdict == "in time")).sum())},
        "ttf_ms": spread(1e3 * judged.fire_s[on_time_or_late]),
        "delta_ttf_ms": spread(1e3 * judged.delta_ttf_s[on_time_or_late]),
    }


FAST_KMH = 25.0
"""Must-fire events at least this fast are what the project's goal of timeliness speaks of."""


def spread(values: Float) -> dict[str, float] | None:
    """Least, quartiles, 99th percentile and largest of ``values`` that are not NaN; None if there are none."""
    known = values[~np.isnan(values)]
    if not known.size:
        return None
    points = np.quantile(known, [0.0, 0.25, 0.5, 0.75, 0.99, 1.0], method="higher")
    return dict(zip(("min", "q25", "median", "q75", "q99", "max"), (round(float(p), 6) for p in points), strict=True))


SECOND_STAGE_DELAY_S = 0.010
"""The second stage is due so long after the required time of the first: the simulated controller's delay."""


def second_stage(judged: Judged, which: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """When the second stage is asked for, by how severe the events are.

    Parameters
    ----------
    judged : Judged
        By a model that has a second stage.
    which : ndarray of bool, shape (n_events,)
        Events to look at.

    Returns
    -------
    list of dict
        For each severity its events; those that asked for the second stage, and by the required time of the first and
        the controller's delay; and spreads of the time in ms. Only where both stages must fire is not asking wrong;
        only where nothing may fire is asking, and there the first stage has fired falsely already.
    """
    table, rows = judged.table, []
    at_s = np.full(len(table), np.nan) if judged.second_s is None else judged.second_s
    for severity in dict.fromkeys(table.severity[which].tolist()):
        here = which & (table.severity == severity)
        in_time = here & (at_s <= table.rttf_s + SECOND_STAGE_DELAY_S + ROUNDING_S)
        rows.append(
            {
                "severity": severity,
                "events": int(here.sum()),
                "asked": int((here & ~np.isnan(at_s)).sum()),
                "in time": int(in_time.sum()),
                "time_ms": spread(1e3 * at_s[here]),
            }
        )
    return rows


SPEED_STEP_KMH = 2.0


def grey_zone(judged: Judged, which: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Share of events that fire by speed, for modes with grey events: either outcome is allowed, a dip is reported.

    Parameters
    ----------
    judged : Judged
    which : ndarray of bool, shape (n_events,)
        Events to look at.

    Returns
    -------
    list of dict
        For each mode its speed bins with events and fires, and ``dips``: how often the share falls from one bin to
        the next. Sampling alone makes dips where bins hold few events.
    """
    table, rows = judged.table, []
    for mode in dict.fromkeys(table.mode[which & (table.label == GREY)].tolist()):
        of_mode = which & (table.mode == mode) & ~np.isnan(table.speed_kmh)
        bins = np.floor(table.speed_kmh[of_mode] / SPEED_STEP_KMH).astype(np.int64)
        fired = ~np.isnan(judged.fire_s[of_mode])
        steps = [(int(at), int((bins == at).sum()), int(fired[bins == at].sum())) for at in np.unique(bins)]
        shares = [n_fired / n for _, n, n_fired in steps]
        rows.append(
            {
                "mode": mode,
                "grey": int((which & (table.mode == mode) & (table.label == GREY)).sum()),
                "grey_fired": int(
                    (which & (table.mode == mode) & (table.label == GREY) & ~np.isnan(judged.fire_s)).sum()
                ),
                "bins": [
                    {"from_kmh": at * SPEED_STEP_KMH, "to_kmh": (at + 1) * SPEED_STEP_KMH, "events": n, "fired": k}
                    for at, n, k in steps
                ],
                "dips": sum(later < earlier for earlier, later in pairwise(shares)),
            }
        )
    return rows
