"""Exact instruction counts of the exported C on Cortex-M, for the common 32-15-1 model, with flash and stack.

Bare metal in QEMU under ``-icount shift=10``: each instruction advances virtual time by 1024 ns, SysTick counts 25 MHz,
so 25.6 ticks are one instruction; an empty call is subtracted. Nop sleds calibrate the counter first. QEMU counts
instructions, not cycles. Cortex-M0 code runs on the M3 board: ARMv6-M is a subset. What the calling adapter costs is
measured around functions that only return (a step stores one word of its result, so that the stack of the caller's
memory for it is seen; that instruction is subtracted too), and subtracted. What a peer's adapter costs is not.
"""

from __future__ import annotations

import csv
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from embedded_peers import PEERS, FloatNet, version_of

from crumple.export.c99 import render_c
from crumple.export.profiles import DSP, EXACT16, SMALL8, Profile
from crumple.model.deployed import Arming, DeployedModel

HERE = Path(__file__).parent / "embedded"
COMMON = Path(__file__).resolve().parents[3] / "shared" / "bench" / "embedded"
TOOLS = ("arm-none-eabi-gcc", "arm-none-eabi-size", "qemu-system-arm")
BOARDS = {"cortex-m0": "mps2-an385", "cortex-m4": "mps2-an386"}
N_VECTORS = 1000

STUB = 'void infer(const void *x, void *y) { (void)x; (void)y; __asm volatile(""); }\nvoid infer_init(void) { }\n'
RETURNS = """.syntax unified
.thumb
.set crumple_built_in, 0
.global crumple_built_in, crumple_output, crumple_step_with, crumple_init
.thumb_func
crumple_output:
.thumb_func
crumple_init:
    bx lr
.thumb_func
crumple_step_with:
    str r0, [r0]
    bx lr
"""
NET = """#include "crumple_model.h"
void infer(const void *x, void *y);
void infer_init(void);
void infer_init(void) { }
void infer(const void *x, void *y) { *(int64_t *)y = crumple_output(&crumple_built_in, x); }
"""
STEP = """#include "crumple_model.h"
void infer(const void *x, void *y);
void infer_init(void);
static crumple_state state;
void infer_init(void) { crumple_init(&state); }
void infer(const void *x, void *y)
{
    const crumple_status status = crumple_step(&state, *(const int16_t *)x);
    *(int64_t *)y = status.y; /* no copy of the whole: on Cortex-M0 that calls memcpy, whose stack hides ours */
}
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures of one program less those of one whose functions only return: flash, stack, counts over all vectors."""

    flash: int
    stack: int
    least: int
    most: int
    outputs: list[int]


def common_model(weight_max: int) -> tuple[DeployedModel, float, np.ndarray, np.ndarray]:
    """The shared float net in integers, the integers that 1.0 of its logit stands for, vectors and their logits.

    Each row is scaled on its own to the largest weights for which every clamped input fits int32.
    """
    net, vectors = np.load(COMMON / "out" / "model.npz"), np.load(COMMON / "out" / "vectors.npz")
    clamp = 16000
    rows, biases, units = [], [], []
    for row, bias in zip(net["W1"].T / 4096.0, net["b1"], strict=True):
        scale = min(weight_max / np.abs(row).max(), (2**31 - 2**7) / (clamp * np.abs(row).sum() + abs(bias)))
        while True:
            whole, b = np.rint(row * scale).astype(int), round(bias * scale)
            if clamp * int(np.abs(whole).sum()) + abs(b) < 2**31 and np.abs(whole).max() <= weight_max:
                break
            scale *= 0.99999
        rows.append(tuple(whole.tolist()))
        biases.append(int(b))
        units.append(1.0 / scale)
    output = net["W2"].ravel() * np.array(units)
    scale = 32767 / np.abs(output).max()
    model = DeployedModel(
        sample_rate_hz=1000,
        lsb_g=Fraction(1, 64),
        clamp_lsb=clamp,
        block_samples=1,
        hidden_weight=tuple(rows),
        hidden_bias=tuple(biases),
        output_weight=tuple(np.rint(output * scale).astype(int).tolist()),
        output_bias=round(float(net["b2"][0]) * scale),
        confirm_votes=3,
        confirm_window=3,
        arming=Arming(Fraction(1, 4), 480, 4, 100, 6),
    )
    return model, scale, vectors["X_raw"][:N_VECTORS], vectors["logit"][:N_VECTORS]


def tool(*words: object, cwd: Path) -> str:
    """Run a program; what it printed. A failure ends the benchmark with the program's words."""
    done = subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{words[0]}: {done.stderr[-2000:]}")
    return done.stdout + done.stderr


