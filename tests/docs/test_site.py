"""The site builds, its links lead somewhere, and what is written about the code is what the code says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from crumple.__main__ import COMMANDS, crumple
from crumple.model.analysis import properties

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as the site makes them."""
    headings = re.findall(r"^#+ +(.*)$", FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip()) for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    for found in LINK.finditer(FENCED.sub("", page.read_text(encoding="utf-8"))):
        target = found[1] or found[2]
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), f"{page.name}: {target} leads nowhere"
        if anchor:
            assert anchor in anchors(there), f"{page.name}: {target} names no heading"


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    assert (tmp_path / "site" / "index.html").is_file()


def test_the_page_of_commands_is_what_the_commands_say() -> None:
    """In a process of its own: a command keeps the help option of its first use, by whatever test that was."""
    script = ROOT / "docs" / "reference" / "commands.py"
    code = f"import runpy, sys; sys.stdout.write(runpy.run_path({str(script)!r})['page']())"
    said = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code], capture_output=True, encoding="utf-8", check=True
    ).stdout
    written = script.with_suffix(".md").read_text(encoding="utf-8")
    assert written == said, "run python docs/reference/commands.py"


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_has_an_example_and_speaks_json(verb: str) -> None:
    command = crumple.get_command(None, verb)  # type: ignore[arg-type]
    assert command is not None
    below = list(getattr(command, "commands", {}).values()) or [command]
    for each in below:
        assert "Example" in (each.epilog or each.help or ""), f"{verb} {each.name}: no example"
        assert any("--json" in option.opts for option in each.params), f"{verb} {each.name}: no --json"


def test_every_kind_key_and_claim_of_the_requirements_language_is_written_down() -> None:
    page = (ROOT / "docs" / "reference" / "requirements.md").read_text(encoding="utf-8")
    words = {*properties.KINDS_OF_CLAIM, *properties.REQUIRED_KEYS}
    for keys in (*properties.REQUIRED_KEYS.values(), *properties.OPTIONAL_KEYS.values()):
        words.update(keys)
    assert not [word for word in sorted(words) if f"`{word}`" not in page]


def test_every_schema_is_written_down() -> None:
    page = (ROOT / "docs" / "reference" / "artefacts.md").read_text(encoding="utf-8")
    found: set[str] = set()
    for folder in ("core", "signals", "model", "export", "firmware_sim"):
        for source in (ROOT / folder).rglob("*.py"):
            found.update(
                re.findall(r'^[A-Z_]*SCHEMA[A-Z_]* = "(crumple\.[a-z]+/\d+)"', source.read_text(), re.MULTILINE)
            )
    assert len(found) > 10 and not [schema for schema in sorted(found) if f"`{schema}`" not in page]


def test_verbs_complete_in_the_shell() -> None:
    completer = BashComplete(crumple, {}, "crumple", "_CRUMPLE_COMPLETE")
    assert [item.value for item in completer.get_completions([], "ex")] == ["explain", "export"]
    assert "_CRUMPLE_COMPLETE" in completer.source()
