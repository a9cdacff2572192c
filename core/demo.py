"""``crumple demo``: the whole chain on defaults. It only calls the stages that the other commands call."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from .artefact import Artefact, write_bytes
from .cli import SCHEMA as RESULT_SCHEMA
from .cli import emit, force_option, json_option, log, out_option, progress, table
from .errors import CheckFailedError, WouldOverwriteError

STAGES = (
    "corpus",
    "recording",
    "model",
    "proof",
    "export",
    "validation",
    "simulation",
    "recording-simulation",
    "coverage",
)
RESULT_FILE = "demo.json"
REPORT_FILE = "report.html"


@dataclass(frozen=True, slots=True)
class Demo:
    """Everything the chain made."""

    artefacts: dict[str, Artefact]
    report: Path
    proved: int
    certified: int

    def document(self) -> dict[str, Any]:
        """The result as one JSON document; paths are relative to the demo's folder."""
        simulation = self.artefacts["simulation"].payload
        proof = self.artefacts["proof"].payload
        validation = self.artefacts["validation"].payload
        recorded = self.artefacts.get("recording-simulation")
        return {
            "crash": crash_summary(recorded.payload["events"]) if recorded else None,
            "requirements": {
                "proved": self.proved,
                "total": proof["total"],
                "certificates_accepted": self.certified,
                "verdicts": {row["id"]: row["verdict"] for row in proof["requirements"]},
            },
            "events": {
                "synthetic": totals(simulation["tally"].get("synthetic", [])),
                "measured": totals(recorded.payload["tally"].get("measured", [])) if recorded else None,
            },
            "one_answer": {
                "windows": validation["n_windows"],
                "differences": validation["c_differs"]
                + validation["onnx_differs"]
                + validation["confirmation_differs"]
                + validation["scalar_differs"],
                "compiler": validation["compiler"],
            },
            "artefacts": {
                **{name: f"{name}/{artefact.path.name}" for name, artefact in self.artefacts.items()},
                "report": self.report.name,
            },
        }


