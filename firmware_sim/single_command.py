"""``crumple simulate`` for one event: timeline, trace and EDR image, each a file that is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crumple.artefact import write_bytes
from crumple.cli import emit, log, progress, table
from crumple.errors import ConfigError, WouldOverwriteError

from .single import STEPS, Simulated, simulate_one
from .trace_files import require_format, trace_bytes


def run_single(
    export: Path,
    path: Path,
    *,
    event_name: str | None,
    map_path: Path | None,
    plot: Path | None,
    trace: Path | None,
    edr: Path | None,
    rest_ms: int,
    force: bool,
    as_json: bool,
) -> None:
    """Simulate one event of a corpus or recording and write what was asked for.

    Parameters
    ----------
    export, path : Path
    event_name : str or None
        None where there is only one.
    map_path : Path or None
        What a recording does not say.
    plot, trace, edr : Path or None
        Files to write.
    rest_ms : int
    force, as_json : bool

    Raises
    ------
    WouldOverwriteError
        A file is there and ``force`` is not given; nothing has been simulated then.
    ConfigError, ToolMissingError
        A format that is not written, or whose library is absent; as early.
    """
    files = [file for file in (plot, trace, edr) if file is not None]
    if len({file.resolve() for file in files}) < len(files):
        raise ConfigError(f"{files[0]}: --plot, --trace and --edr must be different files")
    for file in files:
        if file.exists() and not force:
            raise WouldOverwriteError(f"{file}: is there already; --force replaces it")
    if plot is not None and plot.suffix.lower() != ".html":
        raise ConfigError(f"{plot}: the timeline is an HTML page; name it .html")
    if trace is not None:
        require_format(trace)
    with progress("simulate", STEPS + len(files)) as advance:
        from crumple.signals.formats.mapping import read_map
        from crumple.signals.look import look

        source = look(path, None if map_path is None else read_map(map_path))
        event, sensors = source.event(event_name)
        done = simulate_one(export, event, sensors, rest_ms=rest_ms, where=str(path), advance=advance)
        if edr is not None:
            write_bytes(edr, done.image)
        if trace is not None:
            advance(STEPS, f"writing {trace.name}")
            write_bytes(trace, trace_bytes(done, trace))
        if plot is not None:
            from .timeline_figure import timeline_page

            advance(STEPS + len(files) - 1, f"drawing {plot.name}")
            write_bytes(plot, timeline_page(done).encode("utf-8"))
        advance(STEPS + len(files), f"{done.n_ticks} ticks, {done.outcome.verdict}")
    log.info("compiled by %s", done.compiler)
    written = {name: str(file) for name, file in (("plot", plot), ("trace", trace), ("edr", edr)) if file is not None}
    emit({"event": document(done), "written": written}, text(done, written), as_json=as_json)


def document(done: Simulated) -> dict[str, Any]:
    """What came of an event, ``done``, as plain values."""
    found = done.outcome
    return {
        "name": found.name,
        "source": found.source,
        "mode": found.mode,
        "label": found.label,
        "verdict": found.verdict,
        "ttf_ms": found.ttf_ms,
        "rttf_ms": found.rttf_ms,
        "request_ms": found.request_ms,
        "arming_ms": found.arming_ms,
        "ticks": done.n_ticks,
        "rest_ticks": done.n_ticks - done.n_given,
        "states": [{"from_ms": at, "state": state} for at, state in done.states()],
        "trouble": done.troubles(),
    }


def text(done: Simulated, written: dict[str, str]) -> str:
    """The same for a person, ``done`` as a timeline of states and ``written`` as the files that hold more."""
    found = done.outcome

    def ms(value: float | None) -> str:
        return "never" if value is None else f"{value:.1f} ms"

    head = (
        f"{found.name}: {found.verdict}; fires {ms(found.ttf_ms)}, required {ms(found.rttf_ms)}, first request"
        f" {ms(found.request_ms)}, first armed {ms(found.arming_ms)}"
    )
    states = table("states", ("from ms", "state"), [(f"{at:.1f}", state) for at, state in done.states()])
    said = [f"trouble codes: {', '.join(done.troubles()) or 'none'}"]
    said += [f"{name}: {file}" for name, file in written.items()]
    return "\n\n".join((head, states, "\n".join(said)))
