"""The list of single faults of sensors, bus, clock, supply and loops: how each spoils the inputs of an event."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .replay import FRAME_DATA_MAX, Controller
from .scenes import Scene

MISSING = 0xFFFF_FFFF

LEVELS_G = (-120, -40, -20, -10, -5, -2, -1, 0, 1, 2, 5, 10, 20, 30, 40, 60, 80, 120)
DRIFTS_G_PER_S = (-1000, -100, -10, -1, 1, 10, 100, 1000)
OFFSETS_G = (-20, -10, -5, -2, 2, 5, 10, 20)
GAINS = (-1.0, 0.0, 0.25, 0.5, 0.8, 1.25, 1.5, 2.0, 4.0)
CLIPS_G = (2, 5, 10, 20, 40)
NOISES_G = (1, 5, 20, 60, 120)
GAPS = (1, 2, 4, 7, 8, 20, 100)
DELAYS = (1, 2, 4, 8, 16, 32)
WORD_BITS = {"main": 19, "safing": 17}
"""Bits of a word that carry something; the rest is tried as well."""


@dataclass(frozen=True, slots=True)
class Spoilt:
    """Inputs of a scene with one fault.

    Attributes
    ----------
    family : str
        Class of the fault, such as ``main sensor stuck``.
    name : str
        The fault itself.
    begins : str
        What happens in the event when the fault begins.
    inputs : ndarray of INPUT_DTYPE, shape (n_samples,)
    """

    family: str
    name: str
    begins: str
    inputs: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Sensor:
    """What spoiling a sensor needs to know of it: ``which`` word it sends, ``lsb_g`` per count, largest count."""

    which: str
    lsb_g: float
    clamp_lsb: int

    def counts(self, g: float) -> int:
        """The count nearest to ``g``, within what the sensor can say."""
        return max(-self.clamp_lsb, min(self.clamp_lsb, round(g / self.lsb_g)))


Change = Callable[[NDArray[np.int64], int], NDArray[np.int64]]
"""Counts from the moment on, and that moment, to the counts that a faulty sensor says instead."""


def spoilt(scene: Scene, controller: Controller, sensors: tuple[Sensor, Sensor], seed: int) -> Iterator[Spoilt]:
    """Every fault of inputs on a scene, from each of its moments on.

    Parameters
    ----------
    scene : Scene
    controller : Controller
        Makes the words of spoilt counts.
    sensors : tuple of Sensor
        Main and safing.
    seed : int
        Of noise and jitter.
    """
    for begins, at in scene.moments:
        for sensor in sensors:
            for family, name, counts in _sensor_faults(scene, sensor, at, seed):
                yield Spoilt(family, name, begins, _with_counts(scene, controller, sensor, counts))
            for family, name, inputs in _bus_faults(scene, sensor, at):
                yield Spoilt(family, name, begins, inputs)
        for faults in (_swaps, _supply_faults, _loop_faults):
            for family, name, inputs in faults(scene, at):
                yield Spoilt(family, name, begins, inputs)
        for family, name, inputs in _clock_faults(scene, at, seed):
            yield Spoilt(family, name, begins, inputs)


def _with_counts(scene: Scene, controller: Controller, sensor: Sensor, counts: NDArray[np.int64]) -> NDArray[Any]:
    sent = np.clip(counts, -FRAME_DATA_MAX, FRAME_DATA_MAX).astype(np.int16)
    inputs = scene.inputs.copy()
    column = f"{sensor.which}_word"
    inputs[column] = controller.words(sent, sent)[column]
    return inputs


def _sensor_faults(scene: Scene, sensor: Sensor, at: int, seed: int) -> Iterator[tuple[str, str, NDArray[np.int64]]]:
    """The sensor itself is wrong, its words are right."""
    right = (scene.main_lsb if sensor.which == "main" else scene.safing_lsb).astype(np.int64)
    n = right.size - at
    who = f"{sensor.which} sensor"

    def made(tail: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.concatenate([right[:at], np.clip(tail, -sensor.clamp_lsb, sensor.clamp_lsb)])

    tail = right[at:]
    for g in LEVELS_G:
        yield f"{who} stuck", f"stuck at {g:+d} g", made(np.full(n, sensor.counts(g)))
    yield f"{who} stuck", "stuck at its last count", made(np.full(n, right[max(0, at - 1)]))
    for rate in DRIFTS_G_PER_S:
        ramp = np.arange(n) * rate * scene.sample_period_s / sensor.lsb_g
        yield f"{who} drifting", f"drifting by {rate:+d} g/s", made(tail + np.rint(ramp).astype(np.int64))
    for g in OFFSETS_G:
        yield f"{who} offset", f"offset of {g:+d} g", made(tail + sensor.counts(g))
    for gain in GAINS:
        yield f"{who} gain", f"gain of {gain:g}", made(np.rint(tail * gain).astype(np.int64))
    for g in CLIPS_G:
        limit = sensor.counts(g)
        yield f"{who} saturated", f"saturated at {g} g", made(np.clip(tail, -limit, limit))
    yield f"{who} saturated", "rectified", made(np.abs(tail))
    for k, g in enumerate(NOISES_G):
        rng = np.random.default_rng([seed, k, at, n, int(sensor.which == "main")])
        noise = rng.integers(-sensor.counts(g), sensor.counts(g) + 1, n)
        yield f"{who} noisy", f"noise of up to {g} g", made(tail + noise)
    for delay in DELAYS:
        late = np.concatenate([np.full(min(delay, n), right[max(0, at - 1)]), tail[: max(0, n - delay)]])
        yield f"{who} late", f"counts late by {delay} samples", made(late)


def _bus_faults(scene: Scene, sensor: Sensor, at: int) -> Iterator[tuple[str, str, NDArray[Any]]]:
    """Words missing, late or corrupted on their way."""
    column, who, n = f"{sensor.which}_word", f"{sensor.which} frames", scene.n_samples

    def made(change: Callable[[NDArray[np.uint32]], None]) -> NDArray[Any]:
        inputs = scene.inputs.copy()
        change(inputs[column])
        return inputs

    def gap(where: slice) -> Callable[[NDArray[np.uint32]], None]:
        def change(words: NDArray[np.uint32]) -> None:
            words[where] = MISSING

        return change

    for length in GAPS:
        yield f"{who} missing", f"{length} missing in a row", made(gap(slice(at, at + length)))
    yield f"{who} missing", "missing from then on", made(gap(slice(at, n)))
    for every in (2, 3, 8):
        yield f"{who} missing", f"every {every}th missing", made(gap(slice(at, n, every)))
    for delay in DELAYS:

        def late(words: NDArray[np.uint32], delay: int = delay) -> None:
            moved = words[at : max(at, n - delay)].copy()
            words[at : at + delay] = MISSING
            words[n - moved.size :] = moved

        yield f"{who} late", f"late by {delay} slots", made(late)
    for bit in range(32):
        mask = np.uint32(1 << bit)

        def flipped(words: NDArray[np.uint32], mask: np.uint32 = mask) -> None:
            words[at] ^= mask

        def high(words: NDArray[np.uint32], mask: np.uint32 = mask) -> None:
            words[at:] |= mask

        def low(words: NDArray[np.uint32], mask: np.uint32 = mask) -> None:
            words[at:] &= ~mask

        yield f"{who} corrupted", f"bit {bit} flipped once", made(flipped)
        yield f"{who} corrupted", f"bit {bit} stuck at 1", made(high)
        yield f"{who} corrupted", f"bit {bit} stuck at 0", made(low)


def _swaps(scene: Scene, at: int) -> Iterator[tuple[str, str, NDArray[Any]]]:
    """The two sensors exchanged on the bus, one way or both."""
    for name, pairs in (
        ("each in the other's slot", (("main_word", "safing_word"), ("safing_word", "main_word"))),
        ("the safing sensor's word in both slots", (("main_word", "safing_word"),)),
        ("the main sensor's word in both slots", (("safing_word", "main_word"),)),
    ):
        inputs = scene.inputs.copy()
        for to, source in pairs:
            inputs[to][at:] = scene.inputs[source][at:]
        yield "sensors swapped", name, inputs


def _clock_faults(scene: Scene, at: int, seed: int) -> Iterator[tuple[str, str, NDArray[Any]]]:
    """The tick comes early or late by the watchdog's own clock, or that clock is wrong."""
    n, period = scene.n_samples, scene.period_us

    def made(steps: NDArray[np.int64]) -> NDArray[Any]:
        inputs = scene.inputs.copy()
        inputs["clock_us"] = (np.cumsum(steps) - period).astype(np.int64).astype(np.uint32)
        return inputs

    plain = np.full(n, period)
    for percent in (10, 20, 21, 50, 100):
        rng = np.random.default_rng([seed, percent, at])
        steps = plain.copy()
        steps[at:] += rng.integers(-period * percent // 100, period * percent // 100 + 1, n - at)
        yield "clock jitter", f"jitter of up to {percent} % of a tick", made(steps)
    for once in (-period, -period // 2, period // 2, period, 10 * period, 100 * period):
        steps = plain.copy()
        steps[at] += once
        yield "watchdog trips", f"one tick {abs(once)} us {'late' if once > 0 else 'early'}", made(steps)
    for gap in (5, 20, 40):
        steps = plain.copy()
        steps[at::gap] += period
        yield "watchdog trips", f"every {gap}th tick late by a whole one", made(steps)
    for share in (0.0, 0.5, 0.79, 0.99, 1.01, 1.21, 2.0):
        steps = plain.copy()
        steps[at:] = round(period * share)
        yield "clock wrong", f"clock at {share:g} of its speed", made(steps)


def _supply_faults(scene: Scene, at: int) -> Iterator[tuple[str, str, NDArray[Any]]]:
    """The battery is lost or low; the energy reserve has to do."""
    per_ms = scene.rate_hz / 1000
    for ms in (1, 10, 50, 100, 140, 149, 151, 200):
        inputs = scene.inputs.copy()
        inputs["battery_mv"][at : at + round(ms * per_ms)] = 0
        yield "battery lost", f"lost for {ms} ms", inputs
    for mv in (0, 6000, 8999):
        inputs = scene.inputs.copy()
        inputs["battery_mv"][at:] = mv
        yield "brown-out", f"{mv} mV from then on", inputs
    inputs = scene.inputs.copy()
    inputs["battery_mv"][at::2] = 0
    yield "brown-out", "every second sample without battery", inputs


def _loop_faults(scene: Scene, at: int) -> Iterator[tuple[str, str, NDArray[Any]]]:
    """A firing loop open, of wrong resistance, or leaking."""
    for k in (0, 1):
        for name, member, value in (
            ("open", "resistance_mohm", 65535),
            ("high, 3.8 ohm", "resistance_mohm", 3800),
            ("low, 1.4 ohm", "resistance_mohm", 1400),
            ("bridged by its connector", "resistance_mohm", 0),
            ("shorted to ground", "leakage", 1),
            ("shorted to supply", "leakage", 2),
        ):
            for length, text in ((scene.n_samples, "from then on"), (10, "for 10 samples")):
                inputs = scene.inputs.copy()
                inputs["loops"][member][at : at + length, k] = value
                yield f"loop {k + 1} {name.partition(',')[0]}", f"{name} {text}", inputs
