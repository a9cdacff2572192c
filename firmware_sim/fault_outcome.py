"""What became of an event with a fault in it, and why."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .replay import MODES, TROUBLES
from .scenes import CRASH, Scene

HARMLESS, DETECTED, OMITTED, UNINTENDED = "harmless", "detected", "omitted fire", "unintended fire"
OUTCOMES = (HARMLESS, DETECTED, OMITTED, UNINTENDED)
"""In the order of severity. Harmless: decided as without the fault, no trouble code. Detected: the same, with one."""

PULSE_SAMPLES_MS = 2
UNEXPLAINED = "not explained"


def outcomes(scene: Scene, results: NDArray[Any], *, shift: int = 0) -> NDArray[np.uint8]:
    """Outcome of each faulty run of a scene.

    A crash must fire: the first stage with its whole profile, not before contact and not after the required time, and
    the second with its whole profile if it has it without the fault. All else must carry no current at all.

    Parameters
    ----------
    scene : Scene
    results : ndarray of ``inject.RESULT_DTYPE``, shape (n_runs,)
    shift : int
        Samples that were put before the scene.

    Returns
    -------
    ndarray of uint8, shape (n_runs,)
        Indices into ``OUTCOMES``.
    """
    stage, full = results["stage"], results["full"]
    found = np.where(results["noticed"] >= 0, OUTCOMES.index(DETECTED), OUTCOMES.index(HARMLESS)).astype(np.uint8)
    fired = (stage >= 0).any(axis=1)
    if scene.event_class != CRASH:
        found[fired] = OUTCOMES.index(UNINTENDED)
        return found
    assert scene.contact is not None
    assert scene.required is not None
    pulse = PULSE_SAMPLES_MS * scene.rate_hz // 1000
    needed = [True, bool((scene.expected["current_ma"][:, 1] > 0).any())]
    whole = [(stage[:, k] >= 0) & (full[:, k] >= pulse) if needed[k] else np.ones(len(stage), bool) for k in (0, 1)]
    in_time = whole[0] & (stage[:, 0] <= scene.required + shift)
    found[~(in_time & whole[1])] = OUTCOMES.index(OMITTED)
    early = np.where(stage >= 0, stage, np.iinfo(np.int32).max).min(axis=1) < scene.contact + shift
    found[fired & early] = OUTCOMES.index(UNINTENDED)
    return found


def trouble_names(bits: int) -> list[str]:
    """Names of the trouble codes in ``bits``."""
    return [name for k, name in enumerate(TROUBLES) if bits >> k & 1]


def explanation(scene: Scene, result: Any, outcome: str, *, shift: int = 0) -> str:
    """Which mechanism made a run end in an omitted or an unintended fire.

    Parameters
    ----------
    scene : Scene
    result : record of ``inject.RESULT_DTYPE``
    outcome : str
        ``omitted fire`` or ``unintended fire``.
    shift : int
        Samples that were put before the scene.

    Returns
    -------
    str
        ``UNEXPLAINED`` if no known mechanism fits: a goal is then missed.
    """
    stage = [int(k) for k in result["stage"]]
    if outcome == UNINTENDED:
        return _unintended(scene, result, stage)
    troubles = trouble_names(int(result["trouble"]))
    codes = " and ".join(repr(name) for name in troubles)
    if stage[0] < 0:
        return _never(result, troubles, codes)
    full = [int(k) for k in result["full"]]
    pulse = PULSE_SAMPLES_MS * scene.rate_hz // 1000
    if full[0] < pulse:
        if result["reset"] >= 0:
            return f"a reset by {codes} cuts the current of the first stage; the unit is locked"
        return f"loop 1 cannot carry the profile: {codes}" if codes else UNEXPLAINED
    assert scene.required is not None
    if stage[0] > scene.required + shift:
        return _late(result, stage[0], codes)
    if stage[1] < 0 and result["reset"] >= 0:
        return f"a reset by {codes} between the stages; the unit is locked and the second stage stays off"
    if stage[1] < 0 and "loop 2" in troubles:
        return "loop 2 is shorted and inhibited: the first stage fires, the second does not"
    if full[1] < pulse and result["reset"] >= 0:
        return f"a reset by {codes} cuts the current of the second stage"
    if full[1] < pulse and "weak current" in troubles:
        return f"loop 2 cannot carry the profile: {codes}"
    return UNEXPLAINED


def _unintended(scene: Scene, result: Any, stage: list[int]) -> str:
    armed_anyway = bool(scene.expected["armed"].any())
    requested_anyway = bool(scene.expected["fire_request"].any())
    if scene.event_class == CRASH:
        return "fires before contact: request and arming hold by then"
    if min(k for k in stage if k >= 0) < int(result["both"]) or result["both"] < 0:
        return "current without a request while armed: not by the decision"
    if armed_anyway and not requested_anyway:
        return (
            "the event arms, as it does without the fault, what the main path reads makes the net request, and the"
            " sensors differ by no more than healthy ones may"
        )
    if requested_anyway and not armed_anyway:
        return (
            "the net requests, as it does without the fault, what the safing path reads arms, and the sensors differ"
            " by no more than healthy ones may"
        )
    return "the fault makes the net request and the safing path arm"


def _never(result: Any, troubles: list[str], codes: str) -> str:
    mode = MODES[int(result["mode"])]
    if mode == "FAULT":
        return f"{codes} leads to FAULT, which inhibits firing until a reset"
    if "loop 1" in troubles and result["both"] >= 0:
        return "loop 1 is shorted and inhibited"
    if result["reset"] >= 0:
        return f"resets by {codes}: no decision until INIT has filled the windows again"
    if result["request"] < 0 and result["arming"] < 0:
        return "neither request nor arming"
    if result["request"] < 0:
        return "the net never requests: what the main path reads shows it no crash"
    if result["arming"] < 0:
        return "never armed: what the safing path reads shows no crash"
    if result["both"] < 0 and result["held"] >= 0:
        return "the sensors disagree while the net requests and the safing path arms"
    if result["both"] < 0:
        return "request and arming never hold in one sample"
    return UNEXPLAINED


def _late(result: Any, fire: int, codes: str) -> str:
    if 0 <= result["reset"] < fire:
        return f"late: no decision after a reset by {codes} until INIT has filled the windows again"
    if result["both"] == fire:
        if 0 <= result["held"] < fire:
            return "late: the sensors disagree until then"
        if result["request"] == fire:
            return "late: what the main path reads makes the net request late"
        if result["arming"] == fire:
            return "late: what the safing path reads arms late"
        return "late: request and arming hold in one sample only then"
    return UNEXPLAINED
