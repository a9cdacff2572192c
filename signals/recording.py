"""A measured recording: channels with what is known about them, and the events that a corpus takes from it.

A reader turns a file into a `Recording` and brings every channel to one form: SAE J211 sign, one rate,
time from first contact. What a channel is (`ChannelInfo`) is separate from its samples, so that places are
chosen from a header before any samples are read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from crumple.errors import ChannelError, SignalError

from .cfc import cfc
from .corpus import MEASURED, Event
from .criteria import RttfRule, required_ttf_s
from .events import LABELS, MUST_FIRE, UNLABELLED
from .sensor import Counts, SensorPair, SensorSpec, sense_trace
from .trace import Float, Trace

LEFT = "left"
RIGHT = "right"
CENTRE = "centre"
SIDES = (LEFT, RIGHT, CENTRE)

PRIMARY = "primary"
REDUNDANT = "redundant"

FALLBACK_RANK = 9
"""Places of this rank stand in only where a vehicle has no better place on either side."""

PRETRIGGER = "pretrigger"
MEDIAN = "median"
NO_OFFSET = "none"
OFFSET_RULES = (PRETRIGGER, MEDIAN, NO_OFFSET)
"""How a channel's zero is found: mean before contact; median of all; or the source has already taken it off."""

QUALITY = "quality of "
"""How a line of an event's provenance starts that says what is known of a channel's health."""

LABEL_CFC = 60
"""Class of the signal that required times are computed from (vehicle structure, SAE J211)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sensor sits.

    Attributes
    ----------
    code : str
        Location as the source file writes it.
    side : str
        ``left``, ``right`` or ``centre``; empty where it does not matter.
    rank : int or None
        0 is the best place to stand in for an airbag controller's sensor; None is no such place (dummy,
        engine, barrier).
    """

    code: str
    side: str = ""
    rank: int | None = None

    def __post_init__(self) -> None:
        if self.rank is not None and self.side not in SIDES:
            raise ChannelError(f"place {self.code!r}: side {self.side!r} is not one of {SIDES}")


