"""Every kind of synthetic event that a corpus plan may name, and the vocabulary that describes them.

Labels and required times come from the physics that made the event, never from a classifier. A mode's name seeds
it: renaming a mode draws other events, adding or moving one does not touch the rest.
"""

from __future__ import annotations

from . import crashes, misuse, road, sequences
from .batch import (
    DT_S,
    DURATION_S,
    GREY,
    LABELS,
    MUST_FIRE,
    NO_FIRE,
    PHYSICAL_RATE_HZ,
    PRETRIGGER_S,
    SEVERITIES,
    STAGE_1,
    STAGE_2,
    UNLABELLED,
    UNSTATED,
    Batch,
    Mode,
)

MODES: dict[str, Mode] = {
    # the five of the default plan
    "rigid_barrier": crashes.rigid_barrier,
    "offset_barrier": crashes.offset_barrier,
    "low_speed_bump": crashes.low_speed_bump,
    "rough_road": road.rough_road,
    "hammer": misuse.blow_mode(misuse.MISUSE["hammer"]),
    # other crashes
    "angular_barrier": crashes.angular_barrier,
    "moving_barrier": crashes.moving_barrier,
    "small_overlap": crashes.small_overlap,
    "centre_pole": crashes.centre_pole,
    "underride": crashes.underride,
    "car_to_car": crashes.car_to_car,
    # the grey zone and its lower edge
    "rigid_wall_8mph": crashes.rigid_wall_8mph,
    "rigid_threshold": crashes.rigid_threshold,
    "offset_ladder": crashes.offset_ladder,
    "insurance_test": crashes.insurance_test,
    "rear_end_bullet": crashes.rear_end_bullet,
    # roads
    "gravel_road": road.gravel_road,
    "belgian_blocks": road.belgian_blocks,
    "washboard": road.washboard,
    "transport": road.transport,
    # harsh driving, abuse
    **{name: misuse.blow_mode(spec) for name, spec in misuse.MISUSE.items() if name != "hammer"},
    "snow_bank": misuse.snow_bank,
    "abs_braking": misuse.abs_braking,
    # several things
    "braking_pothole": sequences.braking_pothole,
    "braking_kerb": sequences.braking_kerb,
    "misuse_twice": sequences.misuse_twice,
    "misuse_then_crash": sequences.misuse_then_crash,
    "double_impact": sequences.double_impact,
}
"""Every mode that a corpus plan may name."""

__all__ = [
    "DT_S",
    "DURATION_S",
    "GREY",
    "LABELS",
    "MODES",
    "MUST_FIRE",
    "NO_FIRE",
    "PHYSICAL_RATE_HZ",
    "PRETRIGGER_S",
    "SEVERITIES",
    "STAGE_1",
    "STAGE_2",
    "UNLABELLED",
    "UNSTATED",
    "Batch",
    "Mode",
]
