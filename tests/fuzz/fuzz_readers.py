"""Fuzz the readers: random damage to good files must give a recording or an error of ours, in time and memory.

Run by hand: ``python tests/fuzz/fuzz_readers.py --cases 100000 --seed 1``. Every case is fixed by its format,
seed and number. A finding's files are kept under ``--keep``, so that it can be read again. Exit code 1 on findings.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import FrameType

import numpy as np

from crumple.errors import ConfigError, CrumpleError, InputDataError
from crumple.signals.formats import read_recording
from crumple.signals.formats.mapping import CsvChannel, CsvMap, DataMap, RecordingMap

TRACES = Path(__file__).resolve().parents[1] / "traces"
SECONDS_A_CASE = 5
MEMORY_BYTES = 4 * 2**30
INTERESTING = [
    b"nan",
    b"inf",
    b"-",
    b"1e999",
    b"99999999999999",
    b"\x00",
    b"\xff\xfe",
    b"\r\n",
    b"|",
    b"\t",
    b",",
    b":",
    b"-1",
    b"",
]

CSV_MAP = RecordingMap(
    "no_fire",
    "fuzz",
    mode="fuzz",
    csv=CsvMap(
        "tab",
        header_lines=0,
        time_column="1",
        time_unit="s",
        contact_time=0.0,
        channels=(CsvChannel("2", "g", "j211", "X", "centre", "tunnel", 0, "pretrigger"),),
    ),
)


REPEATED_MAP = RecordingMap(
    "no_fire",
    "fuzz",
    mode="fuzz",
    csv=CsvMap(
        "comma",
        header_lines=1,
        time_column="t",
        time_unit="ms",
        contact_time=0.0,
        resample_hz=5000.0,
        longest_gap_s=0.05,
        repeated_times="mean",
        channels=(CsvChannel("a", "mm", "j211", "Z", "none", "head", 0, "none", 9.5, 60.0, 0.5),),
    ),
)
"""All that a map can state of one channel: limit, last valid time, stand-in; and what to do with repeated times."""

LONE_MAP = RecordingMap("no_fire", "fuzz", mode="fuzz", vehicle="made")
"""What the header of a test would say of a channel that comes alone."""

ENDAQ = Path(__file__).resolve().parents[3] / "shared" / "data" / "real" / "endaq-handling" / "SSX70065.IDE"
"""A real recording, since nothing writes this format; left out where it is not there."""


class TooSlowError(BaseException):
    """A case took longer than its time; no Exception, so that no reader mistakes it for a library's."""


def damaged(content: bytes, rng: random.Random) -> bytes:
    """A copy of a file with one to five random changes: bytes, pieces, lines, cuts."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 5)):
        if not data:
            break
        at = rng.randrange(len(data))
        kind = rng.randrange(7)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at : at + rng.randint(0, 8)] = rng.choice(INTERESTING)
        elif kind == 2:
            del data[at : at + rng.randint(1, 200)]
        elif kind == 3:
            end = min(len(data), at + rng.randint(1, 200))
            data[at:at] = data[at:end] * rng.randint(1, 3)
        elif kind == 4:
            data[at : at + 4] = rng.randbytes(rng.randint(0, 8))
        elif kind == 5:
            lines = bytes(data).split(b"\n")
            one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
            lines[one], lines[other] = lines[other], lines[one]
            data = bytearray(b"\n".join(lines))
        elif rng.random() < 0.2:
            del data[at:]
    return bytes(data)


def too_slow(number: int, frame: FrameType | None) -> None:
    """Called by the alarm."""
    raise TooSlowError


def outcome(path: Path, mapping: RecordingMap | None) -> str:
    """How reading ends: ``read``, an error's name, or ``FINDING ...``."""
    signal.alarm(SECONDS_A_CASE)
    try:
        read_recording(path, mapping)
        return "read"
    except InputDataError as error:
        return "FINDING memory" if isinstance(error.__cause__, MemoryError) else type(error).__name__
    except ConfigError as error:
        # Damage to a unit or a time axis inside the file asks the map for it, or contradicts the map; damage to the
        # first key of a channel file leaves a text table, whose columns the map does not state.
        is_fair = mapping is LONE_MAP or (mapping is not None and mapping.data is not None)
        return "ConfigError" if is_fair else f"FINDING {error}"
    except TooSlowError:
        return "FINDING hang"
    except CrumpleError as error:
        return f"FINDING {type(error).__name__}"
    except Exception as error:  # noqa: BLE001  anything else is what a fuzzer is for
        return f"FINDING {type(error).__name__}: {str(error)[:80]}"
    finally:
        signal.alarm(0)


def fuzz(kind: str, source: Path, mapping: RecordingMap | None, cases: int, seed: int, keep: Path) -> Counter[str]:
    """Damage one file of a good recording, again and again, and count how reading it ends."""
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as scratch:
        work = Path(scratch) / source.name
        if source.is_dir():
            shutil.copytree(source, work)
        else:
            shutil.copy(source, work)
        targets = sorted(path for path in work.rglob("*") if path.is_file()) if work.is_dir() else [work]
        originals = {path: path.read_bytes() for path in targets}
        if (undamaged := outcome(work, mapping)) != "read":
            sys.exit(f"{kind}: the good file is not read ({undamaged}), so its damage would say nothing")
        for case in range(cases):
            rng = random.Random(f"{kind} {seed} {case}")
            target = rng.choice(targets)
            target.write_bytes(damaged(originals[target], rng))
            result = outcome(work, mapping)
            counts[result] += 1
            if result.startswith("FINDING"):
                kept = keep / f"{kind}-{seed}-{case}"
                kept.mkdir(parents=True, exist_ok=True)
                shutil.copy(target, kept / target.name)
                sys.stdout.write(f"{kind} case {case} ({target.name}): {result}\n")
            target.write_bytes(originals[target])
    return counts


