"""The tables of the report, as plain rows from artefacts. Numbers are shown, never computed anew."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from crumple.artefact import Artefact

from .further import further
from .project import EXPLANATIONS, Project, coverage_command, explanation_command, explanation_folder
from .statements import simulations


def requirement_rows(project: Project) -> list[dict[str, Any]]:
    """Every requirement with its verdict, how it was reached, its domain, margin and certificate; see ``project``."""
    proof = project.artefacts.get("proof")
    if proof is None:
        return []
    rows = []
    for row in proof.payload["requirements"]:
        certificate = f"{row['id']}.certificate.json"
        domain = [
            f"{key} = {value if isinstance(value, str) else f'{len(value)} counts'}"
            for key, value in sorted(row["set"].items())
            if key != "kind"
        ]
        rows.append(
            {
                **row,
                "method": _method(proof, certificate),
                "domain": domain + ([f"by {row['by_ms']} ms"] if row["by_ms"] else []),
                "margin": row["detail"] if row["claim"] == "never_requests_fire" else "",
                "certificate": f"proof/{certificate}" if certificate in proof.files else "",
                "certificate_sha256": proof.files.get(certificate, ""),
                "property_sha256": proof.files.get(f"{row['id']}.property.json", ""),
            }
        )
    return rows


def _method(proof: Artefact, certificate: str) -> str:
    """How a verdict was reached, as its certificate shows."""
    if certificate not in proof.files:
        return "not decided"
    payload = json.loads(proof.file(certificate).read_bytes())["payload"]
    if payload["verdict"] == "violated":
        return "counterexample, replayed in integers"
    return "branch and bound, integer dual bounds" if payload["trees"] else "closed form, integers"


def trace_rows(project: Project) -> list[dict[str, Any]]:
    """Requirement to property, certificate, parameters, code and the events that test it, for ``project``."""
    export, model = project.artefacts.get("export"), project.artefacts.get("model")
    code = "" if export is None else next((d for n, d in sorted(export.files.items()) if n.endswith("_model.c")), "")
    image = "" if export is None else next((d for n, d in sorted(export.files.items()) if n.endswith(".bin")), "")
    events = [event for name, _ in simulations(project) for event in project.payload(name)["events"]]
    rows = []
    for row in requirement_rows(project):
        label = TESTED_BY.get(row["claim"])
        count = sum(event["label"] == label for event in events)
        tests = f"{count} {label.replace('_', '-')} events" if label else "stress signals of the comparison"
        rows.append(
            {
                "id": row["id"],
                "property": row["property_sha256"],
                "proof": row["certificate_sha256"],
                "parameters": image or ("" if model is None else model.sha256),
                "code": code,
                "tests": tests,
            }
        )
    return rows


WRONG = ("late", "missed", "premature", "false fire")
"""Verdicts on events that went wrong; a premature one fired before the contact that demands it."""

TESTED_BY = {
    "never_requests_fire": "no_fire",
    "never_arms": "no_fire",
    "fires_by": "must_fire",
    "arms_by": "must_fire",
    "monotone": "must_fire",
}


def parameter_rows(project: Project) -> list[tuple[str, str, str]]:
    """The model's parameters of ``project``: name, value or range, unit."""
    model = project.payload("model")
    if model is None:
        return []
    arming = model["arming"]
    weights = [weight for row in model["hidden_weight"] for weight in row]

    def span(values: list[int]) -> str:
        return f"{len(values)} integers, {min(values)} to {max(values)}"

    return [
        ("sample rate", str(model["sample_rate_hz"]), "Hz"),
        ("main sensor", model["lsb_g"], "g per count"),
        ("input clamp", f"±{model['clamp_lsb']}", "counts"),
        ("polarity", model["polarity"], ""),
        ("blocks in the window", str(len(model["hidden_weight"][0])), f"of {model['block_samples']} samples"),
        ("hidden weights", span(weights), "exact integers"),
        ("hidden biases", span(model["hidden_bias"]), "exact integers"),
        ("output weights", span(model["output_weight"]), "exact integers"),
        ("output bias", str(model["output_bias"]), "exact integer"),
        ("confirmation", f"{model['confirm_votes']} of {model['confirm_window']}", "samples vote"),
        ("safing sensor", arming["lsb_g"], "g per count"),
        ("safing clamp", f"±{arming['clamp_lsb']}", "counts"),
        ("arming window", str(arming["window_samples"]), "samples"),
        ("arming threshold", str(arming["threshold_lsb"]), "counts in the window"),
        ("arming hold", str(arming["hold_samples"]), "samples"),
    ]


