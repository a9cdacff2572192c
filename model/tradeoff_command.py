"""``crumple tradeoff``: which requirements conflict on a model, and the curve between immunity and time to fire."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from crumple.artefact import Json, Stage, write_bytes
from crumple.cli import emit, force_option, json_option, out_option, progress, table
from crumple.errors import ConfigError

from .analysis.properties import Requirement, read_requirements
from .commands import requirements_option
from .tradeoff import VELOCITY_RANGES_KMH, Point, conflict, curve

SCHEMA = "crumple.tradeoff/1"
FILE = "tradeoff.json"
PLOT_FILE = "tradeoff.svg"


@click.command("tradeoff", epilog="Example: crumple tradeoff model --out tradeoff")
@click.argument("model", type=click.Path(path_type=Path))
@requirements_option
@out_option("tradeoff")
@force_option
@json_option
def tradeoff_command(model: Path, requirements_path: Path | None, out: Path, force: bool, as_json: bool) -> None:
    """Move the threshold of MODEL and prove, at each place, what it is immune to and how soon it fires.

    The curve takes the first fires_by requirement; every point of it is proved on the integers.
    """
    from .deployed import read_model

    deployed, artefact = read_model(model)
    requirements = read_requirements(requirements_path)
    must_fire = next((requirement for requirement in requirements if requirement.claim == "fires_by"), None)
    if must_fire is None:
        raise ConfigError("a trade-off needs a requirement whose claim is fires_by; add one to the requirements")
    config = {"requirements": [requirement.payload() for requirement in requirements]}
    stage = Stage(out, FILE, SCHEMA, {"model": artefact.sha256}, config)

    def work(folder: Path) -> Json:
        with progress("conflicts", len(requirements)) as advance:
            found = conflict(deployed, requirements, advance)
        with progress("trade-off", len(VELOCITY_RANGES_KMH)) as advance:
            points = curve(deployed, must_fire, advance=advance)
        write_bytes(folder / PLOT_FILE, _svg(points, must_fire))
        return {"conflict": found.text() if found else None, "points": [_row(point) for point in points]}

    payload = stage.run(work, force=force).payload
    rows = [(row["velocity_range_kmh"], row["fires_by_ms"] or "not proved") for row in payload["points"]]
    title = f"Trade-off of {must_fire.id}: {payload['conflict'] or 'no conflict, one threshold meets all'}"
    header = ("proved immune velocity range / km/h", "proved to fire by / ms")
    emit({"tradeoff": payload, "plot": str(out / PLOT_FILE)}, table(title, header, rows), as_json=as_json)


def _row(point: Point) -> dict[str, Any]:
    by = point.fires_by_ms
    return {
        "velocity_range_kmh": float(point.velocity_range_kmh),
        "fires_by_ms": None if by is None else float(by),
    }


def _svg(points: Sequence[Point], must_fire: Requirement) -> bytes:
    """The curve as SVG; the same points give the same bytes."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.2), layout="constrained")
    axes = figure.subplots()
    proved = [(float(p.velocity_range_kmh), float(p.fires_by_ms)) for p in points if p.fires_by_ms is not None]
    none = [float(p.velocity_range_kmh) for p in points if p.fires_by_ms is None]
    limit = float(must_fire.by_ms)
    if proved:
        axes.step(*zip(*proved, strict=True), where="pre", marker="o", color="#1f5fa8", label="proved")
    if none:
        axes.plot(none, [limit] * len(none), "x", color="#b3312c", label="not proved to fire in time")
    axes.axhline(limit, color="#888888", linewidth=1.0, linestyle="--", label=f"{must_fire.id} asks for {limit:g} ms")
    axes.set_xlabel("velocity range to which every signal is proved immune / (km/h)")
    axes.set_ylabel("every pulse of the set fires by / ms")
    axes.set_title("What immunity costs in time, proved on the integers")
    axes.set_ylim(0, limit * 1.1)
    axes.grid(alpha=0.3)
    axes.legend(loc="best", frameon=False)
    image = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "crumple", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(image, format="svg", metadata={"Date": None, "Creator": None})
    return image.getvalue().encode("utf-8")
