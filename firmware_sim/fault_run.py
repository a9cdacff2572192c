"""Cross every single fault with every scene, in pieces that can be done in any order and kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .fault_list import Sensor, spoilt
from .fault_outcome import DETECTED, HARMLESS, OMITTED, OUTCOMES, UNINTENDED, explanation, outcomes, trouble_names
from .inject import IMAGE_VERDICTS, Injector
from .recorder import Recorder
from .recorder_faults import DOWNLOAD, RECORDER, flipped, goal, summary
from .replay import Controller
from .scenes import MISUSE, Scene, after

BITS_A_PIECE = 4096
SPOILT_A_CALL = 64

STATE, PARAMETERS, IMAGE = "bits of the state", "bits of the parameters in memory", "bits of the parameter image"
SEQUENCES = "misuse before"


@dataclass(frozen=True, slots=True)
class Bench:
    """What every piece of the work needs.

    Attributes
    ----------
    controller : Controller
    injector : Injector
    recorder : Recorder
        All of the same library.
    scenes : tuple of Scene
    sensors : tuple of Sensor
        Main and safing.
    image : bytes
        The exported parameter image.
    seed : int
        Of noise and jitter.
    """

    controller: Controller
    injector: Injector
    recorder: Recorder
    scenes: tuple[Scene, ...]
    sensors: tuple[Sensor, Sensor]
    image: bytes
    seed: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the work: its ``name``, unique and stable, and what does it and returns ``rows`` as JSON values."""

    name: str
    run: Callable[[], list[dict[str, Any]]]


def pieces(bench: Bench) -> Iterator[Piece]:
    """All the work on a ``bench``, in a stable order."""
    yield Piece(IMAGE, lambda: _image(bench))
    for scene in bench.scenes:
        n_state, n_parameters = 8 * bench.injector.n_state_bytes, 8 * bench.injector.n_parameter_bytes
        for begins, at in scene.moments:
            for first in range(0, n_state, BITS_A_PIECE):
                n_bits = min(BITS_A_PIECE, n_state - first)
                yield _bits(bench, STATE, scene, begins, at, first, n_bits)
        for moment, when in (("before the start", None), *scene.moments):
            for first in range(0, n_parameters, BITS_A_PIECE):
                n_bits = min(BITS_A_PIECE, n_parameters - first)
                yield _bits(bench, PARAMETERS, scene, moment, when, first, n_bits)
        for moment, when in (*scene.moments, (DOWNLOAD, None)):
            for first in range(0, 8 * bench.recorder.n_bytes, BITS_A_PIECE):
                n_bits = min(BITS_A_PIECE, 8 * bench.recorder.n_bytes - first)
                yield _recorder_bits(bench, scene, moment, when, first, n_bits)
        yield Piece(f"inputs: {scene.name}", lambda scene=scene: _inputs(bench, scene))  # type: ignore[misc]
        yield Piece(f"sequences: {scene.name}", lambda scene=scene: _sequences(bench, scene))  # type: ignore[misc]


def _bits(bench: Bench, family: str, scene: Scene, begins: str, at: int | None, first: int, n_bits: int) -> Piece:
    flips = bench.injector.state_flips if family == STATE else bench.injector.parameter_flips

    def run() -> list[dict[str, Any]]:
        results = flips(scene.inputs, scene.expected, at, first, n_bits)  # type: ignore[arg-type]
        names = np.arange(first, first + n_bits)
        return _summed(scene, family, begins, results, names.tolist())

    return Piece(f"{family}: {scene.name}: {begins}: {first}", run)


def _recorder_bits(bench: Bench, scene: Scene, begins: str, at: int | None, first: int, n_bits: int) -> Piece:
    def run() -> list[dict[str, Any]]:
        return flipped(scene, bench.controller, bench.recorder, begins, at, first, n_bits)

    return Piece(f"{RECORDER}: {scene.name}: {begins}: {first}", run)