def linked(folder: Path, name: str, sources: list[Path], inputs: np.ndarray, cpu: str, flags: tuple[str, ...]) -> Path:
    """Link sources with the harness and the vectors; the program."""
    (folder / "vec.bin").write_bytes(np.ascontiguousarray(inputs).tobytes())
    (folder / "vec.S").write_text(
        '.section .testvec,"a"\n.balign 8\n.global VEC\nVEC: .incbin "vec.bin"\n.balign 4\n'
        f".global N_VEC\nN_VEC: .word {len(inputs)}\n.global IN_BYTES\nIN_BYTES: .word {inputs[0].nbytes}\n"
        ".global OUT_BYTES\nOUT_BYTES: .word 8\n"
    )
    arch = (f"-mcpu={cpu}", "-mthumb", "-mfloat-abi=soft")
    objects = []
    for k, source in enumerate([HERE / "bench.c", *sources]):
        objects.append(folder / f"{name}{k}.o")
        optimise = ("-O1", "-std=gnu11") if k == 0 else flags
        sections = ("-ffunction-sections", "-fdata-sections")
        tool(TOOLS[0], *arch, *optimise, *sections, "-c", source, "-o", objects[-1], cwd=folder)
    tool(TOOLS[0], *arch, "-c", "vec.S", "-o", "vec.o", cwd=folder)
    program = folder / f"{name}.elf"
    link = ("--specs=nosys.specs", "--specs=nano.specs", "-nostartfiles", "-Wl,--gc-sections", "-T", HERE / "mps2.ld")
    tool(TOOLS[0], *arch, *link, *objects, "vec.o", "-lm", "-o", program, cwd=folder)
    return program


def flash_of(program: Path) -> int:
    """Bytes of code, constants and initial data."""
    sizes = dict(re.findall(r"^(\.\S+)\s+(\d+)", tool(TOOLS[1], "-A", program, cwd=program.parent), flags=re.MULTILINE))
    return sum(int(sizes.get(section, 0)) for section in (".text", ".data", ".ARM.exidx"))


def run(program: Path, cpu: str) -> str:
    """What the program prints on the board."""
    words = ["-M", BOARDS[cpu], "-nographic", "-monitor", "none", "-serial", "none"]
    words += ["-semihosting-config", "enable=on,target=native", "-icount", "shift=10,align=off,sleep=off"]
    return tool(TOOLS[2], *words, "-kernel", program, cwd=program.parent)


def measure(
    sources: list[Path], inputs: np.ndarray, cpu: str, flags: tuple[str, ...], idle: list[Path] | None = None
) -> Measured:
    """Build and run one program, and beside it the ``idle`` one, by default with an empty function."""
    with tempfile.TemporaryDirectory(prefix="crumple-bench-") as scratch:
        folder = Path(scratch)
        (folder / "stub.c").write_text(STUB)
        empty = linked(folder, "empty", idle or [folder / "stub.c"], inputs, cpu, flags)
        program = linked(folder, "real", sources, inputs, cpu, flags)
        said, said_idle = run(program, cpu), run(empty, cpu)
        around = int(re.findall(r"^R (\d+) ", said_idle, flags=re.MULTILINE)[0])
        rows = re.findall(r"^R (\d+) ([0-9a-f]+)$", said, flags=re.MULTILINE)
        counts = [int(count) for count, _ in rows]
        if len(counts) != len(inputs):
            raise SystemExit(f"{cpu}: {len(counts)} answers of {len(inputs)}: {said[-300:]}")
        stacks = [int(re.findall(r"STACK (\d+)", text)[0]) for text in (said, said_idle)]
        outputs = [struct.unpack("<q", bytes.fromhex(answer)[:8])[0] for _, answer in rows]
        flash, stack = flash_of(program) - flash_of(empty), stacks[0] - stacks[1]
        return Measured(flash, stack, min(counts) - around, max(counts) - around, outputs)


def calibrate() -> None:
    """Sleds of known length must read back exactly, or nothing here means anything."""
    for cpu in BOARDS:
        for length in (1, 7, 100, 1000):
            with tempfile.TemporaryDirectory(prefix="crumple-bench-") as scratch:
                source = Path(scratch) / "nop.c"
                sled = f'__asm volatile(".rept {length}\\n nop\\n .endr");'
                source.write_text(STUB.replace('__asm volatile("");', sled))
                found = measure([source], np.zeros((5, 4), np.int32), cpu, ("-O2",))
            if (found.least, found.most) != (length, length):
                raise SystemExit(f"{cpu}: {length} nops read as {found.least} to {found.most}")
    sys.stdout.write("counter calibrated: sleds of 1, 7, 100 and 1000 nops read back exactly on both cores\n")


def main() -> None:
    """Measure every profile on both cores and print it beside the recorded peers."""
    absent = [name for name in TOOLS if shutil.which(name) is None]
    if absent or not (COMMON / "out" / "model.npz").is_file():
        sys.stdout.write(f"skipped: {', '.join(absent) or 'the common model'} is not here\n")
        return
    calibrate()
    flags = ("-std=c99", "-O2")
    sys.stdout.write("what              core       instructions min = max   flash B  stack B  max logit error  flips\n")
    best: dict[str, int] = {}
    for profile, weight_max in ((EXACT16, 32767), (SMALL8, 127), (DSP, 32767)):
        model, scale, vectors, logits = common_model(weight_max)
        for part, adapter in (("net", NET), ("step", STEP)):
            for cpu in BOARDS:
                if profile is DSP and cpu == "cortex-m0":
                    continue  # it has no such instruction: the code is that of exact16
                most = report(profile, part, adapter, cpu, model, scale, vectors, logits, flags)
                if (profile, part) == (EXACT16, "net"):
                    best[cpu] = most
    sys.stdout.write(
        "flash: net = tables and crumple_output; step = all of crumple_model.c, crumple_init too\n"
        "that the code has no writable data of its own is a check of the proof pack (cortex-m0)\n"
    )
    peers(best)