@dataclass(frozen=True, slots=True)
class ChannelInfo:
    """What is known of a channel, without its samples.

    Attributes
    ----------
    name : str
        Unique within the recording, such as ``curve 93``.
    description : str
        The source's own words.
    vehicle : int
        Number of the vehicle it belongs to; 0 is none (barrier, sled).
    place : Place
    quantity : str
        ``acceleration``, or the source's word for anything else.
    axis : str
        ``X``, ``Y`` or ``Z`` of SAE J211, ``R`` for a resultant, or empty.
    unit : str
        Unit of the samples as kept here; acceleration is always ``g``.
    redundancy : str
        ``primary`` or ``redundant``.
    sensor_id : str
        Maker and serial number, as the source writes them.
    status : str
        The source's quality mark.
    refusal : str
        Why the channel cannot be used; empty where it can.
    prefilter_hz : float
        Corner of the analogue filter before sampling; NaN where the source does not say.
    filter_class : int
        CFC that the samples were already filtered with; 0 is none.
    offset : str
        One of `OFFSET_RULES`.
    notes : tuple of str
        Remarks on quality, from the source and from looking at the samples.
    stands_in : str
        Where a person lets a signal that is no longitudinal acceleration of a compartment stand in for one: in
        which words. Empty for all others.
    """

    name: str
    description: str
    vehicle: int
    place: Place
    quantity: str
    axis: str
    unit: str
    redundancy: str = PRIMARY
    sensor_id: str = ""
    status: str = ""
    refusal: str = ""
    prefilter_hz: float = math.nan
    filter_class: int = 0
    offset: str = PRETRIGGER
    notes: tuple[str, ...] = ()
    stands_in: str = ""

    def __post_init__(self) -> None:
        if self.redundancy not in (PRIMARY, REDUNDANT):
            raise ChannelError(f"{self.name}: redundancy {self.redundancy!r} is neither primary nor redundant")
        if self.offset not in OFFSET_RULES:
            raise ChannelError(f"{self.name}: offset rule {self.offset!r} is not one of {OFFSET_RULES}")

    @property
    def is_candidate(self) -> bool:
        """Whether this is, or stands in for, a longitudinal acceleration of a vehicle's occupant compartment."""
        is_longitudinal = self.axis == "X" or bool(self.stands_in)
        return self.quantity == "acceleration" and is_longitudinal and self.place.rank is not None


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel with its samples.

    Attributes
    ----------
    info : ChannelInfo
    values : ndarray, shape (n_samples,)
        Samples in ``info.unit``, SAE J211 sign. Read-only.
    rate_hz : float
    t0_s : float
        Time of the first sample from first contact.
    """

    info: ChannelInfo
    values: Float
    rate_hz: float
    t0_s: float

    def __post_init__(self) -> None:
        # Trace holds the rules for samples and time axes, whatever their unit.
        object.__setattr__(self, "values", Trace(self.info.name, self.values, self.rate_hz, self.t0_s).accel_g)

    @property
    def trace(self) -> Trace:
        """The samples as acceleration. Raises ChannelError where they are anything else than g."""
        if self.info.quantity != "acceleration" or self.info.unit != "g":
            raise ChannelError(
                f"{self.info.name}: holds {self.info.quantity or 'something unnamed'} in {self.info.unit!r},"
                " expected acceleration in g"
            )
        return Trace(self.info.name, self.values, self.rate_hz, self.t0_s)

    def without_offset(self) -> tuple[Trace, str]:
        """Acceleration with its zero found as ``info.offset`` says, and a sentence on what was taken off.

        Raises
        ------
        SignalError
            If the rule is ``pretrigger`` and fewer than 10 samples come before contact.
        """
        trace = self.trace
        if self.info.offset == NO_OFFSET:
            return trace, "no offset taken off (the source is stated to be free of it)"
        if self.info.offset == MEDIAN:
            level_g = float(np.median(trace.accel_g))
            moved = Trace(trace.name, trace.accel_g - level_g, trace.rate_hz, trace.t0_s)
            return moved, f"median {level_g:+.3f} g taken off"
        moved = trace.without_pretrigger_offset()
        level_g = float(trace.accel_g[0] - moved.accel_g[0])
        return (
            moved,
            f"offset {level_g:+.3f} g taken off (mean of {int((trace.time_s < 0).sum())} samples before contact)",
        )


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A vehicle of a recording.

    Attributes
    ----------
    number : int
    name : str
    mass_kg : float
        Test mass; NaN where the source does not say.
    label : str
        ``must_fire``, ``no_fire``, ``grey`` or ``unlabelled``.
    label_source : str
        Where the label comes from; never a classifier.
    """

    number: int
    name: str
    mass_kg: float = math.nan
    label: str = UNLABELLED
    label_source: str = "nothing says whether the bag had to fire"

    def __post_init__(self) -> None:
        if self.label not in LABELS:
            raise ChannelError(f"vehicle {self.number}: label {self.label!r} is not one of {LABELS}")


@dataclass(frozen=True, slots=True)
class Recording:
    """One test or drive, as read from its files.

    Attributes
    ----------
    name : str
        Short and fit for a file name, such as ``v10146``.
    kind : str
        Name of the source format, such as ``nhtsa_ev5``.
    mode : str
        What happened, in the words that corpora use, such as ``rigid_barrier``.
    vehicles : tuple of Vehicle
    channels : tuple of Channel
        Those whose samples were read.
    refused : tuple of ChannelInfo
        Those that could have served but for their ``refusal``.
    speed_kmh : float
        Closing speed at first contact; NaN where it has no meaning or is not known.
    facts : tuple of (str, str)
        What else the source says, for a person.
    files : tuple of (str, str)
        Name and SHA-256 of each file that was read.
    source : str
        ``measured``, or what else the source is stated to be; a value of ``corpus.SOURCES``.
    """

    name: str
    kind: str
    mode: str
    vehicles: tuple[Vehicle, ...]
    channels: tuple[Channel, ...]
    refused: tuple[ChannelInfo, ...]
    speed_kmh: float
    facts: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, str], ...]
    source: str = MEASURED

    def channel(self, name: str) -> Channel:
        """The channel of that name. Raises ChannelError naming those there are."""
        for channel in self.channels:
            if channel.info.name == name:
                return channel
        raise ChannelError(
            f"{self.name}: no channel {name!r} was read; there are {[c.info.name for c in self.channels]}"
        )


