"""What a person adds to a recording that its file does not say: ``--map FILE.toml``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from crumple.config import STRICT, build, read_toml
from crumple.errors import ConfigError
from crumple.signals.events import LABELS
from crumple.signals.recording import Recording


@dataclass(frozen=True, slots=True)
class RecordingMap:
    """Statements about a recording; each overrides nothing that the file itself states."""

    __pydantic_config__ = STRICT
    label: Annotated[str | None, Field(description="must_fire, no_fire, grey or unlabelled")] = None
    label_source: Annotated[str | None, Field(min_length=1, description="how the label is known")] = None
    impact_speed_kmh: Annotated[float | None, Field(ge=0, le=500, description="closing speed at contact")] = None

    def __post_init__(self) -> None:
        if self.label is not None and self.label not in LABELS:
            raise ConfigError(f"label = {self.label!r}: expected one of {', '.join(LABELS)}")
        if self.label is not None and self.label_source is None:
            raise ConfigError('label_source is missing: say how the label is known, such as label_source = "film"')


def read_map(path: Path) -> RecordingMap:
    """A map from the TOML file at ``path``. Raises ConfigError naming the file and the key."""
    return build(RecordingMap, read_toml(path), where=str(path))


def with_statements(recording: Recording, mapping: RecordingMap | None) -> Recording:
    """The ``recording`` with the label and speed of ``mapping``, where its own file says neither.

    Raises
    ------
    ConfigError
        The map contradicts what the file itself says.
    """
    if mapping is None:
        return recording
    result = recording
    if mapping.label is not None:
        source = f"stated in the map: {mapping.label_source}"
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
    return result
