"""The report: what it says, that it says what is wrong in place, that it can be checked again, and that it opens."""

from __future__ import annotations

import html.parser
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crumple.__main__ import COMMANDS as VERBS
from crumple.__main__ import main
from crumple.artefact import Stage, canonical_json, read_artefact, sha256_bytes
from crumple.export.report.argument import BAD, GOOD, OPEN, Node, argument, argument_svg
from crumple.export.report.crossref import CROSS_REFERENCES
from crumple.export.report.further import KINDS, MOST_ROWS, tables_of
from crumple.export.report.page import MARKER, _embedded, render_report
from crumple.export.report.project import coverage_command, read_project
from crumple.export.report.statements import statements
from crumple.export.report.tables import _keeps, explorer_events
from crumple.export.report.verify import verify_report

TRACES = Path(__file__).resolve().parents[1] / "traces"
CHROMIUM = next((found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), None)

PROJECT = """
requirements = "requirements.toml"
[corpus.counts]
rigid_barrier = 12
hammer = 12
[test]
seed = 1
[test.counts]
rigid_barrier = 6
hammer = 6
[training]
n_steps = 40
n_rounds = 1
[evaluation]
immunity_events = 2
corner_events = 1
superposition_events = 1
map_steps = 2
[recordings.wall]
paths = ["selfmade-ev5"]
"""

REQUIREMENT = """
[[requirement]]
id = "{id}"
property = "{property}"
text = "Text of {id}, with <b>no</b> markup & more."
claim = "{claim}"
rationale = "test"
origin = "assumed, for a test"
[requirement.set]
{set}
"""

GENTLE = """kind = "pulse"
shape = "half_sine"
delta_v_from_kmh = "3"
delta_v_to_kmh = "4"
duration_from_ms = "60"
duration_to_ms = "62"
noise_g = "0.25"
"""
"""A bump that no classifier can know for a crash within 3 ms: a requirement that must turn out violated."""

Run = tuple[int, str, str]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Any:
    """Run a command in this process; returns exit code, stdout, stderr."""

    def call(*arguments: object) -> Run:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small project with one proved and one violated requirement and a recording; tests change a copy."""
    root = tmp_path_factory.mktemp("report") / "p"
    shutil.copytree(TRACES / "selfmade-ev5", root / "selfmade-ev5")
    (root / "crumple.toml").write_text(PROJECT, encoding="utf-8")
    fits = REQUIREMENT.format(id="W1", property="P8", claim="accumulators_fit", set='kind = "all_inputs"')
    wild = REQUIREMENT.format(id="W2", property="P5", claim="fires_by", set=GENTLE).replace("\n[", '\nby_ms = "3"\n[')
    wild = wild.replace('\nby_ms = "3"\n[[', "\n[[")
    (root / "requirements.toml").write_text(fits + wild, encoding="utf-8")
    assert main(["--quiet", "run", "--project", str(root)]) == 1  # W2 is violated
    return root


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "p"))


class Links(html.parser.HTMLParser):
    """Every anchor, every link, and every table's id."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.hrefs: list[str] = []
        self.loads: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids += [found["id"]] if "id" in found else []
        self.hrefs += [found["href"]] if tag == "a" and "href" in found else []
        self.loads += [found[key] for key in ("src", "href") if key in found and tag != "a"]


def text_of(root: Path) -> str:
    return (root / "report.html").read_text(encoding="utf-8")


def test_every_link_of_the_page_resolves_and_nothing_is_loaded_from_elsewhere(finished: Path) -> None:
    links = Links(text_of(finished))
    assert len(links.ids) == len(set(links.ids))
    for href in links.hrefs:
        if href.startswith("#"):
            assert href[1:] in links.ids, href
        else:
            assert (finished / href).is_file(), href
    assert all(load.startswith("data:") for load in links.loads)


def test_the_page_holds_no_path_date_or_network_address_and_stays_small(finished: Path) -> None:
    page = text_of(finished)
    assert str(finished) not in page
    assert len(page) < 5_000_000
    own = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)  # the plotting library names its homepage
    assert "http" not in re.sub(r'src="data:[^"]*"', "", own)


def test_the_same_artefacts_give_the_same_page(finished: Path) -> None:
    assert render_report(read_project(finished)) == render_report(read_project(finished)) == text_of(finished)