def event_rows(project: Project, *, measured: bool) -> list[dict[str, Any]]:
    """Every simulated event of ``project``, ``measured`` ones or all others, as the simulation judged it."""
    rows = []
    for name, corpus in simulations(project):
        for event in project.payload(name)["events"]:
            if (event["source"] == "measured") == measured:
                delta = None
                if event["ttf_ms"] is not None and event["rttf_ms"] is not None:
                    delta = event["ttf_ms"] - event["rttf_ms"]
                rows.append({**event, "corpus": corpus, "delta_ms": delta})
    return rows


def explorer_events(project: Project) -> list[dict[str, Any]]:
    """Traces of ``project`` for the event explorer: measured events first, then one of each synthetic mode.

    The net's output is scaled by its largest magnitude, and so are contributions; accelerations are rounded to 1/1000 g
    for display.
    """
    found = []
    told = _explanations(project)
    for name, corpus in simulations(project):
        mends = [trouble.mend for trouble in project.told(explanation_folder(corpus))]
        command = mends[0] if mends else explanation_command(corpus)
        outcomes = {event["name"]: event for event in project.payload(name)["events"]}
        for event, line in sorted(project.timelines(name).items()):
            top = max(map(abs, line["y"]), default=0) or 1
            why = told.get((project.artefacts[name].parents["corpus"], event))
            found.append(
                {
                    **outcomes[event],
                    "first_ms": line["first_sample_s"] * 1e3,
                    "period_ms": line["sample_period_s"] * 1e3,
                    "main_g": [round(value, 3) for value in line["main_g"]],
                    "safing_g": [round(value, 3) for value in line["safing_g"]],
                    "y": [round(value / top, 4) for value in line["y"]],
                    "vote": [int(value > 0) for value in line["y"]],
                    "fire_request": line["fire_request"],
                    "armed": line["armed"],
                    "explained_ms": None if why is None else why["explained_at_ms"],
                    "contribution": None if why is None else _contribution(why, line),
                    "keeps": _keeps(why, command),
                }
            )
    return sorted(found, key=lambda event: event["source"] != "measured")


def _explanations(project: Project) -> dict[tuple[str, str], dict[str, Any]]:
    """What is explained, by the corpus (its SHA-256) and the event's name. Of another model than lies here: nothing."""
    believed = [project.artefacts[n] for n in project.others if n in project.artefacts and not project.told(n)]
    return {
        (artefact.parents["corpus"], event["name"]): event
        for artefact in believed
        if artefact.schema == f"{EXPLANATIONS}/1"
        for event in artefact.payload["events"]
    }


def _contribution(why: dict[str, Any], line: dict[str, Any]) -> list[float]:
    """What each sample of a timeline adds to the output at the end of the explained window; zero outside of it.

    Samples of the window before the first one of the timeline are at rest and add nothing.
    """
    parts = why["contributions"]
    top = max(map(abs, parts), default=0) or 1
    start = round((why["explained_at_ms"] - line["first_sample_s"] * 1e3) / why["period_ms"]) - len(parts) + 1
    return [round(parts[k] / top, 4) if 0 <= k < len(parts) else 0.0 for k in range(-start, len(line["y"]) - start)]


def _keeps(why: dict[str, Any] | None, command: str) -> str:
    """How much noise an event's verdict is proved to survive, or the ``command`` that finds it."""
    if why is None or why["distance"] is None:
        missing = "contributions and distance to flipping" if why is None else "distance to flipping"
        return f"{missing} not made ({command})"
    far = why["distance"]
    holds, flips, lsb_g = far["holds_lsb"], far["flips_lsb"], far["lsb_g"]
    kept = f"proved to keep its verdict under noise up to {holds * lsb_g:g} g on every sample"
    turned = "what turns it was not found" if flips is None else f"{flips * lsb_g:g} g turns it"
    if flips is not None and flips - holds > 1:
        turned += ", what lies between is undecided"
    return f"{kept if holds >= 0 else 'not proved to keep its verdict'}; {turned}"


def counterexamples(project: Project) -> Iterator[dict[str, Any]]:
    """Of each violated requirement of ``project`` the counts of the sequence that shows it, in g, for the explorer."""
    proof, model = project.artefacts.get("proof"), project.payload("model")
    if proof is None or model is None:
        return
    whole, _, part = model["lsb_g"].partition("/")
    lsb_g = int(whole) / int(part or 1)
    for row in proof.payload["requirements"]:
        name = f"{row['id']}.certificate.json"
        if row["verdict"] == "violated" and name in proof.files:
            witness = json.loads(proof.file(name).read_bytes())["payload"].get("witness")
            if witness and "counts" in witness:
                counts = witness["counts"]
                yield {
                    "id": row["id"],
                    "period_ms": 1e3 / model["sample_rate_hz"],
                    "main_g": [round(count * lsb_g, 4) for count in counts],
                }


