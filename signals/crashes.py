"""Crash modes: a fleet driven into walls, honeycomb, trolleys, poles, trailers and other cars.

Labels follow from mode and speed by a stated table, required times from the pulse by the free-flight rule.
Below the no-fire speed of a mode nothing may fire; above its must-fire speed it must; in between either is allowed.

The ranges of speed that are driven are those of usual calibration programmes, and to be read as assumed.

Every mode draws ``n_events`` events from ``rng``, an event lasts ``duration_s`` seconds from its first sample,
``speed_kmh`` is the car's own speed, ``decel_g`` its deceleration from first contact, and ``rttf_s`` the required time
to fire in seconds from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from crumple.config import STRICT
from crumple.units import KMH_PER_MPS

from . import structures
from .batch import (
    DT_S,
    DURATION_S,
    GREY,
    MUST_FIRE,
    NO_FIRE,
    PRETRIGGER_S,
    STAGE_1,
    STAGE_2,
    Batch,
    after_contact,
    n_after,
)
from .criteria import RttfRule, required_ttf_s
from .crush import PLATFORM, Collision, Fleet, Loading, angled, collide, contacts_m, loading
from .ringing import ringing_g
from .structures import Structure
from .trace import Float

MPH = 1.609344
"""km/h."""

STAGE_2_ABOVE = 18.0 / 16.0
"""Both stages must fire from 18 mph where one must from 16 mph (rigid wall, usual grey zone 14-18 mph); assumed."""


@dataclass(frozen=True, slots=True)
class CrashMode:
    """One way to crash.

    The speed is that of the car; where the partner moves too, ``partner_speed_ratio`` times it comes the other way.
    """

    __pydantic_config__ = STRICT
    structure: Structure
    no_fire_kmh: Annotated[float, Field(ge=0, description="must not fire up to here; from ``source``")]
    must_fire_kmh: Annotated[float, Field(gt=0, description="must fire from here; from ``source``")]
    source: Annotated[str, Field(description="where label speeds and the partner come from")]
    roughness: Annotated[
        float, Field(ge=0, description="ringing relative to the rigid wall; from band RMS, else assumed")
    ] = 1.0
    partner: Structure | None = None
    partner_mass_kg: Annotated[tuple[float, float] | None, Field(description="free to move; ``source``")] = None
    partner_speed_ratio: Annotated[float, Field(ge=-1, le=1, description="partner over car; from ``source``")] = 0.0
    angle_reach_m: Annotated[float, Field(ge=0, description="crush until all of an oblique wall is met; assumed")] = 0.0
    lateral_share: Annotated[
        float, Field(ge=0, le=1, description="lateral over longitudinal acceleration; assumed")
    ] = 0.0


RIGID = CrashMode(
    structure=structures.FULL_WIDTH,
    no_fire_kmh=8 * MPH,
    must_fire_kmh=16 * MPH,
    source="no-fire 8 mph is usual; must-fire belted 16 mph (IIHS text); between them grey",
)
ANGULAR = CrashMode(
    structure=structures.FULL_WIDTH,
    no_fire_kmh=15.0,
    must_fire_kmh=18 * MPH,
    source="calibration programmes demand 18 mph; no-fire assumed. Reach:"
    " 1.13 m between the rails' outer edges, tan 30 degrees",
    roughness=0.7,
    angle_reach_m=0.65,
    lateral_share=0.45,
)
OFFSET_DEFORMABLE = CrashMode(
    structure=structures.OFFSET,
    no_fire_kmh=16.0,
    must_fire_kmh=40.0,
    source="25 mph must-fire of out-of-position rules; no-fire: insurance test 15 (+1) km/h",
    roughness=0.35,
    partner=structures.HONEYCOMB,
    lateral_share=0.15,
)
MOVING_BARRIER = CrashMode(
    structure=structures.OFFSET,
    no_fire_kmh=13.0,
    must_fire_kmh=35.0,
    source="50 + 50 km/h, trolley 1400 kg; label speeds assumed from the offset barrier",
    roughness=0.35,
    partner=structures.PROGRESSIVE_FACE,
    partner_mass_kg=(1390.0, 1410.0),
    partner_speed_ratio=1.0,
    lateral_share=0.15,
)
SMALL_OVERLAP = CrashMode(
    structure=structures.SMALL_OVERLAP,
    no_fire_kmh=20.0,
    must_fire_kmh=50.0,
    source="64 km/h must fire (IIHS test); label speeds assumed",
    roughness=0.4,
    lateral_share=0.4,
)
CENTRE_POLE = CrashMode(
    structure=structures.POLE,
    no_fire_kmh=15.0,
    must_fire_kmh=48.0,
    source="30 mph fire, 15-20 mph grey in calibration programmes; no-fire assumed",
    roughness=0.4,
)
UNDERRIDE = CrashMode(
    structure=structures.UNDERRIDE,
    no_fire_kmh=20.0,
    must_fire_kmh=40.0,
    source="20-35 mph fire in calibration programmes; taken at its upper end, 40 km/h; no-fire assumed",
    roughness=0.15,
)
CAR_TO_CAR = CrashMode(
    structure=structures.SMALL_OVERLAP,
    no_fire_kmh=13.0,
    must_fire_kmh=40.0,
    source="50-56 km/h each must fire; 16-28 mph into a parked car is the published grey band; rest assumed. The rails"
    " miss each other, as in NHTSA test 7292",
    roughness=0.35,
    partner=structures.SMALL_OVERLAP,
    partner_mass_kg=(1150.0, 2350.0),
    partner_speed_ratio=1.0,
    lateral_share=0.2,
)
REAR_END_BULLET = CrashMode(
    structure=structures.FULL_WIDTH,
    no_fire_kmh=15.0,
    must_fire_kmh=70.0,
    source="15-25 km/h into a standing car: no-fire or grey in calibration programmes; must-fire assumed",
    roughness=0.25,
    partner=structures.REAR_END,
    partner_mass_kg=(1150.0, 2350.0),
)
INSURANCE = CrashMode(
    structure=structures.OFFSET,
    no_fire_kmh=16.0,
    must_fire_kmh=34.0,
    source="repair test 15 (+1) km/h, 40 %, 10 degrees, rigid: no-fire; fire at 34 km/h (Berg et al., 40 % rigid)",
    roughness=0.6,
    angle_reach_m=0.10,
    lateral_share=0.1,
)


@dataclass(frozen=True, slots=True)
class Impact:
    """A fleet driven into something: the rigid-body motion, and what the tunnel feels."""

    body: Collision
    decel_g: Float
    """float32, shape (n_cars, n_samples), from first contact, ringing included."""
    partner_decel_g: Float
    """The partner's rigid-body deceleration, shape as above; empty where it cannot move."""