def test_verdict_method_domain_certificate_and_text_of_each_requirement_stand_on_the_page(finished: Path) -> None:
    page = text_of(finished)
    row = page.partition('id="requirement-W2"')[2].partition("</tr>")[0]
    for words in ("violated", "counterexample, replayed", "by 3 ms", "proof/W2.certificate.json", "P5"):
        assert words in row
    assert "with &lt;b&gt;no&lt;/b&gt; markup" in row
    assert "1 of 2" in page
    assert "closed form" in page.partition('id="requirement-W1"')[2].partition("</tr>")[0]


def test_measured_and_synthetic_events_stand_apart(finished: Path) -> None:
    page = text_of(finished)
    measured = page.partition('<h2 id="measured">')[2].partition("</section>")[0]
    synthetic = page.partition('<h2 id="simulation">')[2].partition("</section>")[0]
    assert "selfmade" in measured.lower() or 'class="tag">measured' in measured
    assert "rigid_barrier_0" not in measured
    assert "<td>measured</td>" not in synthetic


def test_the_standards_are_supported_and_never_complied_with(finished: Path) -> None:
    page = text_of(finished)
    assert {row.standard for row in CROSS_REFERENCES} >= {"ISO 26262-6", "ISO/PAS 8800", "ISO/IEC 24029-2", "ISO 21448"}
    assert "supports:" in page
    for words in ("complies", "compliant", "certified for", "fit for use"):
        assert words not in page
    assert "neither compliance" in page


def test_the_argument_is_drawn_from_the_data(finished: Path) -> None:
    goals = argument(read_project(finished))
    assert [goal.name for goal in goals] == ["G1", "G2", "G3", "G4"]
    assert goals[1].standing == BAD  # W2 is violated
    assert goals[2].standing == OPEN
    svg = argument_svg(goals)
    assert "W2" in svg
    assert 'href="#requirement-W2"' in svg


def test_a_goal_is_as_good_as_the_worst_below_it_and_nothing_below_is_never_good() -> None:
    def goal(*parts: Node) -> Node:
        return Node("goal", "G", "text", parts=parts)

    good, bad, undone = (Node("solution", "S", "text", status) for status in (GOOD, BAD, OPEN))
    assert goal(good, good).standing == GOOD
    assert goal(good, undone).standing == OPEN
    assert goal(goal(good), goal(undone, bad)).standing == BAD
    assert goal().standing == OPEN


def test_embedded_json_cannot_end_its_script_element() -> None:
    value = {"text": "</script><script>alert(1)</script>&<!--"}
    text = _embedded(value)
    assert "<" not in text
    assert json.loads(text) == value


def test_a_fresh_report_verifies(finished: Path, run: Any) -> None:
    code, out, _ = run("report", finished, "--verify", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["holding"] == document["total"] == len(statements(read_project(finished))) + 1


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("proof/W1.certificate.json", "requirement-W1"),
        ("proof/W2.property.json", "requirement-W2"),
        ("model/model.json", "requirement-W1"),
        ("export/crumple_model.c", "one-answer"),
        ("simulation/timelines.json", "simulation-synthetic-hammer"),
        ("recording-wall/corpus.h5", "recording-wall-simulation-measured-rigid_barrier"),
    ],
)
@pytest.mark.parametrize("how", ["changed", "gone"])
def test_verify_names_the_sentence_that_a_file_no_longer_supports(
    project: Path, run: Any, name: str, broken: str, how: str
) -> None:
    if how == "gone":
        (project / name).unlink()
    else:
        (project / name).write_bytes((project / name).read_bytes()[:-1] + b" ")
    code, out, err = run("report", project, "--verify", "--json")
    document = json.loads(out)
    fallen = {row["id"]: row for row in document["statements"] if not row["holds"]}
    assert code == 1
    assert broken in fallen, sorted(fallen)
    assert fallen[broken]["reasons"]
    assert fallen[broken]["mend"].startswith("crumple ")
    assert "no longer hold" in err