def zipped(folder: Path) -> Path:
    """A zip archive of a test, in a scratch folder that outlives this function."""
    return Path(shutil.make_archive(tempfile.mkdtemp(prefix="fuzz-") + "/made", "zip", folder))


def data_map(channel: str, **stated: object) -> RecordingMap:
    """A map for one channel of a binary file."""
    spec = CsvChannel(channel, None, "j211", "X", "centre", "tunnel", 0, "pretrigger")
    return RecordingMap("no_fire", "fuzz", mode="fuzz", data=DataMap(channels=(spec,), **stated))  # type: ignore[arg-type]


def made_table(folder: Path) -> Path:
    """A small table whose times repeat and are irregular."""
    rows = [f"{k // 3 + (k % 3 > 0) * 0.4:.1f},{5 * np.sin(k / 7):.4f}\n" for k in range(120)]
    path = folder / "made.csv"
    path.write_text("t,a\n" + "".join(rows), encoding="utf-8")
    return path


def made_workbook(folder: Path) -> Path:
    """A small workbook of two sheets, by the writer that the reader's own tests use."""
    where = TRACES.parent / "signals" / "workbooks.py"
    spec = importlib.util.spec_from_file_location("workbooks", where)
    assert spec is not None and spec.loader is not None
    books = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(books)
    rows = [["t", "a"], *([k / 5000, float(np.sin(k / 5.0))] for k in range(40))]
    path = folder / "made.xls"
    path.write_bytes(books.workbook({"Notes": [["of a test"]], "Sheet1": rows}))
    return path


def made_binary(folder: Path) -> dict[str, tuple[Path, RecordingMap | None]]:
    """Small good files of the binary formats, made by their own libraries, each with its map."""
    accel_g = np.sin(np.arange(40) / 5.0)
    time_s = np.arange(40) / 5000.0
    np.save(folder / "made.npy", np.stack([time_s, accel_g], axis=1))
    spec = CsvChannel("2", "g", "j211", "X", "centre", "tunnel", 0, "pretrigger")
    data = DataMap(time_column="1", time_unit="s", contact_time=0.0, channels=(spec,))
    plans: dict[str, tuple[Path, RecordingMap | None]] = {
        "npy": (folder / "made.npy", RecordingMap("no_fire", "fuzz", mode="fuzz", data=data))
    }
    named = replace(spec, column="a")
    sheet = replace(data, time_column="t", sheet="Sheet1", header_lines=1, channels=(named,))
    plans["xls"] = (made_workbook(folder), RecordingMap("no_fire", "fuzz", mode="fuzz", data=sheet))
    import asammdf
    import nptdms

    grid = {"unit_string": "g", "wf_increment": 1 / 5000, "wf_start_offset": 0.0}
    with nptdms.TdmsWriter(str(folder / "made.tdms")) as writer:
        for part in (accel_g[:20], accel_g[20:]):
            writer.write_segment([nptdms.RootObject({"name": "x"}), nptdms.ChannelObject("g", "a", part, grid)])
    plans["tdms"] = (folder / "made.tdms", data_map("g/a", contact_time=0.0))
    for name, compression in (("mdf4", 0), ("mdf4-packed", 2)):
        with asammdf.MDF(version="4.10") as made:
            made.append([asammdf.Signal(accel_g, time_s, name="a", unit="g")])
            made.save(folder / f"{name}.mf4", overwrite=True, compression=compression)
        plans[name] = (folder / f"{name}.mf4", data_map("0/a", contact_time=0.0))
    plans["ide"] = (ENDAQ, data_map("32.0", contact_time=0.0, resample_hz=5000.0, longest_gap_s=0.1))
    return plans


def main() -> int:
    """Fuzz every format, print counts, cases per second and peak memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000, help="cases a format")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--formats", nargs="*", help="which; all without this")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="where inputs of findings go")
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    signal.signal(signal.SIGALRM, too_slow)
    plans: dict[str, tuple[Path, RecordingMap | None]] = {
        "nhtsa_ev5": (TRACES / "selfmade-ev5", None),
        "csv": (TRACES / "selfmade-ev5" / "v00001.001", CSV_MAP),
        "csv-repeated": (made_table(Path(tempfile.mkdtemp(prefix="fuzz-"))), REPEATED_MAP),
        "iso_mme-lone": (TRACES / "selfmade-mme" / "Channel" / "made.001", LONE_MAP),
        "iso_mme": (TRACES / "selfmade-mme", None),
        "iso_mme-zip": (zipped(TRACES / "selfmade-mme"), None),
        **made_binary(Path(tempfile.mkdtemp(prefix="fuzz-"))),
    }
    findings = 0
    for kind, (source, mapping) in plans.items():
        if (arguments.formats and kind not in arguments.formats) or not source.exists():
            continue
        start = time.perf_counter()
        counts = fuzz(kind, source, mapping, arguments.cases, arguments.seed, arguments.keep)
        rate = arguments.cases / (time.perf_counter() - start)
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        bad = sum(number for name, number in counts.items() if name.startswith("FINDING"))
        findings += bad
        told = ", ".join(f"{name} {number}" for name, number in counts.most_common())
        sys.stdout.write(
            f"{kind}: {arguments.cases} cases, {rate:.0f}/s, peak {peak_mb:.0f} MB, {bad} findings: {told}\n"
        )
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
