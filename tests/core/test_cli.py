"""The front door: exit codes, one-line errors, results and progress on the right stream, a fast start."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType

import click
import pytest

import crumple.__main__ as front
from crumple import __version__, errors
from crumple.cli import emit, progress, table
from crumple.errors import CrumpleError

HEAVY = ("numpy", "scipy", "sklearn", "h5py", "matplotlib", "onnx", "onnxruntime", "pydantic", "jinja2", "rich")


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """A verb ``probe`` that raises (or returns) what the test puts into the list."""
    outcome: list[object] = []

    @click.command("probe")
    @click.option("--n", type=int, default=0)
    def probe_command(n: int) -> object:
        click.echo("result")
        if outcome and isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0] if outcome else None

    module = ModuleType("crumple_probe")
    module.probe_command = probe_command  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "crumple_probe", module)
    monkeypatch.setitem(front.COMMANDS, "probe", ("crumple_probe", "Only for this test."))
    yield outcome


def leaves(kind: type[CrumpleError]) -> list[type[CrumpleError]]:
    return [kind] + [leaf for child in kind.__subclasses__() for leaf in leaves(child)]


def test_a_command_that_ends_well_returns_zero(verb: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    assert front.main(["probe"]) == 0
    assert capsys.readouterr() == ("result\n", "")


def test_a_command_may_return_its_exit_code(verb: list[object]) -> None:
    verb.append(1)
    assert front.main(["probe"]) == 1


@pytest.mark.parametrize("kind", leaves(CrumpleError), ids=lambda kind: kind.__name__)
def test_our_errors_become_one_line_and_their_exit_code(
    verb: list[object], kind: type[CrumpleError], capsys: pytest.CaptureFixture[str]
) -> None:
    verb.append(kind("trace.csv:3: time goes backwards"))
    assert front.main(["probe"]) == kind.exit_code
    assert capsys.readouterr().err == "crumple: trace.csv:3: time goes backwards\n"


def test_every_line_of_an_error_is_marked(verb: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    verb.append(errors.ConfigError("f.toml: a\nf.toml: b"))
    assert front.main(["probe"]) == 2
    assert capsys.readouterr().err == "crumple: f.toml: a\ncrumple: f.toml: b\n"


@pytest.mark.parametrize("arguments", [["--debug", "probe"], ["probe", "--debug"], ["probe", "--debug", "--n", "3"]])
@pytest.mark.parametrize("error", [errors.SignalError("bad"), ZeroDivisionError("bug")], ids=repr)
def test_debug_shows_the_traceback_wherever_it_stands(
    verb: list[object], arguments: list[str], error: Exception
) -> None:
    verb.append(error)
    with pytest.raises(type(error)):
        front.main(arguments)


def test_a_bug_is_called_a_bug(verb: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    verb.append(ZeroDivisionError("division by zero"))
    assert front.main(["probe"]) == 70
    shown = capsys.readouterr().err
    assert "internal error: ZeroDivisionError: division by zero" in shown
    assert "--debug" in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()], ids=repr)
def test_an_interruption_returns_130(
    verb: list[object], error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    verb.append(error)
    assert front.main(["probe"]) == 130
    assert "run the same command" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["probe", "--frequency", "3"], ["probe", "--n", "many"], ["probe", "surplus"], ["--loud"], ["proob"]],
    ids=" ".join,
)
def test_wrong_usage_returns_two_without_a_traceback(
    verb: list[object], arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert front.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err


@pytest.mark.parametrize(("typed", "meant"), [("genrate", "generate"), ("proove", "prove"), ("Report", "report")])
def test_an_unknown_verb_suggests_the_nearest(typed: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert front.main([typed]) == 2
    assert f"did you mean '{meant}'?" in capsys.readouterr().err


def test_a_verb_like_no_other_lists_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert front.main(["xyzzy"]) == 2
    shown = capsys.readouterr().err
    assert all(name in shown for name in front.COMMANDS)


def test_help_names_every_verb_in_the_order_of_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert front.main(["--help"]) == 0
    listed = capsys.readouterr().out.partition("order of work")[2]
    places = [listed.index(f"\n  {name} ") for name in front.COMMANDS]
    assert places == sorted(places)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert front.main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


def test_every_error_lists_as_its_exit_code_one_of_the_published() -> None:
    assert {kind.exit_code for kind in leaves(CrumpleError)} <= {1, 2, 3, 4, 5, 70}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["genrate"]], ids=" ".join)
def test_the_front_door_imports_nothing_heavy(arguments: list[str]) -> None:
    probe = (
        "import sys; from crumple.__main__ import main; main(sys.argv[1:]);"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_the_module_runs_as_a_program_and_passes_its_exit_code_on() -> None:
    done = subprocess.run([sys.executable, "-m", "crumple", "genrate"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""


def test_a_reader_that_closes_the_pipe_early_sees_no_traceback() -> None:
    probe = "import sys; from crumple.__main__ import main; sys.exit(main(['--help']))"
    running = subprocess.Popen([sys.executable, "-c", probe], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None and running.stderr is not None
    running.stdout.close()
    shown = running.stderr.read()
    running.stderr.close()
    running.wait()
    assert "Traceback" not in shown
    assert "Exception ignored" not in shown


def test_a_result_is_one_json_document_or_text(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"n": 1}, "one", as_json=False)
    assert capsys.readouterr() == ("one\n", "")
    emit({"n": 1}, "one", as_json=True)
    out, err = capsys.readouterr()
    assert json.loads(out) == {"n": 1, "schema": "crumple.result/1"}
    assert err == ""


def test_a_result_that_is_not_finite_is_no_json() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        emit({"n": float("nan")}, "", as_json=True)


def test_a_table_shows_every_cell_as_given() -> None:
    text = table("Title", ["name", "g"], [["[bold]kerb[/bold]", 1.5], ["wall", "-0.10"]])
    lines = text.splitlines()
    assert lines[0] == "Title"
    assert "[bold]kerb[/bold]" in text and "1.5" in text and "-0.10" in text
    assert all(line == line.rstrip() for line in lines)


def test_progress_goes_to_the_log_and_never_to_stdout(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with caplog.at_level("INFO", logger="crumple"), progress("proving", 2) as advance:
        advance(1, "half")
        advance(2, "all 2")
    assert capsys.readouterr().out == ""
    assert caplog.messages == ["proving: done (all 2)"]