def _inputs(bench: Bench, scene: Scene) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    everything = list(spoilt(scene, bench.controller, bench.sensors, bench.seed))
    groups: dict[tuple[str, str], list[Any]] = {}
    for one in everything:
        groups.setdefault((one.family, one.begins), []).append(one)
    for (family, begins), group in groups.items():
        parts = [group[k : k + SPOILT_A_CALL] for k in range(0, len(group), SPOILT_A_CALL)]
        results = [bench.injector.spoilt(np.stack([one.inputs for one in part]), scene.expected) for part in parts]
        rows += _summed(scene, family, begins, np.concatenate(results), [one.name for one in group])
    return rows


def _sequences(bench: Bench, scene: Scene) -> list[dict[str, Any]]:
    """The scene right after each misuse, whole, and cut where that one is at its worst."""
    rows = []
    for before in bench.scenes:
        if before.event_class != MISUSE:
            continue
        for cut, text in ((before.n_samples, "whole"), (_worst(before) + 1, "cut at its worst")):
            inputs, shift = after(before, cut, scene, bench.controller)
            # Nothing but trouble is compared with these: there is no such recording without the fault.
            healthy = np.zeros(inputs.size, dtype=scene.expected.dtype)
            results = bench.injector.spoilt(inputs[None], healthy)
            rows += _summed(scene, SEQUENCES, "the start", results, [f"{before.mode}, {text}"], shift)
    return rows


def _worst(scene: Scene) -> int:
    return int(np.argmax(scene.expected["y"]))


def _image(bench: Bench) -> list[dict[str, Any]]:
    verdicts = bench.injector.image_flips(bench.image)
    by_verdict = {name: int((verdicts == k).sum()) for k, name in enumerate(IMAGE_VERDICTS)}
    accepted = np.flatnonzero(verdicts == IMAGE_VERDICTS.index("accepted")).tolist()
    return [{"family": IMAGE, "verdicts": by_verdict, "accepted": ranges(accepted)}]


def _summed(
    scene: Scene, family: str, begins: str, results: NDArray[Any], names: list[Any], shift: int = 0
) -> list[dict[str, Any]]:
    """One row of counts, with the faults that ended badly listed by their explanation."""
    found = outcomes(scene, results, shift=shift)
    noticed = results["noticed"] >= 0
    counts = {name: int((found == k).sum()) for k, name in enumerate(OUTCOMES)}
    bad: dict[tuple[str, str, bool, str], list[Any]] = {}
    for k in np.flatnonzero(found >= OUTCOMES.index(OMITTED)):
        outcome = OUTCOMES[found[k]]
        why = explanation(scene, results[k], outcome, shift=shift)
        troubles = ", ".join(trouble_names(int(results["trouble"][k])))
        bad.setdefault((outcome, why, bool(noticed[k]), troubles), []).append(names[k])
    return [
        {
            "family": family,
            "class": scene.event_class,
            "event": scene.name,
            "mode": scene.mode,
            "begins": begins,
            "faults": len(names),
            **counts,
            "omitted, noticed": int((noticed & (found == OUTCOMES.index(OMITTED))).sum()),
            "decided otherwise": int((results["differs"] >= 0).sum()),
            "bad": [
                {
                    "outcome": outcome,
                    "why": why,
                    "noticed": seen,
                    "trouble": troubles,
                    "faults": len(which),
                    "which": ranges(which) if isinstance(which[0], int) else which,
                }
                for (outcome, why, seen, troubles), which in bad.items()
            ],
        }
    ]


