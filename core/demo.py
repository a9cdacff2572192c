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
    keys = ("events", "in time", "late", "missed", "silent", "false fire", "not scored")
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
    from crumple.export.stages import export_stage, validate_stage
    from crumple.firmware_sim.stages import simulate_stage
    from crumple.model.analysis.properties import read_requirements
    from crumple.model.stages import check_folder, prove_stage, train_stage
    from crumple.model.training import TrainingPlan
    from crumple.signals.corpus import read_corpus
    from crumple.signals.generate import CorpusPlan
    from crumple.signals.stages import generate_stage, import_stage

    _refuse_foreign(out)
    made: dict[str, Artefact] = {}
    options: dict[str, Any] = {"replace": True, "force": force}
    recorded = crash is not None or (out / "recording").is_dir()  # one imported by an earlier demo is kept
    if crash is not None:  # first, so that a recording that cannot be believed costs no time and leaves nothing
        made["recording"] = import_stage([crash], out / "recording", mapping=None, **options)
    elif recorded:
        made["recording"] = read_corpus(out / "recording")[1]
    requirements = read_requirements(None)
    plan = CorpusPlan(seed=seed)
    with progress("generate events", sum(plan.counts.values())) as advance:
        made["corpus"] = generate_stage(plan, out / "corpus", advance=advance, **options)
    training = TrainingPlan(seed=seed)
    with progress("train to proof", training.n_steps) as advance:
        made["model"] = train_stage(out / "corpus", out / "model", training, requirements, advance=advance, **options)
    with progress("prove requirements", len(requirements)) as advance:
        made["proof"] = prove_stage(out / "model", out / "proof", requirements, advance=advance, **options)
    checked = check_folder(out)
    made["export"] = export_stage(out / "model", out / "export", **options)
    corpora = [out / "corpus"] + ([out / "recording"] if recorded else [])
    n_events = sum(made[name].payload["n_events"] for name in ("corpus", "recording") if name in made)
    with progress("compare C, ONNX, Python", n_events) as advance:
        made["validation"] = validate_stage(
            out / "model", out / "export", corpora, out / "validation", advance=advance, **options
        )
    with progress("simulate controller", n_events) as advance:
        made["simulation"] = simulate_stage(
            out / "export", out / "corpus", out / "simulation", advance=advance, **options
        )
    if recorded:
        made["recording-simulation"] = simulate_stage(
            out / "export", out / "recording", out / "recording-simulation", **options
        )
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
