"""``crumple signals``: look at a corpus or a recording, or hand a recording on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from crumple.artefact import write_bytes
from crumple.cli import emit, json_option, table
from crumple.errors import ChannelError, ConfigError, WouldOverwriteError

from .bands import BANDS_HZ
from .event_figure import channel_view, event_view, figure_svg, summary
from .formats.mapping import read_map
from .look import InCorpus, InRecording, look
from .statistics import Group, Spread, band_name, groups

Command = TypeVar("Command", bound=Callable[..., Any])


@click.group("signals")
def signals_command() -> None:
    """Look at a corpus or a recording: show, plot, stats; write a recording as ISO-MME.

    PATH is a corpus folder as generate and import make it, or a recording of any format that import knows. What a
    recording does not say is stated in --map, as for import.

    \b
    Example:
      crumple signals show v10146/
      crumple signals plot corpus --event rigid_barrier_00000 --out event.svg
      crumple signals stats corpus
      crumple signals write v10146/ --code "curve 93=11SECMLE0000ACXP" --out test.zip
    """


def _source(command: Command) -> Command:
    """PATH and ``--map``."""
    command = click.option(
        "--map",
        "map_path",
        type=click.Path(path_type=Path, dir_okay=False),
        help="TOML file with what a recording does not say, as for import.",
    )(command)
    return click.argument("path", type=click.Path(path_type=Path))(command)


def _open(path: Path, map_path: Path | None, channel: str | None = None) -> InCorpus | InRecording:
    return look(path, None if map_path is None else read_map(map_path), channel=channel)


@signals_command.command("show")
@_source
@json_option
def show_command(path: Path, map_path: Path | None, as_json: bool) -> None:
    """Provenance, sensors, and the channels or events with their quality.

    \b
    Example:
      crumple signals show v10146/
    """
    document = _open(path, map_path).document()
    text = _corpus_text(document) if document["kind"] == "corpus" else _recording_text(document)
    emit(document, text, as_json=as_json)


@signals_command.command("plot")
@_source
@click.option("--event", "event_name", help="Event to plot; needed where there are several.")
@click.option("--channel", "channel_name", help="Plot one channel of a recording as it is, not an event.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default="event.svg",
    show_default=True,
    help="SVG file to write.",
)
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@json_option
def plot_command(
    path: Path,
    map_path: Path | None,
    event_name: str | None,
    channel_name: str | None,
    out: Path,
    force: bool,
    as_json: bool,
) -> None:
    """Draw acceleration, velocity change and free flight of one event, with its required time to fire, as SVG.

    Velocity change and free flight are integrated from first contact: from the measured signal where there is one,
    else from the counts of the main sensor. The same input gives the same bytes.

    \b
    Example:
      crumple signals plot corpus --event rigid_barrier_00000 --out event.svg
    """
    if event_name is not None and channel_name is not None:
        raise click.UsageError("--event and --channel both say what to plot; give one of them")
    if out.exists() and not force:
        raise WouldOverwriteError(f"{out}: is there already; --force replaces it")
    source = _open(path, map_path, channel_name)
    if channel_name is not None:
        if isinstance(source, InCorpus):
            raise ConfigError(f"{path}: is a corpus, which has events and no channels; choose one with --event")
        recording = source.recording
        view = channel_view(recording.name, recording.source, recording.channel(channel_name))
    else:
        try:
            view = event_view(*source.event(event_name))
        except ChannelError as error:
            raise ChannelError(f"{error}; --channel plots a channel as it is") from error
    write_bytes(out, figure_svg(view))
    numbers = summary(view)
    said = ", ".join(f"{name} {value:.1f}" for name, value in numbers.items() if value is not None)
    document = {"plot": str(out), "title": view.title, **numbers, "quality": list(view.quality)}
    emit(document, "\n".join([f"{out}: {view.title}", said, *view.quality]), as_json=as_json)


@signals_command.command("stats")
@_source
@json_option
def stats_command(path: Path, map_path: Path | None, as_json: bool) -> None:
    """Quantiles of peak, velocity change, required time to fire and ringing, by source, mode and label.

    Values are the 5th, 50th and 95th percentile. All but the required time come from the counts of the main sensor,
    whose offset and gain error they include. Synthetic and measured events are never pooled.

    \b
    Example:
      crumple signals stats corpus
    """
    found = groups(_open(path, map_path).events)
    document = {
        "groups": [
            {
                "source": one.source,
                "mode": one.mode,
                "label": one.label,
                "n_events": one.n_events,
                "quantiles": {name: list(spread) for name, spread in one.spreads.items()},
            }
            for one in found
        ]
    }
    emit(document, _stats_text(found), as_json=as_json)


@signals_command.command("write")
@_source
@click.option(
    "--code",
    "stated",
    metavar="CHANNEL=CODE",
    multiple=True,
    help="A channel to write and its 16-character code. May be given more than once; by default every channel that"
    " was read, where its name is such a code already.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Archive (.zip, .tar, .tar.gz or .tgz), or a new or empty folder.",
)
@click.option("--force", is_flag=True, help="Replace the archive if it is there.")
@json_option
def write_command(
    path: Path, map_path: Path | None, stated: tuple[str, ...], out: Path, force: bool, as_json: bool
) -> None:
    """Write a recording as a test of ISO 13499 (ISO-MME): a folder, zip or tar.

    Samples, rate, time zero, sign and status are kept, with extremes declared; each channel is read back before it is
    written, and refused under a code that says another vehicle, quantity, axis or filter class. The same recording
    gives the same bytes.

    \b
    Example:
      crumple signals write v10146/ --code "curve 93=11SECMLE0000ACXP" --out v10146.zip
    """
    from .formats.iso_mme_write import write_iso_mme

    codes = _codes(stated)
    source = _open(path, map_path)
    if isinstance(source, InCorpus):
        raise ConfigError(f"{path}: is a corpus of events; give the recording that it was made of")
    recording = source.recording
    if not codes:
        codes = {channel.info.name: channel.info.name for channel in recording.channels}
    write_iso_mme(recording, codes, out, force=force)
    lines = [f"{out}: {len(codes)} channels of {recording.name}", *(f"  {name}: {c}" for name, c in codes.items())]
    emit({"written": str(out), "name": recording.name, "channels": codes}, "\n".join(lines), as_json=as_json)


def _codes(stated: tuple[str, ...]) -> dict[str, str]:
    """Channel name to code, of texts ``CHANNEL=CODE``."""
    codes: dict[str, str] = {}
    for text in stated:
        name, separator, code = text.rpartition("=")
        if not (separator and name and code):
            raise click.UsageError(f"--code {text!r}: expected CHANNEL=CODE, as in 'curve 93=11SECMLE0000ACXP'")
        if name in codes:
            raise click.UsageError(f"--code: channel {name!r} is given twice")
        codes[name] = code
    return codes


def _stats_text(found: list[Group]) -> str:
    """Both tables: levels, and ringing in the first 25 ms."""

    def said(spread: Spread | None) -> str:
        return "-" if spread is None else "/".join(f"{value:.1f}" for value in spread)

    bands = [name for name in map(band_name, BANDS_HZ) if any(name in one.spreads for one in found)]
    levels, ringing = [], []
    for one in found:
        key = (one.source, one.mode, one.label.replace("_", "-"))
        levels.append(
            (*key, one.n_events, *(said(one.spreads.get(name)) for name in ("peak_g", "delta_v_kmh", "rttf_ms")))
        )
        middle = (one.spreads.get(name) for name in bands)
        ringing.append((*key, *("-" if spread is None else f"{spread[1]:.2f}" for spread in middle)))
    header = ("source", "mode", "label")
    return "\n\n".join(
        [
            table("5/50/95 %", (*header, "events", "peak g", "delta-V km/h", "required ms"), levels),
            table(
                "median band RMS in g, first 25 ms",
                (*header, *(f"{name.removeprefix('band ')} Hz" for name in bands)),
                ringing,
            ),
        ]
    )


def _corpus_text(document: dict[str, Any]) -> str:
    """A corpus for a person."""
    low, high = document["n_samples"]
    lines = [
        f"corpus {document['path']}",
        f"  sha256 {document['sha256']}",
        f"  made by {document['made_by']}; {document['n_events']} events of {low} to {high} samples",
        *(f"  from {name} {digest}" for name, digest in document["parents"].items()),
    ]
    for name, spec in document["sensors"].items():
        lines.append(
            f"  {name} sensor: {spec['lsb_g']} g a count, +-{spec['range_g']:g} g, {spec['rate_hz']} Hz,"
            f" low-pass {spec['filter_hz']:g} Hz of order {spec['filter_order']}"
        )
    quality = document["quality"]
    for what, names in (
        ("reach the main sensor's limit", quality["main_at_limit"]),
        ("show no change at all", quality["main_without_change"]),
        ("repeat an earlier event", [f"{one} ({other})" for one, other in quality["duplicates"].items()]),
    ):
        lines.append(f"  {len(names)} events {what}" + (f": {_few(names)}" if names else ""))
    rows = [(g["source"], g["mode"], g["label"].replace("_", "-"), g["n_events"]) for g in document["groups"]]
    parts = ["\n".join(lines), table("events", ("source", "mode", "label", "events"), rows)]
    for event in document["events"]:
        parts.append("\n".join([f"{event['name']}:", *(f"  {line}" for line in event["provenance"])]))
    return "\n\n".join(parts)


def _recording_text(document: dict[str, Any]) -> str:
    """A recording for a person."""
    speed = document["speed_kmh"]
    lines = [
        f"{document['name']}: {document['source']}, {document['format']}, {document['mode']}"
        + ("" if speed is None else f", {speed:g} km/h"),
        *(f"  {key}: {value}" for key, value in document["facts"]),
    ]
    for vehicle in document["vehicles"]:
        mass = vehicle["mass_kg"]
        lines.append(
            f"  vehicle {vehicle['number']}: {vehicle['name']}"
            + ("" if mass is None else f", {mass:g} kg")
            + f"; {vehicle['label']} ({vehicle['label_source']})"
        )
    lines.append(f"  files: {_few(list(document['files']))}")
    rows, remarks = [], []
    for one in document["channels"]:
        filtered = f"CFC {one['filter_class']}" if one["filter_class"] else "unfiltered"
        if one["prefilter_hz"] is not None:
            filtered += f", pre-filter {one['prefilter_hz']:g} Hz"
        size = "not read"
        if one["is_read"]:
            size = f"{one['rate_hz']:g} Hz, {one['first_ms']:.1f} to {one['last_ms']:.1f} ms"
        place = f"{one['place']} {one['axis']}".strip()
        rows.append((one["name"], place, one["redundancy"], one["sensor"], one["unit"], size, filtered))
        said = ([f"refused: {one['refusal']}"] if one["refusal"] else []) + one["quality"]
        remarks += [f"{one['name']}: {'; '.join(said)}"] if said else []
    parts = ["\n".join(lines)]
    header = ("channel", "place", "", "sensor", "unit", "samples", "filter")
    parts.append(table("channels", header, rows))
    parts.append("\n".join(["quality:", *(f"  {remark}" for remark in remarks)]) if remarks else "quality: no remarks")
    return "\n\n".join(parts)


def _few(names: list[str]) -> str:
    """The first few of many names."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