def coverage_rows(project: Project) -> list[dict[str, Any]]:
    """Each measured event of the coverage of ``project``: the proved sets that it lies in, its distance to the rest."""
    found = project.payload("coverage")
    if found is None:
        return []
    proved = {one["id"] for one in found["sets"] if one["verdict"] == "proved"}
    rows = []
    for event in found["events"]:
        outside = [one for one in event["distances"] if one["inside"] is not True]
        rows.append(
            {
                **event,
                "inside": [one["id"] for one in event["distances"] if one["inside"] and one["id"] in proved],
                "outside": [{"id": one["id"], "by": _distance(one), "open": one["inside"] is None} for one in outside],
            }
        )
    return rows


def _distance(one: dict[str, Any]) -> str:
    """How far outside of a set, as its artefact says."""
    low, high = f"{one['at_least']:.3g}", f"{one['at_most']:.3g}"
    span = low if low == high else f"{low} to {high}"
    return f"{span} g" if one["measure"].endswith(" g") else f"{span} times"


def _missed(project: Project, *names: str) -> list[str]:
    """Goals that fault injection missed."""
    goals = [goal for name in names for goal in project.payload(name).get("goals", ())]
    return [f"Fault injection misses a goal: {goal['goal']}: {goal['figure']}." for goal in goals if not goal["holds"]]


def _drawn(project: Project, *names: str) -> list[str]:
    """What went wrong in campaigns, all modes together; their events are drawn, so synthetic."""
    rows = [(name, row) for name in names for row in project.payload(name).get("bounds", ()) if row["mode"] == "all"]
    return [
        f"In {name} (synthetic): {row['failures']} of {row['events']} events {row['failure']}."
        for name, row in rows
        if row["failures"]
    ]


def _made_by(project: Project) -> str:
    return f"Mended by: {coverage_command(project)}" if project.recordings else "It needs a measured recording."


def open_points(project: Project) -> list[str]:
    """What is not done or not settled, as far as the artefacts of ``project`` tell."""
    points = [f"{trouble.text}. Mended by: {trouble.mend}" for trouble in project.troubles]
    proof, evaluation = project.payload("proof"), project.payload("evaluation")
    for row in [] if proof is None else proof["requirements"]:
        if row["verdict"] != "proved":
            points.append(f"{row['id']} is {row['verdict']}: {row['text']}")
    if proof is not None:
        assumed = [row["id"] for row in proof["requirements"] if "assumed" in row["origin"]]
        if assumed:
            points.append(f"The numbers of {', '.join(assumed)} are assumed; replace them by your vehicle's.")
    for name, corpus in simulations(project):
        wrong = [e for e in project.payload(name)["events"] if e["verdict"] in WRONG]
        if wrong:
            kinds = {word: sum(e["verdict"] == word for e in wrong) for word in WRONG}
            told = ", ".join(f"{count} {word}" for word, count in kinds.items() if count)
            points.append(f"In {corpus}: {told}.")
    if not project.recordings:
        points.append("No measured recording is here: everything rests on synthetic events.")
    for source, tables in {} if evaluation is None else evaluation["sources"].items():
        kinds = {word: tables["total"][word] for word in WRONG}
        if told := ", ".join(f"{count} {word}" for word, count in kinds.items() if count):
            points.append(f"Of {tables['total']['events']} {source} test events: {told}.")
    if evaluation is None and not project.told("evaluation"):
        points.append("No evaluation on unseen events is here (crumple evaluate): no tolerance corners, no bounds.")
    coverage = project.payload("coverage")
    if coverage is not None:
        outside = coverage["events_with_label"] - coverage["covered"]
        if outside:
            points.append(f"{outside} of {coverage['events_with_label']} measured events lie in no proved set.")
    elif not project.told("coverage"):
        points.append(f"Which proved set each measured event lies in is not here. {_made_by(project)}")
    sections = further(project)
    points += _missed(project, *sections["faults"].names) + _drawn(project, *sections["campaign"].names)
    for shown in sections.values():
        if not shown.names:
            mend = f"Mended by: {shown.kind.command}" if shown.kind.command else "No command of this version makes it."
            points.append(f"{shown.kind.title}: not here. {mend}")
    return points
