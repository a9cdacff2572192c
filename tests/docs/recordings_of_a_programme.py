"""A folder of recordings of the size a real programme has: a few measured ones, the rest generated stand-ins.

What comes out looks like a reader's own folder: a test folder in EV5, and text tables with a time column in ms. The
generated ones are synthetic and stand in for recordings nobody publishes; no figure of them says anything about a
vehicle.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from crumple.signals.batch import PHYSICAL_RATE_HZ
from crumple.signals.criteria import RttfRule
from crumple.signals.events import MODES

GENERATED = (
    ("crash", "rigid_barrier", "rigid_barrier", 10),
    ("crash", "offset_barrier", "offset_barrier", 8),
    ("misuse", "blow", "hammer", 30),
    ("misuse", "road", "rough_road", 30),
    ("misuse", "bump", "low_speed_bump", 36),
)
"""Folder, name of the files, mode of crumple's own generator, and how many."""

HEADER = "t_ms,ax_g\n"


def write_recordings(shared: Path, out: Path) -> None:
    """Fill ``out/crash`` and ``out/misuse``.

    Parameters
    ----------
    shared : Path
        Folder of the measured recordings, a folder each.
    out : Path
    """
    for folder in (out / "crash", out / "misuse"):
        folder.mkdir(parents=True)
    shutil.copytree(shared / "nhtsa-10146-camry", out / "crash" / "v10146", ignore=shutil.ignore_patterns("README.md"))
    shutil.copy(shared / "iihs-cep1705-accord" / "CEP1705_ACXD.csv", out / "crash")
    shutil.copy(shared / "bratislava-transit" / "L35_1915_Most_Kutiky_neutral.csv", out / "misuse" / "ride.csv")
    shutil.copy(shared / "endaq-handling" / "Cloud_Test_000000.IDE", out / "misuse" / "knocks.IDE")
    for folder, name, mode, count in GENERATED:
        _write_generated(out / folder / name, mode, count)


def _write_generated(stem: Path, mode: str, count: int) -> None:
    """Write ``count`` events of a mode as tables: SAE J211 sign, g, time from first contact."""
    batch = MODES[mode](count, np.random.default_rng(7), RttfRule())
    for row in range(count):
        accel_g = -batch.decel_g[row]
        time_ms = 1e3 * (np.arange(accel_g.size) / PHYSICAL_RATE_HZ - batch.contact_s[row])
        lines = [f"{t:.3f},{a:.4f}\n" for t, a in zip(time_ms, accel_g, strict=True)]
        stem.with_name(f"{stem.name}_{row:02d}.csv").write_text(HEADER + "".join(lines), encoding="utf-8")