@dataclass(frozen=True, slots=True)
class Position:
    """The pair of channels that stands in for main and safing sensor at one side of one vehicle."""

    vehicle: int
    side: str
    main: ChannelInfo
    safing: ChannelInfo
    remarks: tuple[str, ...]


def choose_positions(infos: Sequence[ChannelInfo]) -> list[Position]:
    """Pick the channels that stand in for airbag sensors.

    Parameters
    ----------
    infos : sequence of ChannelInfo
        Channels of one recording, in file order; those that carry a ``refusal`` are passed over.

    Returns
    -------
    list of Position
        At most one a vehicle and side, in order of vehicle, left, right, centre. The place of lowest rank
        with a usable channel wins; there the first primary transducer is main and the first redundant one
        safing. Where only one is usable it is both, and a remark says so.
    """
    positions = []
    usable = [info for info in infos if info.is_candidate and not info.refusal]
    for vehicle in sorted({info.vehicle for info in usable}):
        of_vehicle = [info for info in usable if info.vehicle == vehicle]
        best = min(_rank(info) for info in of_vehicle)
        for side in SIDES:
            here = [info for info in of_vehicle if info.place.side == side]
            if best < FALLBACK_RANK:
                here = [info for info in here if _rank(info) < FALLBACK_RANK]
            if here:
                place = min(here, key=_rank).place
                positions.append(_position(vehicle, side, [info for info in here if info.place == place]))
    return positions


def _rank(info: ChannelInfo) -> int:
    assert info.place.rank is not None, "only candidates are ranked"
    return info.place.rank


def _position(vehicle: int, side: str, at_place: list[ChannelInfo]) -> Position:
    """Main and safing channel among the usable ones at one place."""
    primary = [info for info in at_place if info.redundancy == PRIMARY]
    redundant = [info for info in at_place if info.redundancy == REDUNDANT]
    main, safing = (primary or redundant)[0], (redundant or primary)[0]
    remarks = []
    if not primary:
        remarks.append("no usable primary transducer here: the redundant one stands in")
    if main is safing:
        remarks.append("main and safing counts come from the same transducer: they are not independent evidence")
    for info in at_place:
        if info not in (main, safing):
            remarks.append(f"{info.name} at the same place was not used")
    return Position(vehicle, side, main, safing, tuple(remarks))


def recording_events(recording: Recording, sensors: SensorPair, rule: RttfRule) -> list[Event]:
    """The events of a recording: one for each vehicle and side that has a usable channel.

    Counts are those of a nominal sensor without added noise, of the signal with its offset taken off. The
    required time to fire comes from the CFC 60 signal from contact on, and only for events that must fire.

    Parameters
    ----------
    recording : Recording
    sensors : SensorPair
    rule : RttfRule

    Returns
    -------
    list of Event
        Not empty; each says in ``provenance`` what was used, what was refused and what was done.

    Raises
    ------
    ChannelError
        No channel of a vehicle's occupant compartment is usable; the message gives each refusal.
    SignalError
        Too few samples before contact, or a rate too low for the sensors.
    """
    refused = [*recording.refused, *(c.info for c in recording.channels if c.info.refusal)]
    positions = choose_positions([channel.info for channel in recording.channels])
    if not positions:
        reasons = "; ".join(f"{info.name} ({info.place.code}): {info.refusal}" for info in refused if info.is_candidate)
        raise ChannelError(
            f"{recording.name}: no usable longitudinal acceleration of an occupant compartment"
            + (f"; refused: {reasons}" if reasons else "; the recording lists none")
            + " (a channel that is none can stand in: state stand_in_g_per_unit in the map)"
        )
    return [_event(recording, position, refused, sensors, rule) for position in positions]