def impact(
    fleet: Fleet, mode: CrashMode, speed_mps: Float, rng: np.random.Generator, *, n_samples: int, dt_s: float
) -> Impact:
    """Drive a fleet in a mode at given speeds.

    Parameters
    ----------
    fleet : Fleet
    mode : CrashMode
    speed_mps : ndarray, shape (n_cars,)
    rng : Generator
        Draws the partner, if there is one: mass and force scale. The car itself is not drawn again.
    n_samples : int
    dt_s : float
    """
    n_cars = len(fleet)
    partner_kg: Float | None = None
    partner_scale: Float | None = None
    if mode.partner is not None:
        partner_scale = np.exp(np.clip(rng.normal(0.0, 0.10, n_cars), -0.25, 0.25))
    if mode.partner_mass_kg is not None:
        partner_kg = rng.uniform(*mode.partner_mass_kg, n_cars)
    load: Loading = loading(fleet, mode.structure, mode.partner, partner_scale)
    if mode.angle_reach_m:
        load = angled(load, mode.angle_reach_m)
    closing_mps = speed_mps * (1.0 + mode.partner_speed_ratio)
    body = collide(
        load,
        fleet.mass_kg,
        partner_kg,
        closing_mps,
        fleet.restitution(closing_mps),
        contacts_m(fleet, mode.structure),
        n_samples=n_samples,
        dt_s=dt_s,
    )
    n_contacts = body.contact_s.shape[1]
    blows = mode.roughness * body.contact_mps[:, :, None] * fleet.mode_gain_g_s_per_m[:, None, :]
    decel_g = body.decel_g + ringing_g(
        blows * fleet.excitation[:, :n_contacts],
        fleet.mode_hz,
        fleet.mode_damping,
        np.where(body.contact_mps > 0, body.contact_s, 0.0),
        n_samples=n_samples,
        dt_s=dt_s,
    )
    partner = np.zeros((0, 0)) if partner_kg is None else body.decel_g * (fleet.mass_kg / partner_kg)[:, None]
    return Impact(body, decel_g, partner)


def label(mode: CrashMode, speed_kmh: float, rttf_s: float) -> tuple[str, str]:
    """Label and severity of one crash; a crash that gives the rule nothing to time is grey at most."""
    if speed_kmh <= mode.no_fire_kmh:
        return NO_FIRE, NO_FIRE
    if speed_kmh < mode.must_fire_kmh or not np.isfinite(rttf_s):
        return GREY, GREY
    return MUST_FIRE, STAGE_2 if speed_kmh >= STAGE_2_ABOVE * mode.must_fire_kmh else STAGE_1


