"""What a person adds to a recording that its file does not say: ``--map FILE.toml``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from crumple.config import STRICT, build, read_toml
from crumple.errors import ConfigError
from crumple.signals.events import LABELS, MUST_FIRE, UNLABELLED
from crumple.signals.recording import Recording

ACCELERATION_UNITS = ("g", "m/s^2")


@dataclass(frozen=True, slots=True)
class CsvChannel:
    """What one column of a table or one channel of a file holds; the reader names what is missing.

    A file that says itself what its channels are (NHTSA EV5, ISO-MME) takes only ``column`` (its name for the
    channel), ``valid_until_ms`` and ``stand_in_g_per_unit``.
    """

    __pydantic_config__ = STRICT
    column: Annotated[str | None, Field(min_length=1, description="name in the header, or number from 1")] = None
    unit: Annotated[
        str | None, Field(min_length=1, max_length=20, description="g or m/s^2; any other one stands in")
    ] = None
    polarity: Annotated[Literal["j211", "positive-deceleration"] | None, Field(description="sign")] = None
    axis: Annotated[Literal["X", "Y", "Z", "R"] | None, Field(description="SAE J211 axis")] = None
    side: Annotated[Literal["left", "right", "centre", "none"] | None, Field(description="of the compartment")] = None
    place: Annotated[str | None, Field(min_length=1, description="where the sensor sits, in words")] = None
    filter_class: Annotated[Literal[0, 60, 180, 600, 1000] | None, Field(description="CFC already applied")] = None
    offset: Annotated[Literal["pretrigger", "median", "none"] | None, Field(description="how zero is found")] = None
    clips_at: Annotated[float | None, Field(gt=0, description="limit of the sensor, in the column's unit")] = None
    valid_until_ms: Annotated[float | None, Field(description="no valid data after, in ms from contact")] = None
    stand_in_g_per_unit: Annotated[
        float | None,
        Field(gt=0, le=1e6, description="let it stand in for the car's longitudinal sensor, so many g a unit; 1 for g"),
    ] = None

    def __post_init__(self) -> None:
        if self.unit not in (None, *ACCELERATION_UNITS) and self.stand_in_g_per_unit is None:
            raise ConfigError(
                f"unit = {self.unit!r}: expected one of {', '.join(ACCELERATION_UNITS)}; a signal of another unit can"
                " only stand in for an acceleration: state stand_in_g_per_unit"
            )
        if self.unit in ACCELERATION_UNITS and self.stand_in_g_per_unit not in (None, 1.0):
            raise ConfigError(
                f"stand_in_g_per_unit = {self.stand_in_g_per_unit:g}: an acceleration stands in as it is; state 1.0"
            )


@dataclass(frozen=True, slots=True)
class CsvMap:
    """How a text table is laid out."""

    __pydantic_config__ = STRICT
    delimiter: Annotated[Literal["comma", "semicolon", "tab", "space"] | None, Field(description="between columns")] = (
        None
    )
    decimal: Annotated[Literal[".", ","], Field(description="decimal mark")] = "."
    header_lines: Annotated[int | None, Field(ge=0, le=1000, description="lines before the first sample")] = None
    complete_without_line_end: Annotated[bool, Field(description="the last line is whole though it has no end")] = False
    time_column: Annotated[str | None, Field(min_length=1, description="name or number of the time column")] = None
    time_unit: Annotated[Literal["s", "ms", "us", "ns"] | None, Field(description="unit of the time column")] = None
    contact_time: Annotated[float | None, Field(description="time column at first contact, in its unit")] = None
    rate_hz: Annotated[float | None, Field(gt=0, le=1e7, description="where there is no time column")] = None
    first_sample_s: Annotated[float | None, Field(description="time of the first sample from contact")] = None
    resample_hz: Annotated[float | None, Field(gt=0, le=1e5, description="rate to bring the samples to")] = None
    longest_gap_s: Annotated[float | None, Field(gt=0, description="longest gap bridged by a straight line")] = None
    repeated_times: Annotated[Literal["mean"] | None, Field(description="what stands for samples of one time")] = None
    channels: tuple[CsvChannel, ...] = ()


@dataclass(frozen=True, slots=True)
class DataMap:
    """What files of binary numbers (TDMS, MDF4, IDE, npy, xls) leave open; a reader names what is missing.

    A channel's ``column`` is its name as the reader lists it, or for npy and sheets without a header its column
    from 1.
    """

    __pydantic_config__ = STRICT
    contact_time: Annotated[float | None, Field(description="the file's clock at first contact, in time_unit")] = None
    time_unit: Annotated[Literal["s", "ms", "us", "ns"] | None, Field(description="unit of the clock")] = None
    time_column: Annotated[str | None, Field(min_length=1, description="channel that holds the times")] = None
    time_file: Annotated[str | None, Field(pattern=r"^[^/\\\x00]+$", description="npy of times beside this one")] = None
    sheet: Annotated[str | None, Field(min_length=1, description="sheet of a workbook, by name")] = None
    header_lines: Annotated[int | None, Field(ge=0, le=1000, description="rows of a sheet before samples")] = None
    rate_hz: Annotated[float | None, Field(gt=0, le=1e7, description="where no times are stored")] = None
    first_sample_s: Annotated[float | None, Field(description="time of the first sample from contact")] = None
    use_samples: Annotated[int | None, Field(ge=2, description="only the first so many hold the signal")] = None
    resample_hz: Annotated[float | None, Field(gt=0, le=1e5, description="rate to bring the samples to")] = None
    longest_gap_s: Annotated[float | None, Field(gt=0, description="longest gap bridged by a straight line")] = None
    repeated_times: Annotated[Literal["mean"] | None, Field(description="what stands for samples of one time")] = None
    channels: tuple[CsvChannel, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordingMap:
    """Statements about a recording; each overrides nothing that the file itself states."""

    __pydantic_config__ = STRICT
    label: Annotated[str | None, Field(description="must_fire, no_fire, grey or unlabelled")] = None
    label_source: Annotated[str | None, Field(min_length=1, description="how the label is known")] = None
    impact_speed_kmh: Annotated[float | None, Field(ge=0, le=500, description="closing speed at contact")] = None
    mode: Annotated[str | None, Field(pattern="^[a-z0-9_]+$", description="what happened, where the file is mute")] = (
        None
    )
    vehicle: Annotated[str | None, Field(min_length=1, description="vehicle, where the file is mute")] = None
    csv: CsvMap | None = None
    data: DataMap | None = None

    def __post_init__(self) -> None:
        if self.label is not None and self.label not in LABELS:
            raise ConfigError(f"label = {self.label!r}: expected one of {', '.join(LABELS)}")
        if self.label not in (None, UNLABELLED) and self.label_source is None:
            raise ConfigError('label_source is missing: say how the label is known, such as label_source = "film"')


def read_map(path: Path) -> RecordingMap:
    """A map from the TOML file at ``path``. Raises ConfigError naming the file and the key."""
    return build(RecordingMap, read_toml(path), where=str(path))


def with_statements(recording: Recording, mapping: RecordingMap | None) -> Recording:
    """The ``recording`` with the label and speed of ``mapping``, where its own file says neither.

    Raises
    ------
    ConfigError
        The map contradicts what the file itself says, or lets a channel stand in for an event that must fire.
    """
    if mapping is None:
        return recording
    result = recording
    if mapping.label is not None:
        source = f"stated in the map: {mapping.label_source or 'not known'}"
        vehicles = []
        for vehicle in recording.vehicles:
            if vehicle.label not in ("unlabelled", mapping.label):
                raise ConfigError(
                    f"map: label = {mapping.label!r}, but the file says {vehicle.label!r} for vehicle"
                    f" {vehicle.number} ({vehicle.label_source}); take the label out of the map"
                )
            vehicles.append(replace(vehicle, label=mapping.label, label_source=source))
        result = replace(result, vehicles=tuple(vehicles))
    if mapping.impact_speed_kmh is not None:
        if recording.speed_kmh == recording.speed_kmh and recording.speed_kmh != mapping.impact_speed_kmh:
            raise ConfigError(
                f"map: impact_speed_kmh = {mapping.impact_speed_kmh:g}, but the file says"
                f" {recording.speed_kmh:g}; take it out of the map"
            )
        result = replace(result, speed_kmh=mapping.impact_speed_kmh)
    standing = [channel.info for channel in result.channels if channel.info.stands_in]
    for vehicle in result.vehicles:
        if vehicle.label == MUST_FIRE and any(info.vehicle == vehicle.number for info in standing):
            raise ConfigError(
                f"map: channel {standing[0].name!r} only stands in for a sensor of vehicle {vehicle.number}, which is"
                " labelled must_fire: a required time to fire cannot be computed from it; take stand_in_g_per_unit out"
            )
    return result