def test_a_certificate_that_was_swapped_for_another_with_all_hashes_mended_is_still_refused(project: Path) -> None:
    """The hash chain can be rewritten by anyone; the proof cannot."""
    path = project / "proof" / "W2.certificate.json"
    document = json.loads(path.read_bytes())
    document["payload"] = {**document["payload"], "verdict": "proved", "witness": None}
    del document["sha256"]
    document["sha256"] = sha256_bytes(canonical_json(document))
    path.write_bytes(canonical_json(document))
    proof_path = project / "proof" / "proof.json"
    proof = json.loads(proof_path.read_bytes())
    proof["files"]["W2.certificate.json"] = sha256_bytes(path.read_bytes())
    for row in proof["payload"]["requirements"]:
        row["verdict"] = "proved"
    del proof["sha256"]
    proof["sha256"] = sha256_bytes(canonical_json(proof))
    proof_path.write_bytes(canonical_json(proof))
    coverage_path = project / "coverage" / "coverage.json"
    coverage = json.loads(coverage_path.read_bytes())
    coverage["parents"]["proof"] = read_artefact(proof_path, "crumple.proof/1").sha256
    del coverage["sha256"]
    coverage["sha256"] = sha256_bytes(canonical_json(coverage))
    coverage_path.write_bytes(canonical_json(coverage))
    assert main(["--quiet", "report", str(project)]) == 0  # every hash agrees
    fallen = {finding.id: finding for finding in verify_report(project, project / "report.html") if not finding.holds}
    assert list(fallen) == ["requirement-W2"]
    assert "checker" in fallen["requirement-W2"].reasons[0]


def test_verify_sees_that_the_page_itself_was_changed(project: Path, run: Any) -> None:
    page = project / "report.html"
    page.write_text(text_of(project).replace("1 of 2", "2 of 2"), encoding="utf-8")
    code, out, _ = run("report", project, "--verify", "--json")
    assert code == 1
    assert [row["id"] for row in json.loads(out)["statements"] if not row["holds"]] == ["page"]


@pytest.mark.parametrize("text", ["", "<html></html>", MARKER, MARKER + '<script id="citations">[]</script>'])
def test_verify_refuses_what_is_no_report(project: Path, run: Any, text: str) -> None:
    (project / "report.html").write_text(text, encoding="utf-8")
    code, _, err = run("report", project, "--verify")
    assert code == 3
    assert "report.html" in err


@pytest.mark.parametrize("name", ["corpus", "model", "proof", "export", "validation", "simulation", "evaluation"])
@pytest.mark.parametrize("kind", ["missing", "damaged"])
def test_what_is_missing_or_damaged_is_told_in_place_with_the_command_that_mends_it(
    project: Path, run: Any, name: str, kind: str
) -> None:
    document = next(path for path in (project / name).glob("*.json") if path.stem in (name, "corpus"))
    if kind == "missing":
        document.unlink()
    else:
        document.write_bytes(document.read_bytes().replace(b"crumple 0", b"crumple 9"))
    code, _, err = run("report", project)
    page = text_of(project)
    assert code == 3
    assert f"crumple run{' --force' if kind == 'damaged' else ''} {name}" in err
    told = re.findall(r'<p class="trouble" role="alert"><b>(\w+)</b>: ([^<]*)', page)
    assert any(found == kind and name in text for found, text in told), told
    assert len([found for found, text in told if name in text]) >= 2  # at the head and in its section
    assert str(project) not in page


def rewritten(path: Path, change: Any) -> None:
    """Change the payload of a document and mend its own hash."""
    document = json.loads(path.read_bytes())
    change(document["payload"])
    del document["sha256"]
    document["sha256"] = sha256_bytes(canonical_json(document))
    path.write_bytes(canonical_json(document))