def _event(
    recording: Recording, position: Position, refused: Iterable[ChannelInfo], sensors: SensorPair, rule: RttfRule
) -> Event:
    """The event of one position."""
    vehicle = next(vehicle for vehicle in recording.vehicles if vehicle.number == position.vehicle)
    main, safing = recording.channel(position.main.name), recording.channel(position.safing.name)
    remarks = list(position.remarks)
    if (main.rate_hz, main.t0_s) == (safing.rate_hz, safing.t0_s) and main.values.size != safing.values.size:
        n_both = min(main.values.size, safing.values.size)
        remarks.append(f"the first {n_both} samples used, which {main.info.name} and {safing.info.name} both have")
        main, safing = (Channel(c.info, c.values[:n_both], c.rate_hz, c.t0_s) for c in (main, safing))
    elif (main.rate_hz, main.t0_s) != (safing.rate_hz, safing.t0_s):
        remarks.append(f"{safing.info.name} has another time axis than {main.info.name} and was not used")
        safing = main
    decel, offset_done = main.without_offset()
    said = [
        f"{recording.source}: {recording.name} ({recording.kind})",
        *(f"{key}: {value}" for key, value in recording.facts),
        f"vehicle {vehicle.number}: {vehicle.name}"
        + ("" if math.isnan(vehicle.mass_kg) else f", {vehicle.mass_kg:g} kg"),
        f"main sensor at the {position.side}: {_told(main.info)}; {offset_done}",
    ]
    if safing is main:
        seen_by_safing = decel
    else:
        seen_by_safing, offset_done = safing.without_offset()
        said.append(f"safing sensor: {_told(safing.info)}; {offset_done}")
    said += remarks
    said += _quality_said(recording, main, safing)
    main_lsb, safing_lsb = _counts(decel, sensors, "main"), _counts(seen_by_safing, sensors, "safing")
    said += _limit_said("main", main_lsb, sensors.main) + _limit_said("safing", safing_lsb, sensors.safing)
    said += [
        f"refused {info.name} ({info.place.code} {info.axis}): {info.refusal}"
        for info in refused
        if info.is_candidate and info.vehicle == vehicle.number
    ]
    rttf_s = math.nan
    if vehicle.label == MUST_FIRE:
        rttf_s, how = required_ttf(decel, main.info.filter_class, rule)
        said.append(how)
    said += [
        f"label {vehicle.label}: {vehicle.label_source}",
        "counts: nominal sensors, no noise added",
        "files: " + ", ".join(f"{name} sha256 {digest}" for name, digest in recording.files),
    ]
    return Event(
        name=f"{recording.name}_{vehicle.number}_{position.side}",
        mode=recording.mode,
        source=recording.source,
        label=vehicle.label,
        rttf_s=rttf_s,
        speed_kmh=recording.speed_kmh,
        first_sample_s=decel.t0_s,
        main_lsb=main_lsb,
        safing_lsb=safing_lsb,
        provenance="\n".join(said),
        physical_decel_g=decel.decel_g,
        physical_rate_hz=decel.rate_hz,
    )


def _counts(trace: Trace, sensors: SensorPair, which: str) -> Counts:
    """Counts of one sensor; errors name the channel and the sensor."""
    spec = sensors.main if which == "main" else sensors.safing
    try:
        counts = sense_trace(trace, spec)
    except SignalError as error:
        raise SignalError(f"{trace.name} as {which} sensor: {error}") from error
    if counts.size == 0:
        raise SignalError(f"{trace.name} as {which} sensor: is too short for a single count")
    return counts


