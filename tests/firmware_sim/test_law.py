"""One law: whatever words, clocks, voltages and loops come, in whatever configuration, C and reference say the same."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from crumple.export.c99 import render_c
from crumple.export.calibration_files import render_calibration
from crumple.export.profiles import EXACT16
from crumple.export.selftest import render_selftest
from crumple.firmware_sim.build import build_controller
from crumple.firmware_sim.exported import ExportedModel, read_exported_model
from crumple.firmware_sim.reference import ReferenceController, main_word, safing_word
from crumple.firmware_sim.replay import INPUT_DTYPE, MODES, Controller
from crumple.firmware_sim.target_stage import require_equal
from crumple.model.deployed import Arming, DeployedModel
from crumple.toolchain import find_compiler

N_CONFIGURATIONS = 4
MISSING = 0xFFFF_FFFF
KINDS = ("level", "ramp", "noise", "stuck", "missing", "error code", "wrong check", "bits", "any word")


def configuration(seed: int) -> DeployedModel:
    """A random model of any shape: sample rate, window, blocks, votes, sensors and arming rule.

    None votes at rest: the reference begins with no votes, the C has been at rest for a while.
    """
    rng = np.random.default_rng(seed)
    n_hidden, n_blocks = int(rng.integers(1, 7)), int(rng.integers(1, 13))
    clamp = int(rng.integers(200, 4000))
    weight = rng.integers(-90, 120, (n_hidden, n_blocks))
    bias, output = rng.integers(-5000, 5000, n_hidden), rng.integers(-3, 9, n_hidden)
    at_rest = int(np.maximum(bias, 0) @ output)
    return DeployedModel(
        sample_rate_hz=int(rng.choice((1000, 2000, 4000))),
        lsb_g=Fraction(1, int(rng.choice((8, 10, 16, 32)))),
        clamp_lsb=clamp,
        block_samples=int(rng.integers(1, 5)),
        hidden_weight=tuple(tuple(row) for row in weight.tolist()),
        hidden_bias=tuple(bias.tolist()),
        output_weight=tuple(output.tolist()),
        output_bias=-at_rest - int(rng.integers(0, 60_000)),
        confirm_votes=(votes := int(rng.integers(1, 5))),
        confirm_window=int(rng.integers(votes, 9)),
        arming=Arming(
            Fraction(1, int(rng.choice((4, 5, 8)))),
            int(rng.integers(100, 600)),
            window := int(rng.integers(1, 33)),
            int(rng.integers(1, 30) * window),
            int(rng.integers(0, 300)),
        ),
    )


@dataclass(frozen=True)
class Bench:
    controller: Controller
    model: ExportedModel


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> list[Bench]:
    made = []
    for seed in range(N_CONFIGURATIONS):
        folder, model = tmp_path_factory.mktemp("configuration"), configuration(seed)
        calibration, image = render_calibration(model, "0" * 64, EXACT16)
        files = {**render_c(model, "0" * 64), **calibration, **render_selftest(model, "0" * 64, EXACT16)}
        for name, text in files.items():
            (folder / name).write_text(text, encoding="ascii")
        (folder / "crumple_parameters.bin").write_bytes(image)
        made.append(Bench(Controller(build_controller(folder, folder, find_compiler())), read_exported_model(folder)))
    return made


@st.composite
def words(draw: st.DrawFn, n: int, word_of: str, reach: int) -> list[int]:
    """What one sensor sends in ``n`` ticks, in stretches of one kind each."""
    sent: list[int] = []
    encode = main_word if word_of == "main" else safing_word
    while len(sent) < n:
        kind = draw(st.sampled_from(KINDS if draw(st.integers(0, 2)) == 0 else ("level", "ramp", "noise")))
        length = draw(st.integers(1, 130))
        short = 1 + length % 9  # eight bad ones in a row are a fault, which ends most of what could happen
        level = draw(st.integers(-40, 40) | st.integers(-reach // 4, reach) | st.sampled_from((30720, -30720)))
        rng = np.random.default_rng(draw(st.integers(0, 2**16)))
        event(f"{word_of}: {kind}")
        if kind in ("level", "stuck"):
            wobble = np.arange(length) % (3 if kind == "level" else 1)
            stretch = [encode(max(-30720, level - int(w))) for w in wobble]
        elif kind == "ramp":
            stretch = [encode(int(v)) for v in np.linspace(0, level, length)]
        elif kind == "noise":
            stretch = [encode(int(v)) for v in rng.integers(-abs(level) - 1, abs(level) + 1, length)]
        elif kind == "missing":
            stretch = [MISSING] * short
        elif kind == "error code":
            code = draw(st.integers(30721, 32767) | st.integers(-32768, -30721))
            stretch = [encode(code)] * short
        elif kind == "wrong check":
            stretch = [encode(level) ^ (int(rng.integers(1, 8 if word_of == "main" else 2)) << 16)] * short
        elif kind == "bits":
            stretch = [encode(level) ^ (1 << int(bit)) for bit in rng.integers(0, 32, short)]
        else:
            stretch = [int(word) for word in rng.integers(0, 2**32, short)]
        sent += stretch
    return sent[:n]


@st.composite
def ticks(draw: st.DrawFn, model: ExportedModel) -> np.ndarray:
    """Inputs of a run: both sensors, and a clock, a battery and two loops that change their minds now and then."""
    n = draw(st.sampled_from((40, 200, 700)))
    period_us = 1_000_000 // model.sample_rate_hz
    inputs = np.zeros(n, INPUT_DTYPE)
    inputs["main_word"] = draw(words(n, "main", min(2 * model.clamp_lsb, 30720)))
    inputs["safing_word"] = draw(words(n, "safing", 2 * model.arming_clamp_lsb))
    if draw(st.booleans()):
        inputs["main_word"][: n // 2], inputs["safing_word"][: n // 2] = main_word(0), safing_word(0)
    if draw(st.booleans()):  # a crash that both feel, in g; what was drawn goes on before and after
        begin, peak_g = draw(st.integers(0, n // 2)), draw(st.integers(2, 100))
        pulse_g = peak_g * (1 - np.exp(-np.arange(draw(st.integers(10, 300))) / 20.0))
        stop = min(n, begin + pulse_g.size)
        for name, units, encode in (
            ("main_word", model.main_units, main_word),
            ("safing_word", model.safing_units, safing_word),
        ):
            counts = np.rint(pulse_g * (model.units_per_g / units)).astype(int) + np.arange(pulse_g.size) % 2
            inputs[name][begin:stop] = [encode(int(count)) for count in counts[: stop - begin]]
    steps = np.full(n, period_us)
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, n - 1))
        edge = st.sampled_from((period_us - period_us // 5, period_us + period_us // 5))
        steps[at] = draw(edge | edge.map(lambda us: us + 1) | edge.map(lambda us: us - 1) | st.integers(0, 2**31))
    inputs["clock_us"] = (np.cumsum(steps) - steps[0] + draw(st.sampled_from((0, -1, 1)))) % 2**32
    inputs["battery_mv"] = 13_500
    for _ in range(draw(st.integers(0, 2))):
        inputs["battery_mv"][draw(st.integers(0, n - 1)) :] = draw(st.sampled_from((0, 8999, 9000, 13_500)))
    inputs["loops"]["resistance_mohm"] = 2200
    for _ in range(draw(st.integers(0, 3))):
        begin, loop = draw(st.integers(0, n - 1)), draw(st.integers(0, 1))
        inputs["loops"]["resistance_mohm"][begin:, loop] = draw(st.sampled_from((0, 1, 1499, 1500, 3700, 3701, 65535)))
        inputs["loops"]["leakage"][begin : begin + draw(st.integers(1, 40)), loop] = draw(st.integers(0, 255))
    return inputs


def hold_the_law(benches: list[Bench], data: st.DataObject) -> None:
    bench = benches[data.draw(st.integers(0, len(benches) - 1))]
    model = bench.model
    inputs = data.draw(ticks(model))
    compiled = bench.controller.outputs(inputs)
    require_equal("drawn", "this machine", compiled, "the reference", ReferenceController(model).run(inputs))
    for mode in np.unique(compiled["mode"]).tolist():
        event(f"reached {MODES[mode]}")


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_c_and_reference_agree_in_every_output_of_every_tick(benches: list[Bench], data: st.DataObject) -> None:
    hold_the_law(benches, data)


@pytest.mark.slow
@settings(
    max_examples=1500, deadline=None, phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck)
)
@given(data=st.data())
def test_c_and_reference_agree_in_many_more_runs(benches: list[Bench], data: st.DataObject) -> None:
    hold_the_law(benches, data)


def test_configurations_differ_in_all_that_the_controller_is_compiled_for() -> None:
    models = [configuration(seed) for seed in range(N_CONFIGURATIONS)]
    for name in ("sample_rate_hz", "lsb_g", "clamp_lsb", "block_samples", "confirm_window", "output_bias", "arming"):
        assert len({getattr(model, name) for model in models}) > 1, name
