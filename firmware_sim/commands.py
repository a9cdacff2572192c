"""The controller's commands: simulate, target, faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from crumple.cli import emit, force_option, json_option, log, out_option, progress, table
from crumple.errors import CheckFailedError


@click.command(
    "simulate",
    epilog="Example: crumple simulate export corpus --out simulation;"
    " crumple simulate export corpus --event rigid_barrier_00000 --plot timeline.html --trace trace.csv --edr a.edr",
)
@click.argument("export", type=click.Path(path_type=Path))
@click.argument("corpus", type=click.Path(path_type=Path))
@out_option("simulation")
@click.option("--event", "event_name", help="Only this event; nothing is written but the files named below.")
@click.option(
    "--map",
    "map_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With one event of a recording: TOML file with what it does not say, as for import.",
)
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="One event's timeline, an HTML page.")
@click.option(
    "--trace", type=click.Path(path_type=Path, dir_okay=False), help="One event, a row a tick: .csv or .mf4 (MDF 4)."
)
@click.option(
    "--edr", type=click.Path(path_type=Path, dir_okay=False), help="One event's image of the event data recorder."
)
@click.option(
    "--rest-ms",
    type=click.IntRange(0, 60_000),
    default=500,
    show_default=True,
    help="Rest added after one event, so that firing and recorder finish; synthetic, not judged.",
)
@force_option
@json_option
def simulate_command(
    export: Path,
    corpus: Path,
    out: Path,
    event_name: str | None,
    map_path: Path | None,
    plot: Path | None,
    trace: Path | None,
    edr: Path | None,
    rest_ms: int,
    force: bool,
    as_json: bool,
) -> None:
    """Compile the EXPORT folder into the simulated airbag controller and run every event of CORPUS through it.

    Sample by sample, from power-on, both sensors. The C compiler is the system's cc, else ziglang's. With --event,
    --plot, --trace or --edr: one event only, of a corpus or of a recording, told in full.
    """
    if (event_name, map_path, plot, trace, edr) != (None,) * 5:
        from .single_command import run_single

        run_single(
            export,
            corpus,
            event_name=event_name,
            map_path=map_path,
            plot=plot,
            trace=trace,
            edr=edr,
            rest_ms=rest_ms,
            force=force,
            as_json=as_json,
        )
        return
    from .stages import simulate_stage

    with progress("simulate", 1) as advance:
        artefact = simulate_stage(export, corpus, out, force=force, advance=advance)
    found = artefact.payload
    log.info("compiled by %s", found["compiler"])
    emit(
        {"simulation": {"tally": found["tally"], "events": found["events"], "arming": found["arming"]}},
        f"{tally_table(found['tally'])}\n\n{arming_table(found['arming'])}",
        as_json=as_json,
    )


@click.command("target", epilog="Example: crumple target export corpus --out target --clock-mhz 80")
@click.argument("export", type=click.Path(path_type=Path))
@click.argument("corpus", type=click.Path(path_type=Path))
@out_option("target")
@click.option("--clock-mhz", type=click.IntRange(min=1), default=80, show_default=True, help="Of the processor.")
@click.option(
    "--cycles-per-instruction",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Assumed on average: the emulator counts instructions, not cycles.",
)
@force_option
@json_option
def target_command(
    export: Path, corpus: Path, out: Path, clock_mhz: int, cycles_per_instruction: int, force: bool, as_json: bool
) -> None:
    """Run CORPUS on the EXPORT folder's controller and its recorder as Cortex-M4 machine code, in an emulator.

    Every output of every tick must equal that of the C on this machine and of the reference in Python integers; exits
    with 1 at the first difference. Counts the instructions of every tick exactly, and the stack. Needs
    arm-none-eabi-gcc and qemu-system-arm.
    """
    from .target_stage import target_stage

    with progress("target", 1) as advance:
        artefact = target_stage(
            export,
            corpus,
            out,
            clock_mhz=clock_mhz,
            cycles_per_instruction=cycles_per_instruction,
            force=force,
            advance=advance,
        )
    emit({"target": artefact.payload}, target_table(artefact.payload), as_json=as_json)


def target_table(found: dict[str, Any]) -> str:
    """The payload of a run as machine code, ``found``, as text: what was equal, and what it costs."""
    count, loop, start = found["instructions"], found["loop"], found["start"]
    worst, heard = count["worst"], found["recorder"]
    rows = [
        ("ticks compared", f"{found['ticks']} of {len(found['events'])} events, {len(found['fields'])} outputs each"),
        ("differences", "none: board, this machine and reference"),
        ("instructions a tick, least / mean / most", f"{count['least']} / {count['mean']} / {count['most']}"),
        ("longest tick", f"{worst['event']}, tick {worst['tick']}, {worst['state']}"),
        (f"share of {loop['period_us']:g} us", f"{loop['share_percent']} % ({loop['assumed']})"),
        ("instructions of the self-test at start", start["self_test_instructions"]),
        ("stack of a tick / of the start, bytes", f"{found['stack_bytes']} / {start['stack_bytes']}"),
        ("state with its mirror, bytes", found["state_bytes"]),
        ("code and constants, bytes", found["flash_bytes"]),
        ("event data recorder: images compared / records in them", f"{heard['images']} / {heard['records']}"),
        ("its instructions a tick, mean / most", f"{heard['mean']} / {heard['most']}, {heard['worst']}"),
        (
            "its stack / memory / code, bytes",
            f"{heard['stack_bytes']} / {heard['state_bytes']} / {heard['flash_bytes']}",
        ),
    ]
    states = [(row["state"], row["ticks"], row["least"], row["most"]) for row in count["by_state"]]
    return "\n\n".join(
        (
            table(f"{found['core']} in {found['emulator']}", ("figure", "value"), rows),
            table("instructions by state", ("state", "ticks", "least", "most"), states),
        )
    )


@click.command("faults", epilog="Example: crumple faults export corpus --out faults")
@click.argument("export", type=click.Path(path_type=Path))
@click.argument("corpus", type=click.Path(path_type=Path))
@out_option("faults")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of noise and jitter.")
@force_option
@json_option
def faults_command(export: Path, corpus: Path, out: Path, seed: int, force: bool, as_json: bool) -> None:
    """Try the complete list of single faults on the EXPORT folder's controller, in rest and in events of CORPUS.

    Every bit of state and parameters, sensors, frames, clock, supply, firing loops and sequences of misuse, each from
    several moments on. An interrupted run goes on where it was. Exits with 1 if a goal is missed.
    """
    from .fault_stage import faults_stage

    with progress("faults", 1000) as advance:
        artefact = faults_stage(export, corpus, out, seed=seed, force=force, advance=advance)
    found = artefact.payload
    for reason in found["left_out"]:
        log.warning("left out: %s", reason)
    emit({"faults": found}, faults_tables(found), as_json=as_json)
    if missed := [goal for goal in found["goals"] if not goal["holds"]]:
        raise CheckFailedError(
            f"{artefact.path}: {len(missed)} of {len(found['goals'])} goals missed,"
            f" first: {missed[0]['goal']} ({missed[0]['figure']})"
        )


def faults_tables(found: dict[str, Any]) -> str:
    """The payload of a fault list, ``found``, as text: goals, counts by class of fault and event, what is left."""
    goals = table(
        "goals",
        ("goal", "figure", "holds"),
        [(g["goal"], g["figure"], "yes" if g["holds"] else "NO") for g in found["goals"]],
    )
    counts = table(
        "single faults",
        ("fault", "event", "runs", "harmless", "detected", "omitted, noticed", "omitted, silent", "unintended"),
        [
            (
                row["family"],
                row["class"],
                row["faults"],
                row["harmless"],
                row["detected"],
                row["omitted, noticed"],
                row["omitted fire"] - row["omitted, noticed"],
                row["unintended fire"],
            )
            for row in found["table"]
        ],
    )
    percent = "all harmless" if found["coverage"] is None else f"{found['coverage']} %"
    left = [one for one in found["rest"] if not one["noticed"] or one["outcome"] == "unintended fire"]
    n_left = sum(one["faults"] for one in left)
    said = f"coverage {percent}; {n_left} runs not covered, each with its reason in `rest` of faults.json"
    recorder = found["recorder"]["total"]
    heard = (
        f"event data recorder, which decides nothing: of {recorder['faults']} flipped bits of its memory"
        f" {recorder['same image']} leave the record as it is, {recorder['other bytes']} change it,"
        f" {recorder['event missing']} lose an event, {recorder['event too many']} invent one"
    )
    return f"{counts}\n\n{goals}\n\n{said}\n{heard}"


def arming_table(arming: dict[str, Any]) -> str:
    """What a simulation shows of its ``arming`` path, as text, with every event that speaks against it."""
    from .arming import arming_rows

    rule = arming["rule"]
    shown = table(
        "arming path",
        ("mode", "events", "armed in time", "least margin ms", "arm", "of quiet ones"),
        arming_rows(arming),
    )
    if rule["silent_within_g"] is None:
        said = "no count that the safing sensor can send arms"
    else:
        said = (
            f"arms at {rule['delta_v_mps']:.3g} m/s in {rule['window_ms']:g} ms; proved: silent for any length of time"
            f" while the safing sensor reads at most {rule['silent_within_g']:g} g ({rule['window_samples']} samples of"
            f" {rule['silent_within_lsb']} counts sum to {rule['largest_silent_sum_lsb']} < {rule['threshold_lsb']})"
        )
    against = [f"against: {one}" for one in arming["against"]]
    return "\n".join([shown, said, *against])


def tally_table(tally: dict[str, Any]) -> str:
    """The tally of a simulation as text, one table a source of evidence."""
    return "\n\n".join(
        table(
            f"{source} events in the simulated controller",
            (
                "mode",
                "events",
                "in time",
                "late",
                "missed",
                "premature",
                "silent",
                "false fires",
                "TTF - RTTF ms (min/med/max)",
            ),
            [
                (
                    row["mode"],
                    row["events"],
                    row["in time"],
                    row["late"],
                    row["missed"],
                    row["premature"],
                    row["silent"],
                    row["false fire"],
                    span(row["delta_ttf_ms"]),
                )
                for row in rows
            ],
        )
        for source, rows in tally.items()
    )


def span(delta: dict[str, float] | None) -> str:
    """Range of TTF - RTTF, the ``delta`` of a tally's row, as text."""
    return "" if delta is None else f"{delta['min']:+.1f} / {delta['median']:+.1f} / {delta['max']:+.1f}"