def crash_summary(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Outcome of one recording over the ``events`` of all its sensor positions.

    Time to fire and RTTF are those of the worst one. Fired only if every position fires; the worst
    position is the one that fires latest after its RTTF.
    """
    fired = all(event["ttf_ms"] is not None for event in events)

    def lateness(event: dict[str, Any]) -> float:
        if event["ttf_ms"] is None:
            return float("inf")
        return float(event["ttf_ms"]) - float(event["rttf_ms"] or 0.0)

    worst = max(events, key=lateness)
    return {
        "fired": fired,
        "ttf_ms": worst["ttf_ms"],
        "rttf_ms": worst["rttf_ms"],
        "in_time": all(event["verdict"] in ("in time", "silent", "not scored") for event in events),
        "worst_position": worst["name"],
        "positions": [
            {key: event[key] for key in ("name", "label", "ttf_ms", "rttf_ms", "arming_ms", "verdict")}
            for event in events
        ],
    }


def totals(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Counts over all modes of one source, whose table has these ``rows``."""
    keys = ("events", "in time", "late", "missed", "premature", "silent", "false fire", "not scored")
    return {key.replace(" ", "_"): sum(row[key] for row in rows) for key in keys}


def run_demo(out: Path, crash: Path | None, *, seed: int = 0, force: bool = False) -> Demo:
    """Run every stage into ``out``; stages whose inputs did not change are not run again.

    Parameters
    ----------
    out : Path
        Folder of the demo: new, empty, or an earlier demo's.
    crash : Path or None
        A recording to import and run besides the synthetic corpus; None keeps one imported earlier.
    seed : int
        Of corpus and training.
    force : bool
        Make everything again.

    Raises
    ------
    CheckFailedError
        A requirement is not proved, or an implementation differs from the reference.
    """
    from crumple.export.report.page import write_report
    from crumple.model.analysis.properties import read_requirements
    from crumple.model.stages import check_folder
    from crumple.model.training import TrainingPlan
    from crumple.signals.generate import CorpusPlan

    from .chain import RECORDING, ChainPlan, Recordings, chain

    _refuse_foreign(out)
    recordings: tuple[Recordings, ...] = ()
    if crash is not None:
        recordings = (Recordings(RECORDING, (crash,)),)
    elif (out / RECORDING).is_dir():  # one imported by an earlier demo is kept
        recordings = (Recordings(RECORDING, ()),)
    plan = ChainPlan(CorpusPlan(seed=seed), TrainingPlan(seed=seed), read_requirements(None), recordings)
    made: dict[str, Artefact] = {}
    for step in chain(out, plan):  # recordings first: one that cannot be believed costs no time and leaves nothing
        with progress(step.title, step.work) as advance:
            made[step.name] = step.run(force, advance)
    checked = check_folder(out)
    report = out / REPORT_FILE
    write_report(out, report)
    return Demo(made, report, made["proof"].payload["proved"], checked.proved)


def _refuse_foreign(out: Path) -> None:
    """Raise WouldOverwriteError if the folder holds anything that a demo did not put there."""
    if out.is_file():
        raise WouldOverwriteError(f"{out}: is a file; --out must name a folder")
    if not out.is_dir():
        return
    own = {*STAGES, RESULT_FILE, REPORT_FILE}
    foreign = sorted(e.name for e in out.iterdir() if e.name not in own and not e.name.startswith("."))
    if foreign:
        raise WouldOverwriteError(f"{out}: holds {foreign[0]!r}, which no demo made; choose an empty --out")


@click.command("demo", epilog="Example: crumple demo --out crumple-demo --crash v10146")
@out_option("crumple-demo")
@click.option(
    "--crash", type=click.Path(path_type=Path), help="A real recording to import and run, such as an EV5 folder."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of corpus and training.")
@force_option
@json_option
def demo_command(out: Path, crash: Path | None, seed: int, force: bool, as_json: bool) -> None:
    """From signal to simulated airbag controller, with proofs, on defaults.

    Generates a corpus, trains and quantises a net, proves its requirements, checks the certificates, exports C
    and ONNX, compiles the C and runs every event through the simulated controller, and writes report.html.
    """
    demo = run_demo(out, crash, seed=seed, force=force)
    document = demo.document()
    write_bytes(
        out / RESULT_FILE,
        (json.dumps({"schema": RESULT_SCHEMA, **document}, sort_keys=True, indent=2) + "\n").encode("ascii"),
    )
    log.info("C compiler: %s", document["one_answer"]["compiler"])
    emit(document, _summary(document, demo), as_json=as_json)
    requirements, answers = document["requirements"], document["one_answer"]
    if not requirements["proved"] == requirements["total"] == requirements["certificates_accepted"]:
        raise CheckFailedError(f"{out}: {requirements['proved']} of {requirements['total']} requirements proved")
    if answers["differences"]:
        raise CheckFailedError(f"{out}: {answers['differences']} answers differ between Python, C and ONNX")


def _summary(document: dict[str, Any], demo: Demo) -> str:
    """The short table of the demo."""
    events, crash = document["events"]["synthetic"], document["crash"]
    rows: list[tuple[str, str]] = [
        (
            "synthetic must-fire events",
            f"{events['in_time']} in time, {events['late']} late, {events['missed']} missed",
        ),
        ("synthetic no-fire events", f"{events['silent']} silent, {events['false_fire']} false fires"),
    ]
    if crash is not None:
        for position in crash["positions"]:
            ttf = "did not fire" if position["ttf_ms"] is None else f"fired at {position['ttf_ms']:.1f} ms"
            required = "" if position["rttf_ms"] is None else f", required {position['rttf_ms']:.1f} ms"
            rows.append((f"measured: {position['name']}", f"{ttf}{required}: {position['verdict']}"))
    requirements, answers = document["requirements"], document["one_answer"]
    rows += [
        ("requirements proved", f"{requirements['proved']} of {requirements['total']}"),
        ("certificates accepted by the checker", f"{requirements['certificates_accepted']} of {requirements['total']}"),
        ("windows, Python = C = ONNX", f"{answers['windows']}, {answers['differences']} differences"),
        ("report", str(demo.report)),
    ]
    return table("crumple demo", ("what", "result"), rows)
