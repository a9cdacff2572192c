"""``crumple corridor``: a requirement about bi-slope pulses or tipped square waves, as text to keep."""

from __future__ import annotations

import json
from pathlib import Path

import click

from crumple.cli import emit, json_option

Pair = tuple[str, str]


@click.command(
    "corridor",
    epilog="Example: crumple corridor model bi-slope --first 8 9 30 32 --second 20 24 40 45 --by-ms 30 >> mine.toml",
)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("shape", type=click.Choice(["bi-slope", "tipped-square"]))
@click.option("--first", nargs=4, metavar="G G MS MS", help="bi-slope: level and length of the first plateau, from to.")
@click.option("--second", nargs=4, metavar="G G MS MS", help="bi-slope: the same of the second.")
@click.option("--start-g", nargs=2, metavar="G G", help="tipped-square: level at its start, from to.")
@click.option("--end-g", nargs=2, metavar="G G", help="tipped-square: level at its end, from to.")
@click.option("--duration-ms", nargs=2, metavar="MS MS", help="tipped-square: from to.")
@click.option("--by-ms", required=True, help="Fire must be requested so long after the first sample of the pulse.")
@click.option("--gain", default="", help="Gain error of the sensor, either sign, such as 0.08.")
@click.option("--offset-g", default="", help="Its offset, either sign.")
@click.option("--noise-g", default="", help="Own error of each sample, half a count or more.  [default: half a count]")
@json_option
def corridor_command(
    model: Path,
    shape: str,
    first: tuple[str, ...] | None,
    second: tuple[str, ...] | None,
    start_g: Pair | None,
    end_g: Pair | None,
    duration_ms: Pair | None,
    by_ms: str,
    gain: str,
    offset_g: str,
    noise_g: str,
    as_json: bool,
) -> None:
    """Print the requirement that every pulse of a cell fires in time, as a corridor for MODEL's sensor.

    For bi-slope pulses and tipped square waves: bounds of every sample are exact, rounded outwards to counts. The other
    families are a set of their own (kind "pulse"). Give the text a place in a file of requirements and say there why it
    is wanted.
    """
    from crumple.model.deployed import read_model

    from .profiles import Range, bi_slope, corridor, exact_range, tipped_square

    deployed, _ = read_model(model)
    given: dict[str, tuple[str, ...] | None] = {
        "first": first,
        "second": second,
        "start-g": start_g,
        "end-g": end_g,
        "duration-ms": duration_ms,
    }
    wanted = ("first", "second") if shape == "bi-slope" else ("start-g", "end-g", "duration-ms")
    for name, numbers in given.items():
        if (numbers is None) == (name in wanted):
            raise click.UsageError(f"{shape} needs {', '.join(f'--{one}' for one in wanted)}, and no other of its kind")

    def between(name: str, at: int = 0) -> Range:
        numbers = given[name] or ()
        return exact_range((numbers[at], numbers[at + 1]), f"--{name}")

    if shape == "bi-slope":
        profile = bi_slope(between("first"), between("first", 2), between("second"), between("second", 2))
    else:
        profile = tipped_square(between("start-g"), between("end-g"), between("duration-ms"))
    requirement = corridor(deployed, profile, by_ms, gain=gain, offset_g=offset_g, noise_g=noise_g)
    payload = requirement.payload()
    lines = ["[[requirement]]"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in payload.items() if key != "set"]
    lines += ["[requirement.set]", *(f"{key} = {json.dumps(value)}" for key, value in payload["set"].items())]
    emit({"requirement": payload}, "\n".join(lines), as_json=as_json)