def table_of(page: str, heading: str) -> list[list[str]]:
    """Cells of the first table after a heading."""
    table = page.partition(heading)[2].partition("<table")[2].partition("</table>")[0]
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", table, flags=re.DOTALL)
    return [[re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in rows]


def test_a_fire_before_contact_has_its_own_column_and_speaks_against_the_goal(project: Path, run: Any) -> None:
    def premature(payload: Any) -> None:
        event = next(event for event in payload["events"] if event["label"] == "must_fire")
        event["verdict"] = "premature"
        row = next(row for row in payload["tally"]["synthetic"] if row["mode"] == event["mode"])
        old = next(word for word in ("in time", "late", "missed") if row[word])
        row[old] -= 1
        row["premature"] += 1

    rewritten(project / "simulation" / "simulation.json", premature)
    assert run("report", project)[0] == 0
    page = text_of(project)
    header, *rows = table_of(page, '<h3>corpus <span class="tag">synthetic')
    assert all(len(row) == len(header) for row in rows)
    assert sum(int(row[header.index("premature")]) for row in rows) == 1
    assert "1 premature" in page.partition('id="open-points"')[2]
    node = next(node for node in argument(read_project(project))[1].parts[0].parts if node.name.startswith("corpus"))
    assert node.standing == BAD
    assert "late, missed or premature" in node.text
    header, *rows = table_of(page, '<h2 id="evaluation">')
    assert "premature" in header and all(len(row) == len(header) for row in rows)


def test_what_is_stale_is_told_and_so_is_all_that_follows_from_it(project: Path, run: Any) -> None:
    words = ("train", project / "corpus", "--out", project / "model", "--force", "--seed", 3, *config(project))
    assert run(*words)[0] in (0, 1)  # a net of 40 steps need not meet its requirements
    found = {trouble.name: trouble.kind for trouble in read_project(project).troubles}
    assert found == dict.fromkeys(
        ("proof", "export", "validation", "simulation", "recording-wall-simulation", "evaluation", "coverage"), "stale"
    )
    code, _, err = run("report", project)
    assert code == 3
    assert "stale" in err
    assert "What is shown here of it is old" in text_of(project)


def config(project: Path) -> tuple[object, ...]:
    path = project / "training.toml"
    path.write_text("n_steps = 40\nn_rounds = 1\n", encoding="utf-8")
    return ("--config", path)


def test_without_a_browser_the_pdf_is_said_not_to_be_made(
    project: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    code, _, err = run("report", project, "--pdf")
    assert code == 4
    assert "not made" in err
    assert not (project / "report.pdf").exists()


# -- evidence that a project may have or not -----------------------------------------------------------


def made(project: Path, folder: str, schema: str, payload: Any, files: dict[str, str] | None = None) -> Path:
    """An artefact of another stage, made from the model that lies here."""
    model = read_project(project).artefacts["model"]

    def work(out: Path) -> Any:
        for name, text in (files or {}).items():
            (out / name).write_text(text, encoding="utf-8")
        return payload

    Stage(project / folder, f"{folder}.json", schema, {"model": model.sha256}, {}).run(work)
    return project / folder / f"{folder}.json"


FAULTS = {
    "total": {"faults": 12, "unintended fire": 0},
    "goals": [
        {"goal": "no single fault fires outside a <b>crash</b>", "figure": "0 of 12 runs", "holds": True},
        {"goal": "every omitted fire is explained", "figure": "1 of 2 runs", "holds": False},
    ],
    "rest": [{"family": f"family_{k}", "faults": k} for k in range(MOST_ROWS + 5)],
}


def test_what_is_missing_is_told_in_its_section_with_what_makes_it_and_is_no_trouble(project: Path, run: Any) -> None:
    shutil.rmtree(project / "coverage")
    assert run("report", project)[0] == 0
    page = text_of(project)
    for kind in KINDS:
        section = page.partition(f'<h2 id="{kind.anchor}">')[2].partition("<h2")[0]
        assert "<b>Missing</b>" in section, kind.anchor
        assert kind.command in section
        assert f"{kind.title}: not here" in page.partition('id="open-points"')[2]
    coverage = page.partition('<h2 id="coverage">')[2].partition("<h2")[0]
    assert "crumple run coverage" in coverage
    assert not read_project(project).troubles
    (project / "crumple.toml").unlink()
    assert coverage_command(read_project(project)) == "crumple cover model proof recording-wall --out coverage"
    shutil.rmtree(project / "recording-wall")
    shutil.rmtree(project / "recording-wall-simulation")
    run("report", project)
    assert "no measured recording whose place" in text_of(project)


def test_every_command_that_a_missing_section_names_is_a_verb(finished: Path) -> None:
    for kind in KINDS:
        assert not kind.command or kind.command.split()[1] in VERBS, kind
    assert coverage_command(read_project(finished)).split()[1] in VERBS


def test_evidence_of_another_stage_is_shown_as_its_file_says_and_counted(project: Path, run: Any) -> None:
    made(project, "faults", "crumple.faults/2", FAULTS, {"coverage.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>"})
    assert run("report", project)[0] == 0
    page = text_of(project)
    section = page.partition('<h2 id="faults">')[2].partition("<h2")[0]
    assert "Missing" not in section
    assert "outside a &lt;b&gt;crash&lt;/b&gt;" in section and "<b>crash</b>" not in page
    assert "unintended fire" in section and "and 5 more rows in the file" in section
    assert "data:image/svg+xml" in section
    svg = argument_svg(argument(read_project(project)))
    assert "1 of 2 runs" in svg
    single = argument(read_project(project))[0].parts[1]
    assert single.standing == BAD, "a goal that fault injection missed contradicts the argument"
    assert any(one.id == "further-faults" for one in statements(read_project(project)))
    assert "Fault injection misses a goal: every omitted fire is explained: 1 of 2 runs." in page
    links = Links(page)
    assert all(href[1:] in links.ids for href in links.hrefs if href.startswith("#"))
    assert run("report", project, "--verify")[0] == 0


def test_what_a_campaign_drew_that_went_wrong_is_an_open_point(project: Path, run: Any) -> None:
    bounds = [
        {"mode": "all", "events": 90, "failures": 3, "failure": "false fire", "upper": 0.08},
        {"mode": "hammer", "events": 90, "failures": 3, "failure": "false fire", "upper": 0.08},
        {"mode": "all", "events": 10, "failures": 0, "failure": "late or missed or premature", "upper": 0.26},
    ]
    made(project, "campaign", "crumple.campaign/1", {"kind": "monte_carlo", "bounds": bounds})
    assert run("report", project)[0] == 0
    points = text_of(project).partition('id="open-points"')[2].partition("<h3>Residual")[0]
    assert points.count("In campaign (synthetic)") == 1
    assert "3 of 90 events false fire" in points


def test_certificates_beside_an_artefact_do_not_stand_for_it(project: Path, run: Any) -> None:
    made(project, "firemap", "crumple.firemap/1", {"cells": {"fires": 3, "never": 2, "undecided": 1}})
    for name in ("A1.certificate.json", "Z1.certificate.json"):
        shutil.copy(project / "proof" / "W1.certificate.json", project / "firemap" / name)
    run("report", project)
    assert read_project(project).artefacts["firemap"].schema == "crumple.firemap/1"
    section = text_of(project).partition('<h2 id="firemap">')[2].partition("<h2")[0]
    assert "undecided" in section and "Missing" not in section


def test_explanations_join_the_events_they_are_about_and_stale_ones_do_not(project: Path, run: Any) -> None:
    def events() -> dict[str, dict[str, Any]]:
        return {event["name"]: event for event in explorer_events(read_project(project))}

    commands = {
        "measured": "crumple explain model recording-wall --out explanation-recording-wall",
        "synthetic": "crumple explain model corpus --out explanation",
    }
    for event in events().values():
        assert event["contribution"] is None and f"not made ({commands[event['source']]})" in event["keeps"]
    for corpus, out in (("corpus", "explanation"), ("recording-wall", "explanation-recording-wall")):
        assert run("explain", project / "model", project / corpus, "--out", project / out, "--no-distance")[0] == 0
    for name, event in events().items():
        folder = "explanation" if event["source"] == "synthetic" else "explanation-recording-wall"
        payload = read_project(project).artefacts[folder].payload
        (told,) = [one for one in payload["events"] if one["name"] == name]
        ends = event["first_ms"] + event["period_ms"] * max(k for k, part in enumerate(event["contribution"]) if part)
        assert len(event["contribution"]) == len(event["y"]) and max(map(abs, event["contribution"])) == 1
        assert ends <= told["explained_at_ms"] + 1e-9
        scale = max(map(abs, told["contributions"]))
        assert sum(event["contribution"]) == pytest.approx((told["y"] - told["constant"]) / scale, abs=0.01)
        assert event["keeps"] == f"distance to flipping not made ({commands[event['source']]})"
    assert run("report", project)[0] == 0
    assert run("report", project, "--verify")[0] == 0
    assert run("train", project / "corpus", "--out", project / "model", "--force", "--seed", 3, *config(project))[0] < 2
    for event in events().values():
        assert event["contribution"] is None and f"not made ({commands[event['source']]} --force)" in event["keeps"]


@pytest.mark.parametrize(
    ("holds", "flips", "said"),
    [
        (8, 9, "proved to keep its verdict under noise up to 0.5 g on every sample; 0.5625 g turns it"),
        (8, 10, "up to 0.5 g on every sample; 0.625 g turns it, what lies between is undecided"),
        (256, None, "up to 16 g on every sample; what turns it was not found"),
        (-1, 0, "not proved to keep its verdict; 0 g turns it"),
    ],
)
def test_the_distance_to_flipping_is_said_as_far_as_it_is_known(holds: int, flips: int | None, said: str) -> None:
    far = {"holds_lsb": holds, "flips_lsb": flips, "lsb_g": 0.0625, "flipped_by": []}
    assert _keeps({"distance": far}, "").endswith(said)


def test_damaged_or_stale_further_evidence_is_told_in_place(project: Path, run: Any) -> None:
    path = made(project, "faults", "crumple.faults/2", FAULTS)
    assert run("train", project / "corpus", "--out", project / "model", "--force", "--seed", 3, *config(project))[0] < 2
    run("report", project)
    told = [trouble for trouble in read_project(project).troubles if trouble.name == "faults"]
    assert [trouble.kind for trouble in told] == ["stale"]
    assert "crumple faults export corpus" in told[0].mend
    section = text_of(project).partition('<h2 id="faults">')[2].partition("<h2")[0]
    assert "stale" in section and "What is shown here of it is old" in section
    path.write_bytes(path.read_bytes().replace(b"explained", b"expounded"))
    code, _, err = run("report", project)
    assert code == 3
    assert "faults" in err


def test_coverage_is_shown_event_by_event_and_bears_on_the_argument(project: Path, run: Any) -> None:
    folders = [project / name for name in ("model", "proof", "recording-wall")]
    before = (project / "coverage" / "coverage.json").read_bytes()
    assert run("cover", *folders, "--out", project / "coverage", "--force")[0] == 0
    assert (project / "coverage" / "coverage.json").read_bytes() == before, "the verb and the chain agree"
    page = text_of(project)
    found = json.loads((project / "coverage" / "coverage.json").read_bytes())["payload"]
    header, *rows = table_of(page, '<h2 id="coverage">')
    assert [row[0] for row in rows] == [event["name"] for event in found["events"]]
    assert all(len(row) == len(header) for row in rows)
    outside = found["events_with_label"] - found["covered"]
    assert outside and f"{outside} of {found['events_with_label']} measured events lie in no proved set" in page
    node = next(part for part in argument(read_project(project))[2].parts if part.name == "coverage")
    assert node.standing == OPEN
    assert run("report", project, "--verify")[0] == 0
    rewritten(project / "coverage" / "coverage.json", lambda payload: payload.update(covered=99))
    code, out, _ = run("report", project, "--verify", "--json")
    assert code == 1
    assert "coverage" in {row["id"] for row in json.loads(out)["statements"] if not row["holds"]}


json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=25,
)


@given(json_values)
def test_any_payload_makes_tables_whose_rows_fit_their_header(payload: Any) -> None:
    for table in tables_of(payload):
        assert all(len(row) == len(table.header) for row in table.rows)
        assert all(isinstance(text, str) for row in table.rows for text in row)
        assert len(table.rows) <= max(MOST_ROWS, 25)


def test_a_record_that_lacks_a_key_leaves_its_cell_empty_and_numbers_are_not_rounded_away() -> None:
    (table,) = tables_of({"rows": [{"a": 1, "b_c": 2.0}, {"a": None, "d": [1, 2]}]})
    assert table.title == "rows" and table.header == ("a", "b c", "d")
    assert table.rows == (("1", "2", ""), ("–", "", "1, 2"))


needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH")


def opened(page: Path, profile: Path, *more: str) -> tuple[str, str]:
    """The page's elements after its script ran, and what the browser logged."""
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    command += [f"--user-data-dir={profile}", *more, "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, done.stderr


@needs_browser
@pytest.mark.slow
def test_the_page_opens_with_a_clean_console_and_its_explorer_speaks(project: Path, run: Any, tmp_path: Path) -> None:
    explain = ("explain", project / "model", project / "recording-wall", "--no-distance")
    assert run(*explain, "--out", project / "explanation-recording-wall")[0] == 0
    assert run("report", project)[0] == 0
    elements, log = opened(project / "report.html", tmp_path / "profile")
    assert "CONSOLE" not in log
    explorer = elements.partition('id="explorer"')[2]
    assert explorer.count("<option") >= 3
    assert "counterexample of W2" in explorer
    assert "votes" in explorer.partition("<output")[2].partition("</output>")[0]
    assert "contribution" in explorer.partition("<output")[2].partition("</output>")[0]
    assert explorer.count("<canvas") == 4
    assert re.search(r">\d+ of \d+ rows</output>", elements)


@needs_browser
@pytest.mark.slow
def test_the_console_test_would_see_an_error(finished: Path, tmp_path: Path) -> None:
    page = tmp_path / "broken.html"
    page.write_text(text_of(finished).replace("function show()", "function shown()"), encoding="utf-8")
    assert "CONSOLE" in opened(page, tmp_path / "profile")[1]


@needs_browser
@pytest.mark.slow
def test_the_pdf_is_printed(project: Path, run: Any) -> None:
    code, out, _ = run("report", project, "--pdf", "--json")
    assert code == 0
    assert Path(json.loads(out)["pdf"]).read_bytes().startswith(b"%PDF")
