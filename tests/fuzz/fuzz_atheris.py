"""Coverage-guided fuzzing of the pure-Python readers and the map, with atheris where it is installed.

Run by hand: ``python tests/fuzz/fuzz_atheris.py csv -max_total_time=300 FOLDER``; the first argument names the
target (csv, ev5_header, ev5_curve, iso_mme, iso_mme_zip,
iso_mme_lone or map), the rest goes to libFuzzer. Inputs that raise
anything but an error of ours stop the run and are kept by libFuzzer.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["crumple.signals.formats", "crumple.config"]):
    from crumple.errors import ConfigError, InputDataError
    from crumple.signals.formats import csv, iso_mme, nhtsa_ev5
    from crumple.signals.formats.mapping import CsvChannel, CsvMap, RecordingMap, read_map

TRACES = Path(__file__).resolve().parents[1] / "traces"
CSV_MAP = RecordingMap(
    "no_fire",
    "fuzz",
    mode="fuzz",
    csv=CsvMap(
        "comma",
        header_lines=1,
        time_column="1",
        time_unit="s",
        contact_time=0.0,
        channels=(CsvChannel("2", "g", "j211", "X", "centre", "tunnel", 0, "pretrigger"),),
    ),
)


def targets(folder: Path) -> dict[str, Callable[[bytes], object]]:
    """What each target does with the fuzzer's bytes; files go to ``folder``."""

    def written(name: str, data: bytes) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def ev5_curve(data: bytes) -> object:
        for original in (TRACES / "selfmade-ev5").iterdir():
            if not (folder / original.name).exists():
                written(original.name, original.read_bytes())
        written("v00001.001", data)
        return nhtsa_ev5.read_nhtsa_ev5(folder / "v00001.EV5")

    def ev5_header(data: bytes) -> object:
        path = written("v00001.EV5", data)
        return nhtsa_ev5.is_nhtsa_ev5(path) and nhtsa_ev5.read_nhtsa_ev5(path)

    def read_csv(data: bytes) -> object:
        path = written("made.csv", data)
        return csv.is_csv(path) and csv.read_csv(path, CSV_MAP)

    def mme(data: bytes) -> object:
        path = written("made.mme", data)
        return iso_mme.is_iso_mme(path) and iso_mme.read_iso_mme(path)

    def mme_zip(data: bytes) -> object:
        path = written("made.zip", data)
        return iso_mme.is_iso_mme(path) and iso_mme.read_iso_mme(path)

    def mme_lone(data: bytes) -> object:
        path = written("made.001", data)
        lone = RecordingMap("no_fire", "fuzz", mode="fuzz", vehicle="made")
        return iso_mme.is_iso_mme(path) and iso_mme.read_iso_mme(path, lone)

    return {
        "csv": read_csv,
        "ev5_header": ev5_header,
        "ev5_curve": ev5_curve,
        "iso_mme": mme,
        "iso_mme_zip": mme_zip,
        "iso_mme_lone": mme_lone,
        "map": lambda data: read_map(written("map.toml", data)),
    }


def main() -> None:
    """Hand one target to libFuzzer, which ends the process."""
    with tempfile.TemporaryDirectory() as folder:
        known = targets(Path(folder))
        if len(sys.argv) < 2 or sys.argv[1] not in known:
            sys.exit(f"give one of {', '.join(known)}, then libFuzzer's arguments")
        target = known[sys.argv.pop(1)]

        def one(data: bytes) -> None:
            with contextlib.suppress(InputDataError, ConfigError):
                target(data)

        atheris.Setup(sys.argv, one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
