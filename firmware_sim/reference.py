"""The controller in plain Python integers, written from its description and not from the C, to compare with."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .exported import ExportedModel
from .replay import FRAME_DATA_MAX, MODES, OUTPUT_DTYPE, TROUBLES

MISSING = 0xFFFF_FFFF
DROPOUT_SAMPLES = 8
STUCK_SAMPLES = 100
OFFSET_PERIOD = 1024
FULL_CURRENT_MA, FIRING_MV = 1200, 25_000
BATTERY_LOW_MV = 9000
LOOP_LOW_MOHM, LOOP_HIGH_MOHM = 1500, 3700
LOOP_DEBOUNCE = 16
AGREEMENT_SAMPLES, APART_SAMPLES = 16, 100
PARAMETERS_SAMPLES = 64
RUNNING = ("NORMAL", "ALGO_ACTIVE", "ARMED", "FIRE")


def main_word(count: int) -> int:
    """The word of a healthy main sensor for a ``count``: payload, then CRC x^3 + x + 1 by polynomial division."""
    payload = count & 0xFFFF
    bits = [payload >> k & 1 for k in range(16)] + [0, 0, 0]
    for k in range(3):
        bits[k] ^= 1  # a start value of all ones flips the first bits sent
    for k in range(16):
        if bits[k]:
            for tap in (0, 2, 3):
                bits[k + tap] ^= 1
    return payload | (bits[16] << 2 | bits[17] << 1 | bits[18]) << 16


def safing_word(count: int) -> int:
    """The word of a healthy safing sensor for a ``count``: payload and even parity."""
    payload = count & 0xFFFF
    return payload | (payload.bit_count() & 1) << 16


def _payload(word: int) -> int:
    low = word & 0xFFFF
    return low - 0x10000 if low & 0x8000 else low


class _Net:
    """Windows of block sums, written as sums over the last samples."""

    def __init__(self, model: ExportedModel) -> None:
        self.model = model
        n = model.block_samples * len(model.hidden_weight[0])
        self.window = deque([0] * n, n)
        self.votes = deque([False] * model.confirm_window, model.confirm_window)

    def step(self, count: int) -> tuple[int, bool, bool]:
        model, size = self.model, self.model.block_samples
        self.window.append(max(-model.clamp_lsb, min(model.clamp_lsb, count)))
        samples = list(self.window)
        blocks = [sum(samples[k : k + size]) for k in range(0, len(samples), size)]
        y = model.output_bias
        for row, bias, weight in zip(model.hidden_weight, model.hidden_bias, model.output_weight, strict=True):
            y += weight * max(0, bias + sum(w * b for w, b in zip(row, blocks, strict=True)))
        self.votes.append(y > 0)
        return y, y > 0, sum(self.votes) >= model.confirm_votes


class _Loop:
    def __init__(self) -> None:
        self.finding, self.bad, self.left, self.started, self.weak = "good", 0, 0, False, False

    def diagnose(self, resistance_mohm: int, leakage: int) -> None:
        if leakage & 3:
            finding = "shorted"
        elif not LOOP_LOW_MOHM <= resistance_mohm <= LOOP_HIGH_MOHM:
            finding = "resistance"
        else:
            self.bad = 0
            return
        self.bad = min(self.bad + 1, LOOP_DEBOUNCE)
        if self.bad == LOOP_DEBOUNCE:
            self.finding = finding

    def start(self, pulse: int) -> None:
        if not self.started and self.finding != "shorted":
            self.started, self.left = True, pulse

    def current_ma(self, resistance_mohm: int) -> int:
        if self.left == 0:
            return 0
        self.left -= 1
        current = min(FULL_CURRENT_MA, FIRING_MV * 1000 // max(1, resistance_mohm))
        self.weak |= current < FULL_CURRENT_MA
        return current


class ReferenceController:
    """One controller of a ``model``, its self-tests passed, ready at the first sample.

    Parameters
    ----------
    model : ExportedModel
    cold : bool
        Begin with the very first tick after power-on instead.
    plant, locked : bool
        What the non-volatile memory says at a cold start.
    """

    def __init__(self, model: ExportedModel, *, cold: bool = False, plant: bool = False, locked: bool = False) -> None:
        self.model = model
        self.trouble: set[str] = set()
        self.locked, self.plant, self.parameters_right = locked, plant, True
        self.contradiction = False
        self.reserve = self._samples(150)
        self.last_clock: int | None = -self._period_us
        self._restart()
        if cold:
            self.last_clock = None
        else:
            self.mode, self.since = "NORMAL", 0

    def bear_flip(self) -> None:
        """A bit of the state or of its mirror flips before the next tick: told, and without effect."""
        self.trouble.add("memory")

    def lose_state(self) -> None:
        """State and mirror are both lost before the next tick: a reset, and the lock stays."""
        self.trouble.add("memory")
        self._restart()
        self.last_clock = None

    def contradict_mode(self) -> None:
        """The mode changes before the next tick, in state and mirror alike, but not its complement."""
        self.contradiction = True

    def change_parameters(self, model: ExportedModel) -> None:
        """The parameters in memory become those of another ``model`` before the next tick."""
        self.net.model, self.parameters_right = model, model == self.model

    @property
    def _period_us(self) -> int:
        return 1_000_000 // self.model.sample_rate_hz

    @property
    def _filled(self) -> int:
        model = self.model
        window = model.block_samples * len(model.hidden_weight[0])
        return max(window + model.confirm_window, model.arming_window)

    def _samples(self, ms: int) -> int:
        return ms * self.model.sample_rate_hz // 1000

    def _restart(self) -> None:
        self.mode, self.since = "OFF_RESET", 0
        self.net = _Net(self.model)
        self.safing = deque([0] * self.model.arming_window, self.model.arming_window)
        self.hold = 0
        self.last, self.same, self.main_invalid, self.safing_invalid = 0, 0, 0, 0
        self.offset, self.quiet = 0, [0, 0]
        self.loops = (_Loop(), _Loop())
        self.loud, self.awake = 0, 0
        self.pairs: deque[tuple[int, int]] = deque([(0, 0)] * AGREEMENT_SAMPLES, AGREEMENT_SAMPLES)
        self.apart = 0

    def _enter(self, mode: str) -> None:
        if mode != self.mode:
            self.mode, self.since = mode, 0

    def run(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Outputs for ``inputs``: arrays of ``OUTPUT_DTYPE`` and ``INPUT_DTYPE``, shape (n_samples,)."""
        outputs = np.zeros(inputs.size, dtype=OUTPUT_DTYPE)
        for k, (main, second, clock_us, battery_mv, loops) in enumerate(inputs.tolist()):
            outputs[k] = self._step(main, second, clock_us, battery_mv, [(int(r), int(leaks)) for r, leaks in loops])
        return outputs

    def _step(self, main: int, second: int, clock_us: int, battery_mv: int, loops: Any) -> tuple[Any, ...]:
        self.since += 1
        late = None if self.last_clock is None else (clock_us - self.last_clock) % 2**32
        self.last_clock = clock_us
        fifth = self._period_us // 5
        y, vote, request, armed, agrees, count, currents = 0, False, False, False, False, 0, (0, 0)
        if late is not None and abs(late - self._period_us) > fifth:
            self.trouble.add("watchdog")
            self._restart()
            self.last_clock = None
        elif self.contradiction:
            self.trouble.add("memory")
            self._restart()
            self.last_clock, self.contradiction = None, False
        elif not self._powered(battery_mv):
            self._restart()
            self.last_clock = None
        else:
            faults: set[str] = set()
            count, valid = self._main(main, faults)
            ready = self.mode in RUNNING or self.mode == "INIT"
            if ready:
                y, vote, request = self.net.step(count)
                self._listen(count)
            armed, other = self._arm(second, ready, faults)
            agrees = self._agree(count if valid else None, other) if ready else False
            was_idle = self.mode == "NORMAL"
            self._decide(request, armed, agrees, faults)
            if was_idle and self.mode == "NORMAL" and valid and self.loud == 0:
                self._follow(count)
            currents = self._drive(loops)
        bits = sum(1 << TROUBLES.index(name) for name in self.trouble)
        lamp = self.mode not in RUNNING or bits != 0
        mode = MODES.index(self.mode)
        return y, mode, currents, bits, count, vote, request, armed, self.awake > 0, lamp, self.locked, agrees

    def _powered(self, battery_mv: int) -> bool:
        if battery_mv >= BATTERY_LOW_MV:
            self.reserve = self._samples(150)
        else:
            self.trouble.add("battery")
            self.reserve = max(0, self.reserve - 1)
        return self.reserve > 0

    def _main(self, word: int, faults: set[str]) -> tuple[int, bool]:
        raw = _payload(word)
        valid = word == main_word(raw) and abs(raw) <= FRAME_DATA_MAX
        if valid:
            self.main_invalid = 0
            repeats = raw == self.last and abs(raw) > self.model.clamp_lsb // 60
            self.same = min(self.same + 1, STUCK_SAMPLES) if repeats else 0
            self.last = raw
        else:
            self.main_invalid = min(self.main_invalid + 1, DROPOUT_SAMPLES)
        if self.main_invalid == DROPOUT_SAMPLES:
            faults.add("main sensor dropout")
        if self.same == STUCK_SAMPLES:
            faults.add("main sensor stuck")
        return (raw - self.offset if valid else 0), valid

    def _listen(self, count: int) -> None:
        self.loud = min(self.loud + 1, 2) if abs(count) > self.model.clamp_lsb // 60 else 0
        self.awake = self._samples(20) if self.loud == 2 else max(0, self.awake - 1)

    def _arm(self, word: int, ready: bool, faults: set[str]) -> tuple[bool, int | None]:
        raw = _payload(word)
        valid = word == safing_word(raw) and abs(raw) <= FRAME_DATA_MAX
        self.safing_invalid = 0 if valid else min(self.safing_invalid + 1, DROPOUT_SAMPLES)
        if self.safing_invalid == DROPOUT_SAMPLES:
            faults.add("safing sensor dropout")
        if not ready:
            return False, None
        limit = self.model.arming_clamp_lsb
        self.safing.append(max(-limit, min(limit, raw)) if valid else 0)
        if sum(self.safing) >= self.model.arming_threshold_lsb:
            self.hold = self.model.arming_hold + 1
        armed = self.hold > 0
        self.hold -= armed
        return armed, raw if valid else None

    def _agree(self, count: int | None, other: int | None) -> bool:
        model = self.model
        limit = model.arming_clamp_lsb * model.safing_units
        if count is None or other is None:
            self.pairs.append((0, 0))
        else:
            units = (count * model.main_units, other * model.safing_units)
            self.pairs.append((max(-limit, min(limit, units[0])), max(-limit, min(limit, units[1]))))
        main, safing = (sum(column) for column in zip(*self.pairs, strict=True))
        agrees: bool = 6 * abs(main - safing) <= abs(safing) + 6 * AGREEMENT_SAMPLES * model.units_per_g
        self.apart = 0 if agrees else min(self.apart + 1, APART_SAMPLES)
        return agrees

    def _decide(self, request: bool, armed: bool, agrees: bool, faults: set[str]) -> None:
        if self.mode == "OFF_RESET":
            if not (self.locked or self.plant or self.parameters_right):
                self.trouble.add("parameters")
                self._enter("FAULT")
            else:
                self._enter("CRASH_LOCK" if self.locked else "PLANT" if self.plant else "INIT")
        elif self.mode == "INIT":
            # Until every window holds samples that were really taken.
            if self.since >= self._filled:
                self._enter("NORMAL")
        elif self.mode == "FIRE":
            self._stages(request)
        elif self.mode == "POST_CRASH":
            self._enter("CRASH_LOCK")
        elif self.mode in RUNNING:
            if self.apart == APART_SAMPLES:
                self.trouble.add("sensors disagree")
            fires = request and armed and agrees
            if not self.parameters_right and (fires or self.since % PARAMETERS_SAMPLES == 0):
                faults = faults | {"parameters"}
            if faults:
                self.trouble |= faults
                self._enter("FAULT")
            elif fires:
                self.locked = True
                self._enter("FIRE")
                self.loops[0].start(self._samples(2))
            else:
                self._enter("ARMED" if armed else "ALGO_ACTIVE" if self.awake else "NORMAL")

    def _stages(self, request: bool) -> None:
        if (self.since == self._samples(10) and request) or self.since == self._samples(120):
            self.loops[1].start(self._samples(2))
        if self.since > self._samples(120) + self._samples(2):
            self._enter("POST_CRASH")

    def _follow(self, count: int) -> None:
        self.quiet[0] += count
        self.quiet[1] += 1
        if self.quiet[1] == OFFSET_PERIOD:
            limit = self.model.clamp_lsb // 120
            step = (self.quiet[0] > OFFSET_PERIOD // 2) - (self.quiet[0] < -(OFFSET_PERIOD // 2))
            self.offset = max(-limit, min(limit, self.offset + step))
            self.quiet = [0, 0]

    def _drive(self, loops: Any) -> tuple[int, int]:
        currents = [0, 0]
        for k, (loop, (resistance_mohm, leakage)) in enumerate(zip(self.loops, loops, strict=True)):
            if self.mode == "NORMAL":
                loop.diagnose(resistance_mohm, leakage)
            if self.mode == "FIRE":
                currents[k] = loop.current_ma(resistance_mohm)
            if loop.finding != "good":
                self.trouble.add(f"loop {k + 1}")
            if loop.weak:
                self.trouble.add("weak current")
        return currents[0], currents[1]
