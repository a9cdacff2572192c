"""The safety argument in goal structuring notation, drawn from data: a goal stands only as its evidence does.

Goals G1 to G4 are those of the usual argument for a crash discrimination function; what hangs below each comes from
the project's artefacts, and what no artefact settles is drawn as undeveloped.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from .further import further
from .project import Project

GOOD, BAD, OPEN = "good", "bad", "open"

GOAL, SOLUTION, UNDEVELOPED = "goal", "solution", "undeveloped"


@dataclass(frozen=True, slots=True)
class Node:
    """An element of the argument.

    Attributes
    ----------
    kind : str
        ``goal``, ``solution`` or ``undeveloped``.
    name, text : str
    status : str
        Of a solution: ``good``, ``bad``. Of what is undeveloped: ``open``. A goal's own follows from ``parts``.
    anchor : str
        Where on the page its evidence stands.
    parts : tuple of Node
    """

    kind: str
    name: str
    text: str
    status: str = ""
    anchor: str = ""
    parts: tuple[Node, ...] = ()

    @property
    def standing(self) -> str:
        """``bad`` if anything below is, else ``open`` if anything below is, else ``good``."""
        if self.kind != GOAL:
            return self.status
        below = {part.standing for part in self.parts} or {OPEN}
        return BAD if BAD in below else OPEN if OPEN in below else GOOD


def argument(project: Project) -> tuple[Node, ...]:
    """The goals G1 to G4 of a ``project`` with all that hangs below them."""
    proof = project.payload("proof")
    rows = [] if proof is None else proof["requirements"]

    def proofs(*claims: str, faults: bool | None = None) -> list[Node]:
        chosen = [row for row in rows if row["claim"] in claims]
        if faults is not None:
            chosen = [row for row in chosen if ("corrupted_samples" in row["set"]) == faults]
        return [
            Node(
                SOLUTION,
                row["id"],
                f"{row['property']}: {row['verdict']}",
                GOOD if row["verdict"] == "proved" else BAD,
                f"requirement-{row['id']}",
            )
            for row in chosen
        ]

    return (
        _goal(
            "G1",
            "The risk of inadvertent fire by the discrimination function is acceptable",
            _goal(
                "G1.1",
                "No signal of the no-fire sets requests fire",
                *proofs("never_requests_fire", faults=False),
                *_counted(project, "false fire", "no-fire"),
            ),
            _goal(
                "G1.2",
                "Single faults cannot fire",
                *proofs("never_arms"),
                *proofs("never_requests_fire", faults=True),
                *_faults(project),
            ),
            _goal(
                "G1.3",
                "The code equals the model",
                *proofs("accumulators_fit", "resets", "image_protected"),
                *_same(project),
            ),
        ),
        _goal(
            "G2",
            "Every must-fire event fires by its required time",
            _goal(
                "G2.1",
                "Every signal of the must-fire sets fires in time",
                *proofs("fires_by", "monotone"),
                *_counted(project, "missed", "must-fire"),
            ),
            _goal("G2.2", "Sensor tolerances do not change that", *_corners(project)),
            _goal("G2.3", "The safing path arms in time", *proofs("arms_by")),
        ),
        _goal(
            "G3",
            "The no-fire sets, the must-fire sets and the tolerances are valid",
            _open("origin of bounds", f"{sum('assumed' in row['origin'] for row in rows)} of {len(rows)} are assumed"),
            _coverage(project),
        ),
        _goal(
            "G4",
            "The evidence is trustworthy",
            *_hashes(project),
            *_certificates(project),
            _open("confirmation", "review, audit and independent assessment"),
        ),
    )


def _coverage(project: Project) -> Node:
    """How many measured events the proofs are about: what lies outside of every set is not settled by any of them."""
    found = project.payload("coverage")
    if found is None:
        return _open("coverage", "which set each measured event lies in is not here")
    covered, total = found["covered"], found["events_with_label"]
    text = f"{covered} of {total} measured events lie in a proved set about their class"
    return Node(SOLUTION, "coverage", text, GOOD if covered == total and total else OPEN, "coverage")


def _goal(name: str, text: str, *parts: Node) -> Node:
    """A goal; one with nothing below it is undeveloped."""
    return Node(GOAL, name, text, parts=parts or (_open("no evidence", "nothing here settles this"),))


def _open(name: str, text: str) -> Node:
    return Node(UNDEVELOPED, name, text, OPEN, "open-points")


def _faults(project: Project) -> list[Node]:
    """The goals of fault injection in the controller, where it was done; nothing else of it counts as evidence."""
    nodes = []
    for name in further(project)["faults"].names:
        for goal in project.artefacts[name].payload.get("goals", ()):
            stands = BAD if not goal["holds"] else OPEN if project.told(name) else GOOD
            nodes.append(Node(SOLUTION, "fault injection", f"{goal['goal']}: {goal['figure']}", stands, "faults"))
    return nodes or [Node(UNDEVELOPED, "fault injection in the controller", "not made", OPEN, "faults")]


def _counted(project: Project, wrong: str, words: str) -> list[Node]:
    """Events of each simulation that went wrong; synthetic and measured ones apart."""
    nodes = []
    for name, corpus in (("simulation", "corpus"), *((f"{r}-simulation", r) for r in project.recordings)):
        found = project.payload(name)
        label = words.replace("-", "_")
        events = [] if found is None else [event for event in found["events"] if event["label"] == label]
        bad = sum(
            event["verdict"] in (("late", "missed", "premature") if wrong == "missed" else (wrong,)) for event in events
        )
        if events:
            kinds = "/".join(sorted({event["source"] for event in events}))
            nodes.append(_outcome(f"{corpus} ({kinds})", bad, len(events), words, wrong, name))
    evaluation = project.payload("evaluation")
    for source, tables in {} if evaluation is None else evaluation["sources"].items():
        total = tables["total"]
        outcomes = ("late", "missed", "premature", "in time") if wrong == "missed" else (wrong, "silent")
        bad = sum(total[word] for word in outcomes[:-1])
        seen = "seen in training" if evaluation["seen_in_training"] else "unseen"
        if n_events := bad + total[outcomes[-1]]:
            nodes.append(_outcome(f"{seen} ({source})", bad, n_events, words, wrong, "evaluation"))
    return nodes


def _outcome(name: str, bad: int, n_events: int, words: str, wrong: str, anchor: str) -> Node:
    """How many of some events went wrong."""
    told = f"{bad} of {n_events} {words} events {'late, missed or premature' if wrong == 'missed' else 'fired'}"
    return Node(SOLUTION, name, told, BAD if bad else GOOD, anchor)


def _same(project: Project) -> list[Node]:
    found = project.payload("validation")
    if found is None:
        return []
    wrong = found["c_differs"] + found["onnx_differs"] + found["confirmation_differs"] + found["scalar_differs"]
    text = f"{wrong} differences on {found['n_windows']} windows"
    return [Node(SOLUTION, "Python = C = ONNX", text, BAD if wrong else GOOD, "one-answer")]


def _corners(project: Project) -> list[Node]:
    found = project.payload("evaluation")
    if found is None:
        return []
    rows = [row for row in found["tolerance_corners"] if row["label"] == "must_fire"]
    total = sum(sum(row["corners"].values()) for row in rows)
    wrong = total - sum(row["corners"].get("in time", 0) for row in rows)
    if not total:
        return []
    return [Node(SOLUTION, "corners (synthetic)", f"{wrong} of {total} not in time", BAD if wrong else GOOD, "nofire")]


def _hashes(project: Project) -> list[Node]:
    bad = len(project.troubles)
    text = (
        f"{bad} artefacts missing, stale or damaged" if bad else f"{len(project.artefacts)} artefacts, all hashes agree"
    )
    return [Node(SOLUTION, "hash chain", text, BAD if bad else GOOD, "hashes")]


def _certificates(project: Project) -> list[Node]:
    proof = project.artefacts.get("proof")
    if proof is None:
        return []
    n_files = sum(name.endswith(".certificate.json") for name in proof.files)
    total = proof.payload["total"]
    text = f"{n_files} of {total} requirements have one; re-check with crumple report --verify"
    return [Node(SOLUTION, "certificates", text, GOOD if n_files == total else BAD, "requirements")]


BOX_W, GAP_X, GAP_Y, LINE_H, PAD = 236, 34, 10, 15, 8
WRAP = 31


def argument_svg(goals: Sequence[Node]) -> str:
    """The argument below each of ``goals`` as inline SVG: boxes from left to right, links to the evidence."""
    parts: list[str] = []
    bottom, depth = PAD, 0
    for goal in goals:
        bottom, _, deepest = _draw(goal, PAD, bottom, parts)
        bottom += GAP_Y
        depth = max(depth, deepest)
    width = PAD * 2 + (depth + 1) * BOX_W + depth * GAP_X
    head = f'<svg class="gsn" viewBox="0 0 {width} {bottom}" width="{width}" height="{bottom}" role="img"'
    label = "; ".join(f"{goal.name} {STANDING[goal.standing]}" for goal in goals)
    return "".join([head, f' aria-label="Safety argument: {escape(label)}">', *parts, "</svg>"])


STANDING = {GOOD: "supported", BAD: "contradicted by evidence", OPEN: "open in part"}


def _draw(node: Node, left: int, top: int, parts: list[str], depth: int = 0) -> tuple[int, int, int]:
    """Draw a node and all below it; return the lower end, the middle of the node's own box, and the depth reached."""
    lines = [line for text in (f"{node.name}: {node.text}",) for line in textwrap.wrap(text, WRAP)]
    height = LINE_H * (len(lines) + 1) + PAD
    below, middles, deepest = top, [], depth
    for part in node.parts:
        below, middle, reached = _draw(part, left + BOX_W + GAP_X, below, parts, depth + 1)
        middles.append(middle)
        deepest = max(deepest, reached)
    middle = max((middles[0] + middles[-1]) // 2 if middles else 0, top + height // 2)
    box_top = middle - height // 2
    for each in middles:
        x, bend = left + BOX_W, left + BOX_W + GAP_X // 2
        parts.append(f'<path class="link" d="M{x} {middle}H{bend}V{each}H{left + BOX_W + GAP_X}"/>')
    round_by = {GOAL: 2, SOLUTION: 16, UNDEVELOPED: 2}[node.kind]
    shape = (
        f'<rect class="{node.kind} {node.standing}" x="{left}" y="{box_top}" width="{BOX_W}" height="{height}"'
        f' rx="{round_by}"/>'
    )
    words = "".join(
        f'<text x="{left + PAD + 4}" y="{box_top + LINE_H * (k + 1) + 1}">{escape(line)}</text>'
        for k, line in enumerate(lines)
    )
    standing = (
        f'<text class="standing {node.standing}" x="{left + PAD + 4}" y="{box_top + LINE_H * (len(lines) + 1)}">'
        f"{STANDING[node.standing]}</text>"
    )
    drawn = f"{shape}{words}{standing}"
    parts.append(f'<a href="#{escape(node.anchor)}">{drawn}</a>' if node.anchor else drawn)
    return max(below, box_top + height + GAP_Y), middle, deepest