def crash(
    mode: CrashMode,
    kmh: tuple[float, float],
    n_events: int,
    rng: np.random.Generator,
    rule: RttfRule,
    duration_s: float = DURATION_S,
) -> Batch:
    """Draw variants of one vehicle and drive them in a mode, speeds uniform over ``kmh``."""
    fleet = Fleet.drawn(n_events, rng, PLATFORM)
    speed_kmh = rng.uniform(*kmh, n_events)
    hit = impact(fleet, mode, speed_kmh / KMH_PER_MPS, rng, n_samples=n_after(duration_s), dt_s=DT_S)
    return labelled(mode, speed_kmh, hit.decel_g, rule)


def labelled(mode: CrashMode, speed_kmh: Float, decel_g: Float, rule: RttfRule) -> Batch:
    """A batch from decelerations that start at first contact."""
    required_s = required_ttf_s(decel_g, DT_S, rule)
    labels, severities = zip(*(label(mode, v, t) for v, t in zip(speed_kmh, required_s, strict=True)), strict=True)
    seen_g = after_contact(decel_g)
    return Batch(
        decel_g=seen_g,
        labels=labels,
        rttf_s=np.where(np.array(labels) == MUST_FIRE, required_s, np.nan),
        speed_kmh=speed_kmh,
        severities=severities,
        contact_s=np.full(speed_kmh.size, PRETRIGGER_S),
        cross_g=seen_g * np.float32(mode.lateral_share) if mode.lateral_share else np.zeros((0, 0), dtype=np.float32),
    )


def rigid_barrier(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """Full-width rigid barrier, 26 to 64 km/h (16 mph, belted must-fire, and up): must fire."""
    return crash(RIGID, (26.0, 64.0), n_events, rng, rule)


def offset_barrier(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """40 % offset deformable barrier, 40 to 64 km/h: must fire, soft onset."""
    return crash(OFFSET_DEFORMABLE, (40.0, 64.0), n_events, rng, rule)


def low_speed_bump(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """Rigid wall at 2.5 km/h to the 8 mph wall (parking bump to insurance damage): must not fire."""
    return crash(RIGID, (2.5, RIGID.no_fire_kmh), n_events, rng, rule)


def rigid_wall_8mph(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """Full-width rigid wall at 7.5 to 8 mph, the usual no-fire design point."""
    return crash(RIGID, (7.5 * MPH, RIGID.no_fire_kmh), n_events, rng, rule)


def rigid_threshold(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """Full-width rigid wall between 8 and 16 mph: the grey zone of the calibration ladder."""
    return crash(RIGID, (8.01 * MPH, 15.99 * MPH), n_events, rng, rule)


def angular_barrier(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """30 degree angular rigid wall, 8 to 64 km/h, labelled by speed."""
    return crash(ANGULAR, (8.0, 64.0), n_events, rng, rule)


def offset_ladder(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """40 % offset deformable barrier from 8 to 40 km/h: no-fire, then grey."""
    return crash(OFFSET_DEFORMABLE, (8.0, 39.9), n_events, rng, rule)


def moving_barrier(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """Progressive deformable trolley of 1400 kg, both at 8 to 56 km/h, labelled by speed."""
    return crash(MOVING_BARRIER, (8.0, 56.0), n_events, rng, rule)


def small_overlap(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """25 % rigid small overlap, 8 to 64.4 km/h, labelled by speed."""
    return crash(SMALL_OVERLAP, (8.0, 64.4), n_events, rng, rule)


def centre_pole(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """Centre pole, 8 to 64 km/h, labelled by speed."""
    return crash(CENTRE_POLE, (8.0, 64.0), n_events, rng, rule)


def underride(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """Hood under a truck bed or trailer, 8 to 64 km/h, labelled by speed."""
    return crash(UNDERRIDE, (8.0, 64.0), n_events, rng, rule)


def car_to_car(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """Head-on against another car, half overlap, both at 8 to 56 km/h, labelled by speed."""
    return crash(CAR_TO_CAR, (8.0, 56.0), n_events, rng, rule)


def rear_end_bullet(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """Into the rear of a standing car at 15 to 25 km/h: grey."""
    return crash(REAR_END_BULLET, (15.01, 25.0), n_events, rng, rule)


def insurance_test(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """Insurance repair test: 15 to 16 km/h, 40 % overlap, 10 degree rigid barrier: must not fire."""
    return crash(INSURANCE, (15.0, 16.0), n_events, rng, rule)
