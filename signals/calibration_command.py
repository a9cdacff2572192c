"""``crumple calibrate``: hold the synthetic events against measured tests."""

from __future__ import annotations

import math
from pathlib import Path

import click

from crumple.artefact import write_bytes
from crumple.cli import emit, json_option, table
from crumple.errors import CheckFailedError, WouldOverwriteError

from .bands import BANDS_HZ
from .calibration import GOAL_KS, QUANTILES, Envelope, RealPulse, calibrate, figure_svg, read_pulse


@click.command("calibrate")
@click.argument("real_csv", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--pulse",
    "pulses",
    nargs=3,
    type=(str, float, click.Path(path_type=Path, dir_okay=False)),
    multiple=True,
    metavar="MODE KMH FILE",
    help="A real pulse that generated ones must embrace: rigid_barrier, small_overlap or car_to_car, its speed, and a"
    " file of two columns, time in s from first contact and acceleration in g (SAE J211 sign). May be given more than"
    " once.",
)
@click.option("--events", "n_events", type=click.IntRange(100, 1_000_000), default=4000, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="SVG file to write.")
@click.option("--force", is_flag=True, help="Replace the plot if it is there.")
@json_option
def calibrate_command(
    real_csv: Path,
    pulses: tuple[tuple[str, float, Path], ...],
    n_events: int,
    seed: int,
    plot: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Compare synthetic full-frontal crashes at 56 km/h with measured ones.

    REAL_CSV lists measured tests: columns calc_peak_g (CFC 60), calc_crush_mm and status; rows of status Valid
    count. Exit code 1 if a Kolmogorov-Smirnov distance reaches 0.10. Tests that cannot have been as fast as 56 km/h
    count too; a second comparison leaves them out, to show which part of the lower tails they are.

    Example: crumple calibrate tests.csv --pulse rigid_barrier 57.09 v10146.093 --plot calibration.svg
    """
    if plot is not None and plot.exists() and not force:
        raise WouldOverwriteError(f"{plot}: is there already; --force replaces it")
    real = [RealPulse(mode, kmh, read_pulse(path)) for mode, kmh, path in pulses]
    result = calibrate(real_csv, real, n_events=n_events, seed=seed)
    rows = []
    document: dict[str, object] = {"n_events": n_events, "goal_ks": GOAL_KS, "is_met": result.is_met}
    document["n_slower"] = result.n_slower
    compared = {
        "peak_g": (result.peak, ""),
        "crush_mm": (result.crush, ""),
        "explained_peak_g": (result.explained_peak, " *"),
        "explained_crush_mm": (result.explained_crush, " *"),
    }
    for key, (one, mark) in compared.items():
        measured, synthetic = one.quantiles()
        document[key] = {"ks": one.ks, "measured": measured.tolist(), "synthetic": synthetic.tolist()}
        for name, values in (("measured", measured), ("synthetic", synthetic)):
            said = [f"{value:.1f}" for value in values]
            rows.append((f"{one.name}, {one.unit}{mark}", name, *said, f"{one.ks:.3f}" if name == "synthetic" else ""))
    bands = [
        (f"{low:g}-{high:g} Hz", *(f"{value:.1f}" for value in values))
        for (low, high), values in zip(BANDS_HZ, result.band_rms_g, strict=True)
    ]
    document["quantiles"] = list(QUANTILES)
    document["band_rms_g"] = result.band_rms_g.tolist()
    inside = [
        (
            held.pulse.trace.name,
            held.pulse.mode,
            f"{held.pulse.speed_kmh:g}",
            f"{100 * held.frac_inside:.1f} %",
            f"{100 * held.frac_delta_v_inside:.1f} %",
        )
        for held in result.envelopes
    ]
    document["envelopes"] = [
        {
            "pulse": held.pulse.trace.name,
            "mode": held.pulse.mode,
            "frac_inside": held.frac_inside,
            "frac_delta_v_inside": held.frac_delta_v_inside,
            "n_events": held.n_events,
            "measured_band_rms_g": [None if math.isnan(value) else value for value in held.real_rms_g.tolist()],
            "band_rms_g": held.band_rms_g.tolist(),
        }
        for held in result.envelopes
    ]
    parts = [
        table("56 km/h, full width", ("quantity", "", "5 %", "50 %", "95 %", "KS"), rows),
        f"* without the {result.n_slower} of {result.peak.real.size} measured tests whose peak is less than the mean"
        " that 56 km/h over their own crush needs: they were slower, or are wrong, and the table does not say which",
        table("synthetic band RMS in g, first 25 ms", ("band", "5 %", "50 %", "95 %"), bands),
    ]
    if inside:
        header = ("pulse", "mode", "km/h", "deceleration inside", "delta-V inside")
        title = f"real pulses in the envelope of {n_events} synthetic ones, first 120 ms"
        parts.append(table(title, header, inside))
        parts.append(_ringing(result.envelopes))
    if plot is not None:
        write_bytes(plot, figure_svg(result))
    emit(document, "\n\n".join(parts), as_json=as_json)
    if not result.is_met:
        raise CheckFailedError(
            f"distances {result.peak.ks:.3f} and {result.crush.ks:.3f}: the goal is below {GOAL_KS:g} for both"
        )


def _ringing(envelopes: tuple[Envelope, ...]) -> str:
    """Band RMS of each real pulse beside that of synthetic ones at its mode and speed."""
    rows = [
        (
            held.pulse.trace.name,
            *(
                "-" if math.isnan(real) else f"{real:.1f} in {low:.1f}-{high:.1f}"
                for real, (low, _, high) in zip(held.real_rms_g, held.band_rms_g, strict=True)
            ),
        )
        for held in envelopes
    ]
    header = ("pulse", *(f"{low:g}-{high:g} Hz" for low, high in BANDS_HZ))
    title = "band RMS in g, first 25 ms: measured (as filtered in its file) in synthetic 5-95 %"
    return table(title, header, rows)
