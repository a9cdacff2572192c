"""The controller's stage over files: target."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.artefact import Artefact, Json, Stage
from crumple.errors import CheckFailedError
from crumple.export.exported import read_export
from crumple.progress import Advance, quietly
from crumple.signals.corpus import read_corpus
from crumple.toolchain import find_compiler

from .build import build_controller
from .edr_reference import ReferenceRecorder
from .exported import read_exported_model
from .recorder import Recorder
from .recorder_faults import FLAGS_AT
from .reference import ReferenceController
from .replay import MODES, OUTPUT_DTYPE, Controller
from .stages import same_sensors
from .target import BOARD, CORE, FLAGS, Program, Run, emulator_version, link_program, require_tools, run_program

SCHEMA = "crumple.target/2"
FILE = "target.json"
EVENTS_A_RUN = 64
DEFAULT_CLOCK_MHZ = 80


def target_stage(
    export_folder: Path,
    corpus_folder: Path,
    out: Path,
    *,
    clock_mhz: int = DEFAULT_CLOCK_MHZ,
    cycles_per_instruction: int = 1,
    replace: bool = False,
    force: bool = False,
    advance: Advance = quietly,
) -> Artefact:
    """Run every event of a corpus on controller and recorder as machine code, and compare every output of every tick.

    The same words go to the board, to the C on this machine and to the reference in Python integers; the recorder's
    image is compared after each event and a rest in which its record is closed.

    Parameters
    ----------
    export_folder, corpus_folder, out : Path
    clock_mhz : int
        Of the processor that the share of the loop is stated for; at least 1.
    cycles_per_instruction : int
        Assumed on average, as the emulator counts instructions only; at least 1.
    replace, force : bool
        See ``Stage.run``.
    advance : callable
        Told events done and the mode at hand.

    Raises
    ------
    CorpusError
        The corpus was sensed by other sensors than the model reads.
    CheckFailedError
        The board failed, or one of the three says something else than the others: which event, tick and output, or
        which byte of the image.
    ToolMissingError, CompileError
    """
    require_tools()
    export = read_export(export_folder)
    corpus, corpus_artefact = read_corpus(corpus_folder)
    same_sensors(export, corpus, corpus_artefact)
    compiler = find_compiler()
    parents = {"export": export.sha256, "corpus": corpus_artefact.sha256}
    settings = {"clock_mhz": clock_mhz, "cycles_per_instruction": cycles_per_instruction}
    stage = Stage(out, FILE, SCHEMA, parents, settings)

    def work(folder: Path) -> Json:
        events: list[dict[str, Any]] = []
        by_state: dict[str, list[int]] = {}
        runs: list[Run] = []
        recordings = list(corpus)
        model = read_exported_model(export_folder)
        with tempfile.TemporaryDirectory(prefix="crumple-", ignore_cleanup_errors=True) as scratch:
            library = build_controller(export_folder, Path(scratch), compiler)
            controller, recorder = Controller(library), Recorder(library)
            listener = ReferenceRecorder(Fraction(model.main_units, model.units_per_g), model.sample_rate_hz)
            program = link_program(export_folder, Path(scratch))
            for begin in range(0, len(recordings), EVENTS_A_RUN):
                some = recordings[begin : begin + EVENTS_A_RUN]
                inputs = [controller.words(event.main_lsb, event.safing_lsb) for event in some]
                runs.append(run_program(program, inputs))
                answers = zip(some, inputs, runs[-1].records, runs[-1].rests, runs[-1].images, strict=True)
                for event, given, record, rest, image in answers:
                    on_board = record["output"]
                    require_equal(event.name, CORE, on_board, "this machine", controller.outputs(given))
                    expected = ReferenceController(model).run(given)
                    require_equal(event.name, CORE, on_board, "the reference", expected)
                    ticks = with_rest(recorder.told(given, expected), rest.size)
                    require_same_image(event.name, CORE, image, "this machine", recorder.image_of(ticks))
                    require_same_image(event.name, CORE, image, "the reference", listener.image_of(ticks))
                    heard = np.concatenate([record["recorder"], rest])
                    found = {"recorder_most": int(heard.max()), "recorder_sum": int(heard.sum(dtype=np.int64))}
                    found["records"] = sum(image[at] & 1 for at in FLAGS_AT)
                    events.append({"event": event.name, "mode": event.mode, **_costs(record), **found})
                    _note_states(by_state, record)
                    advance(len(events), event.mode)
        period_us = 1e6 / model.sample_rate_hz
        return {
            "core": CORE,
            "board": BOARD,
            "flags": list(FLAGS),
            "compiler": program.compiler,
            "emulator": emulator_version(),
            "host_compiler": compiler.name,
            "ticks": sum(event["ticks"] for event in events),
            "fields": list(OUTPUT_DTYPE.names or ()),
            "instructions": _summary(events, by_state),
            "loop": loop_share(max(e["most"] for e in events), period_us, clock_mhz, cycles_per_instruction),
            "start": {
                "ticks": runs[0].start_ticks,
                "instructions": runs[0].start_total,
                "self_test_instructions": runs[0].start_most,
                "stack_bytes": max(run.start_stack_bytes for run in runs),
            },
            "stack_bytes": max(run.stack_bytes for run in runs),
            "state_bytes": runs[0].state_bytes,
            "recorder": _recorder(events, runs, program),
            "flash_bytes": program.flash_bytes,
            "static_bytes": program.static_bytes,
            "events": events,
        }

    return stage.run(work, replace=replace, force=force)


def with_rest(ticks: NDArray[Any], n_rest: int) -> NDArray[Any]:
    """What a recorder is told, and rest after it: the last tick again, without sample, loss or current.

    Parameters
    ----------
    ticks : ndarray of TICK_DTYPE, shape (n_ticks,)
        At least one.
    n_rest : int

    Returns
    -------
    ndarray of TICK_DTYPE, shape (n_ticks + n_rest,)
    """
    rest = np.repeat(ticks[-1:], n_rest)
    for name in ("sample_lsb", "is_lost", "is_firing", "current"):
        rest[name] = 0
    return np.concatenate([ticks, rest])


def require_same_image(event: str, one: str, image: bytes, other: str, expected: bytes) -> None:
    """Raise CheckFailedError at the first byte where two ways to run one recorder differ in its image.

    Parameters
    ----------
    event : str
        Name of the recording.
    one, other : str
        Names of the two ways.
    image, expected : bytes
        What each has to download.
    """
    if image == expected:
        return
    if len(image) != len(expected):
        raise CheckFailedError(
            f"{event}: the recorder's image has {len(image)} bytes on {one}, {len(expected)} on {other}"
        )
    at = next(k for k, (a, b) in enumerate(zip(image, expected, strict=True)) if a != b)
    raise CheckFailedError(
        f"{event}: byte {at} of the recorder's image is {image[at]} on {one}, {expected[at]} on {other}"
    )


def require_equal(event: str, one: str, outputs: NDArray[Any], other: str, expected: NDArray[Any]) -> None:
    """Raise CheckFailedError at the first tick where two ways to run one controller differ in any output.

    Parameters
    ----------
    event : str
        Name of the recording.
    one, other : str
        Names of the two ways.
    outputs, expected : ndarray of OUTPUT_DTYPE, shape (n_ticks,)
        What each said.
    """
    for name in OUTPUT_DTYPE.names or ():
        differs = np.any((outputs[name] != expected[name]).reshape(outputs.size, -1), axis=1)
        if differs.any():
            tick = int(np.argmax(differs))
            raise CheckFailedError(
                f"{event}: tick {tick}: {name} is {outputs[name][tick].tolist()} on {one}"
                f" and {expected[name][tick].tolist()} on {other}"
            )


def loop_share(most: int, period_us: float, clock_mhz: int, cycles_per_instruction: int) -> dict[str, Any]:
    """The share of the controller's loop that its longest tick takes.

    Parameters
    ----------
    most : int
        Instructions of the longest tick.
    period_us : float
        Of the loop.
    clock_mhz, cycles_per_instruction : int
        Assumed.
    """
    time_us = most * cycles_per_instruction / clock_mhz
    return {
        "period_us": period_us,
        "longest_tick_us": round(time_us, 3),
        "share_percent": round(100.0 * time_us / period_us, 2),
        "assumed": f"{clock_mhz} MHz, {cycles_per_instruction} cycle(s) an instruction, no wait states",
    }


def _costs(record: NDArray[Any]) -> dict[str, Any]:
    count = record["instructions"]
    worst = int(np.argmax(count))
    return {
        "ticks": int(count.size),
        "least": int(count.min()),
        "most": int(count[worst]),
        "sum": int(count.sum(dtype=np.int64)),
        "worst_tick": worst,
        "worst_state": MODES[int(record["output"]["mode"][worst])],
    }


def _recorder(events: list[dict[str, Any]], runs: list[Run], program: Program) -> dict[str, Any]:
    """What the event data recorder costs beside the controller, rests after the events included."""
    worst = max(events, key=lambda event: event["recorder_most"])
    n_ticks = sum(event["ticks"] for event in events) + sum(run.rests.size for run in runs)
    return {
        "ticks": n_ticks,
        "mean": round(sum(event["recorder_sum"] for event in events) / n_ticks, 1),
        "most": worst["recorder_most"],
        "worst": worst["event"],
        "images": len(events),
        "records": sum(event["records"] for event in events),
        "stack_bytes": max(run.recorder_stack_bytes for run in runs),
        "state_bytes": runs[0].recorder_state_bytes,
        "flash_bytes": program.recorder_flash_bytes,
    }


def _note_states(by_state: dict[str, list[int]], record: NDArray[Any]) -> None:
    """Keep least, most and number of ticks by the state that each tick ended in."""
    for mode in np.unique(record["output"]["mode"]).tolist():
        count = record["instructions"][record["output"]["mode"] == mode]
        before = by_state.get(MODES[mode], [int(count.min()), 0, 0])
        least, most = min(before[0], int(count.min())), max(before[1], int(count.max()))
        by_state[MODES[mode]] = [least, most, before[2] + int(count.size)]


def _summary(events: list[dict[str, Any]], by_state: dict[str, list[int]]) -> dict[str, Any]:
    worst = max(events, key=lambda event: event["most"])
    return {
        "least": min(event["least"] for event in events),
        "mean": round(sum(event["sum"] for event in events) / sum(event["ticks"] for event in events), 1),
        "most": worst["most"],
        "worst": {"event": worst["event"], "tick": worst["worst_tick"], "state": worst["worst_state"]},
        "by_state": [
            {"state": state, "ticks": by_state[state][2], "least": by_state[state][0], "most": by_state[state][1]}
            for state in MODES
            if state in by_state
        ],
    }