def peers(ours: dict[str, int]) -> None:
    """Code of other generators for the same net, measured now where it is installed, and as once recorded.

    Each with how many times the instructions of our exact16 net it takes. Those recorded alone are not on the package
    index; their figures do not depend on this code.
    """
    data, vectors = np.load(COMMON / "out" / "model.npz"), np.load(COMMON / "out" / "vectors.npz")
    net = FloatNet(data["W1"], data["b1"], data["W2"], data["b2"], vectors["X"][:N_VECTORS])
    logits = vectors["logit"][:N_VECTORS]
    sys.stdout.write("peers, measured now; net alone:\n")
    for package, generate in PEERS.items():
        version = version_of(package)
        if version is None:
            sys.stdout.write(f"{package}: not installed, not measured; pip install {package}\n")
            continue
        with tempfile.TemporaryDirectory(prefix="crumple-bench-") as scratch:
            peer = generate(net, Path(scratch))
            for cpu in BOARDS:
                found = measure(peer.sources, peer.inputs, cpu, ("-std=gnu11", "-O2", "-w", *peer.flags))
                answers = np.array([peer.answer(struct.pack("<q", answer)) for answer in found.outputs])
                expected, middle = (1.0 / (1.0 + np.exp(-logits)), 0.5) if peer.probability else (logits, 0.0)
                flips, kind = (
                    int(((answers > middle) != (logits > 0)).sum()),
                    ("logit", "probability")[peer.probability],
                )
                sys.stdout.write(
                    f"{f'{peer.name} ({package} {version})':44} {cpu:10} {found.least:>7} to {found.most:<7}"
                    f" flash {found.flash:>6} B  stack {found.stack:>4} B  ratio {found.most / ours[cpu]:6.1f}"
                    f"  max {kind} error {np.abs(answers - expected).max():.4f}  flips {flips}\n"
                )
                sys.stdout.flush()
    sys.stdout.write("peers, recorded (results.csv beside the common model), not run again here; net alone:\n")
    with (COMMON / "results.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            recorded = {"m0": "cortex-m0", "m4": "cortex-m4"}.get(row["cpu"])
            if recorded is None or row["peer"].startswith("("):
                continue
            most = int(row["insn_max"])
            sys.stdout.write(
                f"{row['peer'] + ', ' + row['format']:44} {recorded:10} {row['insn_min']:>7} to {most:<7}"
                f" flash {row['flash_B']:>6} B  ratio {most / ours[recorded]:6.1f}\n"
            )


def report(
    profile: Profile,
    part: str,
    adapter: str,
    cpu: str,
    model: DeployedModel,
    scale: float,
    vectors: np.ndarray,
    logits: np.ndarray,
    flags: tuple[str, ...],
) -> int:
    """Measure one part of one profile on one core, all answers compared with the reference; the largest count."""
    inputs = vectors if part == "net" else vectors[:32].reshape(-1, 1)[:N_VECTORS]
    with tempfile.TemporaryDirectory(prefix="crumple-bench-") as scratch:
        folder = Path(scratch)
        for name, text in render_c(model, "0" * 64, profile).items():
            (folder / name).write_text(text, encoding="ascii")
        (folder / "adapter.c").write_text(adapter)
        (folder / "returns.S").write_text(RETURNS)
        sources, idle = [folder / "crumple_model.c"], [folder / "returns.S"]
        adapter_source = folder / "adapter.c"
        found = measure([*sources, adapter_source], inputs, cpu, (*flags, f"-I{folder}"), [*idle, adapter_source])
    if part == "net":
        expected = [model.output_of_window(row) for row in vectors.tolist()]
    else:
        expected = model.outputs(inputs.ravel()).tolist()
    if found.outputs != expected:
        raise SystemExit(f"{profile.name} {part} on {cpu}: an answer differs from the reference")
    error, flips = "", ""
    if part == "net":
        scores = np.array(found.outputs) / scale
        error, flips = f"{np.abs(scores - logits).max():.4f}", str(int(((scores > 0) != (logits > 0)).sum()))
    count = f"{found.least}" if found.least == found.most else f"{found.least} to {found.most}"
    sys.stdout.write(
        f"{profile.name:8} {part:8} {cpu:10} {count:>20} {found.flash:>10} {found.stack:>8} {error:>16} {flips:>6}\n"
    )
    sys.stdout.flush()
    return found.most


if __name__ == "__main__":
    main()