def required_ttf(trace: Trace, filter_class: int, rule: RttfRule) -> tuple[float, str]:
    """Required time to fire of a measured event, and a sentence on how it was found.

    Parameters
    ----------
    trace : Trace
        The compartment's acceleration, offset removed, with time zero at first contact.
    filter_class : int
        CFC that it was already filtered with; 0 is none.
    rule : RttfRule

    Returns
    -------
    tuple of (float, str)
        Seconds from contact, NaN if nothing is ever required; and the sentence.

    Raises
    ------
    SignalError
        The trace ends before contact.
    """
    if 0 < filter_class <= LABEL_CFC:
        filtered, basis = trace, f"the signal, already of CFC {filter_class}"
    else:
        filtered, basis = cfc(trace, LABEL_CFC), f"the CFC {LABEL_CFC} signal"
    from_contact = int(np.searchsorted(filtered.time_s, -1e-9))
    if from_contact >= filtered.accel_g.size - 1:
        raise SignalError(f"{trace.name}: ends before contact, so a required time to fire cannot be found")
    after_contact = filtered.decel_g[from_contact:]
    first_s = max(0.0, float(filtered.time_s[from_contact]))
    rttf_s = first_s + float(required_ttf_s(after_contact, 1.0 / filtered.rate_hz, rule))
    if math.isnan(rttf_s):
        return rttf_s, f"no required time to fire: {rule.distance_m:g} m of free flight is never reached"
    return rttf_s, (
        f"required time to fire {1e3 * rttf_s:.1f} ms: free flight over {rule.distance_m:g} m in {basis},"
        f" less {1e3 * rule.inflation_s:g} ms"
    )


def _told(info: ChannelInfo) -> str:
    """One phrase on a channel for provenance."""
    parts = [f"{info.name}, {info.place.code} {info.axis}, {info.redundancy}"]
    parts += [info.sensor_id] if info.sensor_id else []
    parts += [] if math.isnan(info.prefilter_hz) else [f"pre-filter {info.prefilter_hz:g} Hz"]
    parts += [f"already of CFC {info.filter_class}"] if info.filter_class else []
    parts += [f'"{info.description}"'] if info.description else []
    parts += [info.stands_in] if info.stands_in else []
    return ", ".join(parts)


def quality_lines(info: ChannelInfo, twin: str | None = None) -> list[str]:
    """What is known of a channel's health, one sentence a line; what the source says comes first.

    Parameters
    ----------
    info : ChannelInfo
    twin : str or None
        Name of an earlier channel with the same samples.
    """
    lines = [f"status {info.status}"] if info.status else []
    lines += info.notes
    lines += [f"same samples as {twin}: one of them is a copy"] if twin else []
    return lines


def quality_of(event: Event) -> list[str]:
    """The lines of an event's provenance that speak of quality, without their common start."""
    return [line.removeprefix(QUALITY) for line in event.provenance.splitlines() if line.startswith(QUALITY)]


def duplicates(channels: Sequence[Channel]) -> dict[str, str]:
    """Name of each of ``channels`` whose samples equal those of an earlier one, with the name of that one."""
    first: dict[tuple[float, float, bytes], str] = {}
    twins = {}
    for channel in channels:
        key = (channel.rate_hz, channel.t0_s, channel.values.tobytes())
        if (earlier := first.setdefault(key, channel.info.name)) != channel.info.name:
            twins[channel.info.name] = earlier
    return twins


def _quality_said(recording: Recording, main: Channel, safing: Channel) -> list[str]:
    """Lines of provenance on the channels that an event uses."""
    twins = duplicates(recording.channels)
    said = []
    for channel in (main,) if safing is main else (main, safing):
        lines = quality_lines(channel.info, twins.get(channel.info.name)) or ["nothing stated, nothing found"]
        said += [f"{QUALITY}{channel.info.name}: {line}" for line in lines]
    return said


def _limit_said(which: str, counts: Counts, spec: SensorSpec) -> list[str]:
    """A line on counts that the stand-in sensor itself clips."""
    n_clipped = int((np.abs(counts.astype(np.int64)) >= spec.clamp_lsb).sum())
    if not n_clipped:
        return []
    return [f"{QUALITY}{which} counts: {n_clipped} at the sensor's limit of {float(spec.lsb) * spec.clamp_lsb:g} g"]
