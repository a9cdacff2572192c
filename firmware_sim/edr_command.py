"""``crumple edr``: decode an event data recorder's image, plot it, hold it against its input."""

from __future__ import annotations

from pathlib import Path

import click

from crumple.artefact import write_bytes
from crumple.cli import emit, force_option, json_option, table
from crumple.errors import CheckFailedError, ConfigError, WouldOverwriteError

from .edr import TOLERANCE_KMH, EdrEvent, EdrImage, read_image
from .edr_compare import Compared, compare

PLOTS = (".html", ".png", ".svg")


@click.command(
    "edr", epilog="Example: crumple edr crash.edr --against corpus --event rigid_barrier_00000 --plot edr.html"
)
@click.argument("image", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    help="Corpus or recording that the controller was given; exits with 1 if velocity change differs.",
)
@click.option("--event", "event_name", help="Event of --against; needed where there are several.")
@click.option(
    "--map",
    "map_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="TOML file with what a recording does not say, as for import.",
)
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="HTML, PNG or SVG file to write.")
@force_option
@json_option
def edr_command(
    image: Path,
    against: Path | None,
    event_name: str | None,
    map_path: Path | None,
    plot: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Decode the IMAGE of a simulated event data recorder, as simulate --edr writes it.

    The layout is documented byte for byte in docs/reference/edr.md. Against its input, no velocity change may differ by
    more than rounding to whole km/h explains: half a km/h, and what the controller followed as offset.
    """
    if against is None and (event_name is not None or map_path is not None):
        raise click.UsageError("--event and --map say what --against is; give that too")
    if plot is not None:
        if plot.suffix.lower() not in PLOTS:
            raise ConfigError(
                f"{plot}: cannot plot as {plot.suffix or 'a file without a suffix'}; use {', '.join(PLOTS)}"
            )
        if plot.exists() and not force:
            raise WouldOverwriteError(f"{plot}: is there already; --force replaces it")
    found = read_image(image)
    compared: tuple[Compared, ...] = ()
    if against is not None:
        from crumple.signals.formats.mapping import read_map
        from crumple.signals.look import look

        source = look(against, None if map_path is None else read_map(map_path))
        event, sensors = source.event(event_name)
        compared = compare(found, event, sensors.main)
    if plot is not None:
        write_bytes(plot, _plotted(found, image.name, compared, plot.suffix.lower()))
    document = {"edr": found.document()}
    if against is not None:
        document["compared"] = {"events": [one.document() for one in compared], "rounding_kmh": TOLERANCE_KMH}
    emit(document, "\n\n".join([edr_text(found), *map(_compared_text, compared)]), as_json=as_json)
    for one in compared:
        if not one.agrees:
            raise CheckFailedError(
                f"{image}: {_compared_text(one)}; it is of another recording, or the recorder is wrong"
            )


def _plotted(image: EdrImage, where: str, compared: tuple[Compared, ...], suffix: str) -> bytes:
    import io

    from crumple.signals.figures import svg_of

    from .edr_figure import edr_figure, edr_page

    if suffix == ".html":
        return edr_page(image, where, compared).encode("utf-8")
    if suffix == ".svg":
        return svg_of(lambda: edr_figure(image, compared))
    stream = io.BytesIO()
    edr_figure(image, compared).savefig(stream, format="png", dpi=110, facecolor="white", metadata={"Software": None})
    return stream.getvalue()


def _compared_text(one: Compared) -> str:
    if one.order == 0:
        verdict = "agrees with" if one.agrees else "CONTRADICTS"
        return (
            f"nothing recorded, which {verdict} the input: it changes by at most {one.difference_kmh:.2f} km/h"
            f" in 150 ms, {one.tolerance_kmh:g} are kept"
        )
    verdict = "agrees with" if one.agrees else "DIFFERS from"
    return (
        f"event {one.order} {verdict} its input: by at most {one.difference_kmh:.2f} km/h,"
        f" tolerance {one.tolerance_kmh:.2f} km/h"
    )


def edr_text(image: EdrImage) -> str:
    """An ``image`` for a person: one table of elements, one of velocity changes."""
    head = (
        f"{len(image.events)} of 2 places used; ignition cycle {image.ignition_cycle};"
        f" {image.sample_rate_hz} samples/s; kept so far {image.kept}, no room for {image.not_stored}"
    )
    if not image.events:
        return head
    names = ("element", *(f"event {event.order}" for event in image.events))
    columns = [_elements(event) for event in image.events]
    rows = [(name, *(column[name] for column in columns)) for name in columns[0]]
    longest = max(len(event.delta_v_kmh) for event in image.events)
    changes = [
        (10 * k, *(event.delta_v_kmh[k] if k < len(event.delta_v_kmh) else "" for event in image.events))
        for k in range(longest)
    ]
    return "\n\n".join(
        (
            head,
            table("elements", names, rows),
            table("velocity change", ("time in ms", *(f"{name} in km/h" for name in names[1:])), changes),
        )
    )


def _elements(event: EdrEvent) -> dict[str, str]:
    def said(value: object, unit: str = "") -> str:
        return "not available" if value is None else f"{value}{unit}"

    def series(values: tuple[int | None, ...]) -> str:
        if set(values) == {None}:
            return "not available"
        return " ".join("-" if value is None else str(value) for value in values)

    return {
        "number in its crash": str(event.number),
        "time from event 1 to 2": said(event.gap_s, " s"),
        "flags": ", ".join(event.flags),
        "maximum velocity change": f"{event.max_delta_v_kmh} km/h",
        "time of the maximum": f"{event.max_time_ms} ms",
        "deployment, first stage": "not fired" if event.stage_ms[0] is None else f"{event.stage_ms[0]} ms",
        "deployment, second stage": "not fired" if event.stage_ms[1] is None else f"{event.stage_ms[1]} ms",
        "end of event": "not within 300 ms" if event.end_ms is None else f"{event.end_ms} ms",
        "ignition cycle": str(event.ignition_cycle),
        "time zero": f"sample {event.zero_tick} after power-on",
        "lost samples": str(event.lost),
        "state at the end": event.mode,
        "trouble codes": ", ".join(event.trouble) or "none",
        "air bag lamp": said(event.lamp),
        "air bag lamp 1 s before": said(event.lamp_before),
        "driver's belt 1 s before": said(event.belt_before),
        "speed, km/h, last 5 s": series(event.speed_kmh),
        "throttle, percent, last 5 s": series(event.throttle_percent),
        "brake, last 5 s": series(event.brake),
    }
