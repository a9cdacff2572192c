"""The vectors that mutants of the controller are tried on: inputs, faults of memory, and what the reference answers."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from crumple.firmware_sim.exported import read_exported_model
from crumple.firmware_sim.inject import Injector
from crumple.firmware_sim.reference import ReferenceController, main_word, safing_word
from crumple.firmware_sim.replay import INPUT_DTYPE, OUTPUT_DTYPE
from crumple.signals.events import MODES
from crumple.signals.generate import CorpusPlan, generate

MISSING = 0xFFFF_FFFF
LOCKED, PLANT_KEY = 0xC3A55A3C, 0x9E6B17D4

Poke = tuple[str, int, int]
"""What (``state`` or ``parameters`` are xored, ``add`` adds to a word of the state), which byte, by how much."""

Event = tuple[int, list[Poke], Callable[[ReferenceController], None]]
"""Before which tick, what is done to memory, and how the reference is told."""


class Vectors:
    """Segments for the export ``folder`` and its ``library``; run by ``run_mutants.py``.

    Attributes
    ----------
    segments : list of dict
    """

    def __init__(self, folder: Path, library: ctypes.CDLL) -> None:
        self.model = read_exported_model(folder)
        self.injector = Injector(library)
        self.names = [self.injector.field_of(byte) for byte in range(self.injector.n_state_bytes)]
        size = self.injector.n_parameter_bytes
        self.parameters = bytes((ctypes.c_char * size).in_dll(library, "crumple_built_in"))
        self.segments: list[dict[str, Any]] = []

    def inputs(self, main: Sequence[int] | np.ndarray, safing: Sequence[int] | np.ndarray) -> np.ndarray:
        """Healthy inputs for counts of both sensors."""
        made = np.zeros(len(main), dtype=INPUT_DTYPE)
        made["main_word"] = [main_word(int(count)) for count in main]
        made["safing_word"] = [safing_word(int(count)) for count in safing]
        made["clock_us"] = np.arange(len(main)) * 500
        made["battery_mv"] = 13500
        made["loops"]["resistance_mohm"] = 2200
        return made

    def at(self, name: str) -> int:
        """First byte of a field of the state, such as ``copy of mode``."""
        return self.names.index(name)

    def add(self, inputs: np.ndarray, *, cold: bool = False, events: Sequence[Event] = (), **memory: int) -> None:
        """Append a segment: the reference's answer to ``inputs``; ``memory`` sets ``locked`` or ``plant_key`` first."""
        locked, plant = memory.get("locked", 0), memory.get("plant_key", 0)
        reference = ReferenceController(self.model, cold=cold, plant=plant == PLANT_KEY, locked=locked != 0)
        expected = np.zeros(inputs.size, dtype=OUTPUT_DTYPE)
        first = [
            ("add", at, value)
            for name, value in memory.items()
            for at in (self.at(f"memory.{name}"), self.at(f"copy of memory.{name}"), self.at("seal"))
        ]
        pokes: list[tuple[int, list[Poke]]] = [(0, first)] if first else []
        done = 0
        for tick, poked, told in events:
            expected[done:tick] = reference.run(inputs[done:tick])
            pokes.append((tick, poked))
            told(reference)
            done = tick
        expected[done:] = reference.run(inputs[done:])
        if locked not in (0, LOCKED):
            expected["crash_output"] = False  # it locks, but nothing says that there was a crash
        self.segments.append(
            {
                "inputs": np.ascontiguousarray(inputs), "expected": expected, "cold": cold, "pokes": pokes,
                "state_bytes": self.injector.n_state_bytes, "parameters": self.parameters,
            }
        )  # fmt: skip

    def crash(self, n: int = 700, *, top: int = 1900, until: int | None = None) -> np.ndarray:
        """Rest, then a deceleration that both sensors see alike and that never holds still."""
        k = np.arange(n)
        main = np.where((k < 40) | (k >= (n if until is None else until)), 0, top - 8 * (k % 7))
        return self.inputs(main, np.minimum(main // 4, 480))


def all_vectors(folder: Path, library: ctypes.CDLL) -> list[dict[str, Any]]:
    """Every segment, those that kill most mutants first."""
    vectors = Vectors(folder, library)
    parts = (_crashes, _noise, _clocks, _supplies, _loops, _frames, _levels, _memory, _starts, _resets, _edges, _events)
    for part in (*parts, _offsets):
        part(vectors)
    return vectors.segments


def memory_vectors(folder: Path, library: ctypes.CDLL) -> list[dict[str, Any]]:
    """Segments with faults of memory, all that the mirror of the state has to do with."""
    vectors = Vectors(folder, library)
    for part in (_memory, _starts):
        part(vectors)
    return vectors.segments


def _crashes(v: Vectors) -> None:
    v.add(v.crash())
    v.add(v.crash(until=50))
    for until in range(55, 70):
        v.add(v.crash(until=until))
    v.add(v.inputs([0] * 60, [0] * 60))
    spoilt = v.crash()
    spoilt["main_word"][300:] = MISSING  # a fault of a sensor after the decision changes nothing
    v.add(spoilt)
    v.add(np.concatenate([v.crash(400), v.crash(400)])[:1], cold=False)


def _agreeing(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Bursts of deceleration that both sensors see, of random height and length, with noise."""
    main = np.zeros(n)
    for _ in range(rng.integers(1, 6)):
        start, length = rng.integers(0, n), rng.integers(1, 80)
        main[start : start + length] += rng.choice((-1, 1, 1, 1)) * 2.0 ** rng.uniform(3, 10)
    safing = main / 4 * rng.uniform(0.6, 1.4) + rng.normal(0, 1, n)
    return np.clip(np.rint(main + rng.normal(0, 4, n)), -1920, 1920), np.clip(np.rint(safing), -480, 480)


def _noise(v: Vectors) -> None:
    for seed in range(90):
        rng = np.random.default_rng([seed, 77])
        n = 700
        if seed % 3:
            main, safing = _agreeing(rng, n)
        else:
            main = rng.integers(-(2 ** rng.integers(1, 11)), 2 ** rng.integers(1, 12), n)
            safing = rng.integers(-60, 2 ** rng.integers(1, 9), n)
        inputs = v.inputs(main, safing)
        if seed % 5 == 0:
            spoilt = rng.random(n) < (0.02, 0.5)[seed % 2]
            for name in ("main_word", "safing_word"):
                hit = spoilt & (rng.random(n) < 0.5)
                words = np.array([MISSING, 0, 0x7FFF, 0x1_8000, 0x7_7FFF], np.uint32)
                inputs[name][hit] = rng.choice(words, int(hit.sum()))
        inputs["clock_us"] = np.cumsum(500 + rng.integers(-100, 101, n)) - 500
        if seed % 4 == 3:
            inputs["battery_mv"][rng.integers(0, n) :] = rng.integers(0, 10_000)
        inputs["loops"]["resistance_mohm"][rng.integers(0, n) :] = rng.choice((0, 1499, 1500, 3700, 3701, 65535), 2)
        inputs["loops"]["leakage"][rng.integers(0, n) :] = rng.integers(0, 4, 2)
        v.add(inputs)


def _clocks(v: Vectors) -> None:
    for step in (0, 399, 400, 401, 599, 600, 601, 5000):
        for at in (20, 44, 60, 66, 120):
            inputs = v.crash(300)
            inputs["clock_us"][at:] += np.uint32((step - 500) % 2**32)
            v.add(inputs)
    inputs = v.crash(300)
    inputs["clock_us"] += np.uint32(2**32 - 500 * 100)
    inputs["clock_us"][0] = 0
    v.add(inputs, cold=True)
    for late in (0, 44):
        inputs = v.crash(700)
        inputs["clock_us"][late::50] += np.uint32(200)
        v.add(inputs)


def _supplies(v: Vectors) -> None:
    for mv in (0, 8999, 9000, 9001):
        for length in (10, 299, 300, 301, 302, 700):
            inputs = v.crash(700)
            inputs["battery_mv"][20 : 20 + length] = mv
            v.add(inputs)
    inputs = v.crash(700)
    inputs["battery_mv"][::2] = 0
    v.add(inputs)


def _loops(v: Vectors) -> None:
    for k in (0, 1):
        for resistance in (0, 1, 1499, 1500, 1501, 3699, 3700, 3701, 20833, 20834, 20900, 65535):
            for first, length in ((0, 700), (0, 15), (0, 16), (0, 17), (60, 640)):
                inputs = v.crash(700)
                inputs["loops"]["resistance_mohm"][first : first + length, k] = resistance
                v.add(inputs)
        for leakage in (1, 2, 3, 4):
            for length in (15, 16, 700):
                inputs = v.crash(700)
                inputs["loops"]["leakage"][:length, k] = leakage
                v.add(inputs)
        mixed = v.crash(700)
        mixed["loops"]["resistance_mohm"][:30, k] = np.where(np.arange(30) % 16 == 15, 2200, 9999)
        mixed["loops"]["leakage"][20:40, k] = 1
        mixed["loops"]["resistance_mohm"][30:40, k] = 9999
        v.add(mixed)
        healed = v.crash(700)
        healed["loops"]["leakage"][:18, k] = 1
        healed["loops"]["resistance_mohm"][18:36, k] = 9999
        v.add(healed)


def _frames(v: Vectors) -> None:
    for name in ("main_word", "safing_word"):
        for word in (MISSING, 0xFFFF_FFFE, 0x1234_5678, main_word(30721), main_word(-30721), safing_word(30721),
                     safing_word(-30721), safing_word(-32768), main_word(-32768), main_word(32767)):  # fmt: skip
            for first, length in ((20, 7), (20, 8), (20, 9), (44, 3), (70, 8)):
                inputs = v.crash(300)
                inputs[name][first : first + length] = word
                v.add(inputs)
        for count in (30720, -30720, 30719, 0, 1, -1, 32, 33, -32, -33, 700, -700, 16384, -16384):
            for bit in range(-1, 32):
                inputs = v.inputs([count] * 3, [count] * 3)
                if bit >= 0:
                    inputs[name] ^= np.uint32(1 << bit)
                v.add(inputs)
    rng = np.random.default_rng(5)
    v.add(v.inputs(rng.integers(-30720, 30721, 3000), rng.integers(-30720, 30721, 3000)))
    for gap in (7, 8):  # invalid ones do not add up over valid ones
        inputs = v.inputs([0] * 60, [0] * 60)
        for name in ("main_word", "safing_word"):
            inputs[name][10 : 10 + gap - 1] = MISSING
            inputs[name][10 + gap : 9 + 2 * gap] = MISSING
        v.add(inputs)


def _levels(v: Vectors) -> None:
    for level in (31, 32, 33, 34, -31, -32, -33, -34, 500, -500):
        for n in (2, 3, 99, 100, 101, 102, 103):
            main = np.zeros(n + 60)
            main[10 : 10 + n] = level
            v.add(v.inputs(main, np.rint(main / 4)))
    for pattern in ((33, 0), (33, 33, 0), (33, 33, 33, 0), (33, 34), (-33, 33, 0, 0)):
        for n in (12, 150, 600):
            main = np.resize(pattern, n).tolist() + [0] * 90
            v.add(v.inputs(main, [0] * len(main)))
    for safing in range(20, 32):  # either side of the arming threshold
        v.add(v.inputs([0] * 60, [0] * 10 + [safing] * 4 + [0] * 46))
        v.add(v.inputs([safing * 4] * 60, [0] * 10 + [safing] * 20 + [0] * 30))
    for main_g16, safing_g4 in ((15 * 16, 48), (15 * 16 + 1, 48), (9 * 16, 48), (9 * 16 - 1, 48), (16, 0), (17, 0),
                                (-16, 0), (-17, 0), (400, 100), (401, 101), (1600, 100), (330, 101), (330, 300),
                                (-400, -100), (-1600, -400), (-15 * 16, -48), (-15 * 16 - 1, -48), (400, 97),
                                (383, 96)):  # fmt: skip
        v.add(v.inputs([0] * 5 + [main_g16 - 1, main_g16] * 60, [0] * 5 + [safing_g4] * 120))
        v.add(v.inputs([0] * 5 + [main_g16] * 60 + [0] * 20, [0] * 5 + [safing_g4] * 60 + [0] * 20))
    apart = [600 + k % 3 for k in range(99)] + [0] * 60
    for n in range(80, 99):
        v.add(v.inputs(apart[:n] + [0] * 60, [0] * (n + 60)))
    for missing in ("main_word", "safing_word"):
        inputs = v.crash(300)
        inputs[missing][42:49:2] = MISSING
        v.add(inputs)


def _memory(v: Vectors) -> None:
    def flip(at: int, mask: int = 1) -> list[Poke]:
        return [("state", at, mask)]

    names = list(dict.fromkeys(name for name in v.names if name != "padding"))
    for k, name in enumerate(names):
        tick = (5, 41, 43, 60)[k % 4]
        v.add(v.crash(300), events=[(tick, flip(v.at(name), 1 << k % 8), lambda r: r.bear_flip())])
    last = max(k for k, name in enumerate(v.names) if name.startswith("copy of"))
    for at in (last, last - v.names.index("copy of memory.locked"), v.at("seal"), v.at("seal") + 3):
        v.add(v.crash(300), events=[(20, flip(at, 128), lambda r: r.bear_flip())])
    for tick in (20, 41, 70):
        both = flip(v.at("loud")) + flip(v.at("copy of awake"), 4)
        v.add(v.crash(300), events=[(tick, both, lambda r: r.lose_state())])
    lost = flip(v.at("parameters"), 255) + flip(v.at("copy of parameters"), 64)
    v.add(v.crash(300), events=[(20, lost, lambda r: r.lose_state())])
    # Wrong parameters: the bias is the first member; weights are found by their values.
    model = v.model
    rest, loud = v.inputs([0] * 200, [0] * 200), v.crash(200)
    weight, output = v.parameters.index(b"\x0d\x00"), v.parameters.index(b"\x03\x00\x02\x00\xfc\xff")
    biases = [
        (("parameters", 0, 1), replace(model, output_bias=model.output_bias ^ 1)),
        (("parameters", 5, 1), replace(model, output_bias=model.output_bias ^ 1 << 40)),
        (("parameters", 3, 128), replace(model, output_bias=model.output_bias ^ 1 << 31)),
        (("parameters", 8, 4), replace(model, hidden_bias=(model.hidden_bias[0] ^ 4, *model.hidden_bias[1:]))),
    ]
    for poke, other in biases:
        for tick in (0, 62, 63, 64, 65, 100):
            v.add(rest, events=[(tick, [poke], lambda r, other=other: r.change_parameters(other))])
        for tick in (41, 42, 43):
            v.add(loud, events=[(tick, [poke], lambda r, other=other: r.change_parameters(other))])
    for at in (weight, output):  # at rest neither has a say in y: the one node that is awake is the third
        v.add(rest, events=[(20, [("parameters", at, 64)], lambda r: _mark(r))])
    v.add(rest, cold=True, events=[(0, [("parameters", 0, 1)], lambda r: r.change_parameters(biases[0][1]))])


def _mark(reference: ReferenceController) -> None:
    """The parameters differ, in nothing that the net reads."""
    reference.parameters_right = False


def _starts(v: Vectors) -> None:
    for inputs in (v.inputs([0] * 60, [0] * 60), v.crash(300), v.crash(300)[35:]):
        v.add(inputs, cold=True)
        v.add(inputs, cold=True, plant_key=PLANT_KEY)
        for key in (PLANT_KEY ^ 1, 1):
            v.add(inputs, cold=True, plant_key=key)
        for mark in (LOCKED, LOCKED ^ 1, 1, 1 << 31):
            v.add(inputs, cold=True, locked=mark)
        v.add(inputs, cold=True, locked=LOCKED, plant_key=PLANT_KEY)


def _resets(v: Vectors) -> None:
    """A reset from every kind of dirty state, and something after it that would tell what was left."""
    after = v.crash(160)
    stuck = v.inputs([500] * 160, [125] * 160)
    for dirt in (60, 95):
        for level in (500, 40, 20):
            for later in (
                after,
                stuck,
                v.inputs([level] * 160, [0] * 160),
                v.inputs([level] * 160, [level // 4] * 160),
            ):
                v.add(_tripped([v.inputs([level] * dirt, [level // 4] * dirt), later]))
    for name in ("main_word", "safing_word"):
        for missing in (1, 4, 7):
            for more in (3, 5, 7):
                first, later = v.inputs([0] * 30, [0] * 30), v.crash(160)
                first[name][30 - missing :] = MISSING
                later[name][:more] = MISSING
                v.add(_tripped([first, later]))
    for level in (25, 24, 100, 479):  # the window, its place and its hold of the safing path
        for dirt in (1, 2, 3, 4, 5, 6, 9):
            first = v.inputs([0] * 30, [0] * (30 - dirt) + [level] * dirt)
            v.add(_tripped([first, v.inputs([0] * 60, [0] * 20 + [25] * 4 + [0] * 36)]))
            v.add(_tripped([first, v.inputs([0] * 60, [24] * 60)]))
            v.add(_tripped([first, v.inputs([100] * 60, [25] * 60)]))
    for dirt in (1, 5, 9, 15, 17, 40, 60):  # what the sensors differed by, and for how long
        for level in (500, -500, 1900):
            first = v.inputs([level + k % 3 for k in range(dirt)], [0] * dirt)
            v.add(_tripped([first, v.crash(120)]))
            v.add(_tripped([first, v.inputs([600 + k % 3 for k in range(130)], [0] * 130)]))
    for resistance, leakage in ((9999, 0), (0, 0), (2200, 1), (2200, 2)):
        for before in (10, 15, 20):
            for behind in (0, 13 + 6, 13 + 10, 13 + 15, 13 + 16):
                first, later = v.inputs([0] * 40, [0] * 40), v.crash(400)
                for k in (0, 1):
                    for piece, where in ((first, slice(40 - before, None)), (later, slice(0, behind))):
                        piece["loops"]["resistance_mohm"][where, k] = resistance
                        piece["loops"]["leakage"][where, k] = leakage
                v.add(_tripped([first, later]))
    for n in (1, 2, 30):
        first = v.inputs([0] * 30 + [40] * n, [0] * (30 + n))
        v.add(_tripped([first, v.inputs([0] * 13 + [40] * 3 + [0] * 60, [0] * 76)]))
        v.add(_tripped([first, v.inputs([0] * 13 + [40] + [0] * 60, [0] * 74)]))
    for n in (500, 1024, 1200, 3000):  # what the offset was, and how far its period had come
        first = v.inputs([9] * n, [0] * n)
        v.add(_tripped([first, v.inputs([9] * 1100, [0] * 1100)]))
        v.add(_tripped([first, v.inputs([1] * 513 + [0] * 600, [0] * 1113)]))


def _tripped(pieces: list[np.ndarray]) -> np.ndarray:
    """Pieces one after the other, a late tick between them."""
    inputs = np.concatenate(pieces)
    steps = np.full(inputs.size, 500)
    steps[np.cumsum([len(piece) for piece in pieces[:-1]])] = 5000
    inputs["clock_us"] = np.cumsum(steps) - 500
    return inputs


def _edges(v: Vectors) -> None:
    """Limits of the rules, one count to either side."""
    rest = [0] * 12
    for safing in ([1000, -200, -200], [481, -381], [480, -380], [482, -381], [-481, 480, 100], [-481, 480, 101],
                   [-480, 480, 100], [-1000, 480, 100], [-1000, 480, 99], [-30720, 150], [-30719, 150],
                   [30720, -381], [30720, -380]):  # fmt: skip
        v.add(v.inputs(rest + [0] * len(safing) + rest, rest + safing + rest))
    for main in ([4000, -1664], [4000, -1665], [-4000, 1664], [-4000, 1665], [4000, -1100, -1076], [4000, -1100, -1077],
                 [-4000, 1100, 1076], [-4000, 1100, 1077], [256], [257], [-256], [-257],
                 [1924, -1664], [-1924, 1664], [1917, -1661], [-1917, 1661]):  # fmt: skip
        v.add(v.inputs(rest + main + rest * 2, rest + [0] * len(main) + rest * 2))
    for safing in ([600, -404], [600, -403], [-600, 404], [-600, 403], [600, -300, -256], [600, -300, -257],
                   [-600, 300, 256], [-600, 300, 257], [76], [77], [-76], [-77]):  # fmt: skip
        v.add(v.inputs(rest + [0] * len(safing) + rest * 2, rest + safing + rest * 2))
    n = 1100
    v.add(v.inputs([3] * n, [0] * 100 + [25] * 4 + [0] * (n - 104)))  # armed from rest: nothing to follow
    gaps = v.inputs([3] * n, [0] * n)
    gaps["main_word"][100:105] = MISSING
    v.add(gaps)
    for first in (0, 1, 2):
        for length in (8, 9, 14, 15, 40):
            inputs = v.inputs([0] * 80, [0] * 80)
            inputs["main_word"][first : first + length] = MISSING
            v.add(inputs, cold=True)
    for mv in (0, 8999):  # no battery ever: the charge of a new unit
        inputs = v.crash(420)
        inputs["battery_mv"] = mv
        v.add(inputs, cold=True)
    mode, complement = v.at("mode"), v.at("mode_complement")
    names = ("", "copy of ")
    both = [(p, q) for p, q in ((v.at(f"{n}mode"), v.at(f"{n}mode_complement")) for n in names)]
    assert (mode, complement) == both[0]
    no_such = [("add", at, by) for pair in both for at, by in zip(pair, (10, -10), strict=True)]
    v.add(v.crash(300), events=[(20, no_such, _no_such_mode)])
    wrong = [("add", pair[0], 1) for pair in both] + [("add", v.at("seal"), 1)]
    v.add(v.crash(300), events=[(20, wrong, lambda r: r.contradict_mode())])
    v.add(v.crash(300), events=[(60, wrong, lambda r: r.contradict_mode())])
    model = v.model
    rest_of = v.inputs([0] * 200, [0] * 200)
    values = (b"\x05\x00\x07\x00", b"\x09\x00\xf7\xff", b"\xf7\xff\x03\x00")  # of the first, third and last node's rows
    for value in values:
        v.add(rest_of, events=[(20, [("parameters", v.parameters.index(value), 64)], _mark)])
    bias = replace(model, hidden_bias=(*model.hidden_bias[:2], model.hidden_bias[2] ^ 4))
    v.add(rest_of, events=[(20, [("parameters", 16, 4)], lambda r: r.change_parameters(bias))])


def _no_such_mode(reference: ReferenceController) -> None:
    reference.trouble.add("memory")
    reference.mode = "FAULT"


def _events(v: Vectors) -> None:
    for event in generate(CorpusPlan(seed=11, counts=dict.fromkeys(MODES, 1))):
        v.add(v.inputs(event.main_lsb, event.safing_lsb))


def _offsets(v: Vectors) -> None:
    for counts in _slow():
        v.add(v.inputs(counts, [0] * len(counts)))


def _slow() -> Iterator[list[int]]:
    yield [3] * 3100 + [-9] * 3100 + [9] * 2100
    yield [20] * (1024 * 18)
    yield [-20] * (1024 * 18)
    yield [int(k % 1024 < 512) for k in range(2060)]
    yield [int(k % 1024 < 513) for k in range(2060)]
    yield [-int(k % 1024 < 512) for k in range(2060)]
    yield [-int(k % 1024 < 513) for k in range(2060)]
    yield [3] * 1100
    yield [(40, 40, 2)[k % 3] if k % 500 < 30 else 2 for k in range(2500)]