def ranges(numbers: list[int]) -> list[str]:
    """Ascending ``numbers`` as ranges, such as ``bit 3`` and ``bits 5 to 9``."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] + 1 == number:
            found[-1][1] = number
        else:
            found.append([number, number])
    return [f"bit {first}" if first == last else f"bits {first} to {last}" for first, last in found]


def merged(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The payload of the artefact from the ``rows`` of all pieces: tables, the list of the rest, goals."""
    image = next(row for row in rows if row["family"] == IMAGE)
    runs = [row for row in rows if row["family"] not in (IMAGE, RECORDER)]
    recorder = [row for row in rows if row["family"] == RECORDER]
    table = []
    for family in dict.fromkeys(row["family"] for row in runs):
        for kind in dict.fromkeys(row["class"] for row in runs):
            group = [row for row in runs if row["family"] == family and row["class"] == kind]
            if group:
                table.append({"family": family, "class": kind, **_totals(group)})
    total = _totals(runs)
    rest = [
        {**{key: row[key] for key in ("family", "class", "event", "begins")}, **bad}
        for row in runs
        for bad in row["bad"]
    ]
    return {
        "image": {"bits": sum(image["verdicts"].values()), **image},
        "table": table,
        "total": total,
        "coverage": coverage(total),
        "recorder": summary(recorder),
        "goals": [*goals(image, runs, rest), goal(recorder)],
        "rest": _joined(rest),
    }


COUNTED = ("faults", *OUTCOMES, "omitted, noticed", "decided otherwise")


def _totals(rows: list[dict[str, Any]]) -> dict[str, int]:
    return {key: sum(row[key] for row in rows) for key in COUNTED}


def coverage(total: dict[str, int]) -> float | None:
    """Percent of the faults that were not harmless (counts in ``total``) that were noticed and fired nothing unasked.

    None where all were harmless.
    """
    mattered = total["faults"] - total[HARMLESS]
    covered = total[DETECTED] + total["omitted, noticed"]
    return None if mattered == 0 else round(100.0 * covered / mattered, 3)


def _joined(rest: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same outcome of the same family for the same reason in the same event, from pieces and moments joined."""
    joined: dict[str, dict[str, Any]] = {}
    keys = ("outcome", "family", "class", "event", "begins", "why", "noticed", "trouble")
    for one in rest:
        at = json.dumps([one[key] for key in keys])
        if at in joined:
            joined[at]["faults"] += one["faults"]
            joined[at]["which"] = [*joined[at]["which"], *one["which"]]
        else:
            joined[at] = dict(one)
    return sorted(joined.values(), key=lambda one: tuple(str(one[key]) for key in keys))


def goals(image: dict[str, Any], runs: list[dict[str, Any]], rest: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the faults were to show, each with the figure and whether it holds.

    Parameters
    ----------
    image : dict
        The row of the parameter image.
    runs, rest : list of dict
        Rows of all other families, and their runs that ended badly.
    """
    from .fault_outcome import UNEXPLAINED

    outside = sum(one["faults"] for one in rest if one["outcome"] == UNINTENDED)
    n_runs = sum(row["faults"] for row in runs)
    refused = sum(n for verdict, n in image["verdicts"].items() if verdict != "accepted")
    n_bits = sum(image["verdicts"].values())
    state = [row for row in runs if row["family"] == STATE]
    n_state, changed = sum(row["faults"] for row in state), sum(row["decided otherwise"] for row in state)
    memory = [row for row in runs if row["family"] == PARAMETERS]
    n_memory = sum(row["faults"] for row in memory)
    unasked = sum(row[UNINTENDED] for row in memory)
    omitted = [one for one in rest if one["outcome"] == OMITTED]
    n_omitted = sum(one["faults"] for one in omitted)
    unexplained = sum(one["faults"] for one in omitted if one["why"] == UNEXPLAINED)
    return [
        {"goal": "no single fault fires the squib outside a crash", "figure": f"{outside} of {n_runs} runs",
         "holds": outside == 0},
        {"goal": "every flipped bit of the parameter image is refused by its reader",
         "figure": f"{refused} of {n_bits} bits", "holds": refused == n_bits},
        {"goal": "no flipped bit of the parameters in memory fires the squib outside a crash",
         "figure": f"{unasked} of {n_memory} runs", "holds": unasked == 0},
        {"goal": "no flipped bit of the state changes a decision", "figure": f"{changed} of {n_state} runs",
         "holds": changed == 0},
        {"goal": "every omitted fire is explained", "figure": f"{n_omitted - unexplained} of {n_omitted} runs",
         "holds": unexplained == 0},
    ]  # fmt: skip
